"""`cnnlab data audit`."""

import json
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cnnlab.cli import tables
from cnnlab.cli.comparison import format_comparison
from cnnlab.cli.options import Config, Jobs, Set, make_folder, processes
from cnnlab.errors import RequestError

if TYPE_CHECKING:
    from cnnlab.analysis.audit import Audit
    from cnnlab.analysis.compare import Comparison
    from cnnlab.experiment.schema import Experiment
    from cnnlab.runs import Run

COLUMNS = 10  # of the grid
COMPARED_SEEDS = 5  # enough to estimate a spread


class Format(StrEnum):
    """How the suspects are printed."""

    TABLE = "table"
    JSON = "json"


def audit(
    config: Config,
    set: Set = None,
    epochs: Annotated[int | None, typer.Option(help="Train this many epochs.", show_default=False)] = None,
    folds: Annotated[int, typer.Option(help="The number of folds, one training each.", min=2, max=1000)] = 5,
    seed: Annotated[int, typer.Option(help="The seed of the partition and of training.", min=0)] = 0,
    top: Annotated[
        int, typer.Option(help="How many of the most suspicious labels to print and draw per split.", min=1, max=1000)
    ] = 20,
    out: Annotated[
        Path | None,
        typer.Option(help="The folder to write to; by default audit/NAME.", metavar="DIR", show_default=False),
    ] = None,
    retrain: Annotated[
        int | None,
        typer.Option(
            help="Also train with and without the suspects, N seeds each, and compare.",
            metavar="N",
            min=1,
            max=100,
            show_default=False,
        ),
    ] = None,
    jobs: Jobs = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the result only.")] = False,
    format: Annotated[Format, typer.Option(help="How to print the result.")] = Format.TABLE,
) -> None:
    """Find examples that are probably labelled wrong: by cross-fitting and confident learning.

    The experiment is trained once for each fold of its training examples. Every example is then judged by the network
    that was not trained on it, and the test set by the mean of all; labels that are confidently contradicted are
    suspects (Northcutt et al. 2021). Written into the folder, for the training and the test examples: a table of all
    suspects, a grid of the first, and the runs, so that an interrupted audit goes on where it was. `data.exclude`
    leaves the suspects of such a table out; look at them first.

    Example: `cnnlab data audit my.yaml --epochs 4`.
    """
    from cnnlab.cli.tensorflow import import_tensorflow
    from cnnlab.config.lint import check
    from cnnlab.config.load import read
    from cnnlab.config.overrides import Override, check_distinct, parse_sets
    from cnnlab.experiment.losses import CrossEntropy
    from cnnlab.terminal import warn

    changes = parse_sets(set or [])
    if epochs is not None:
        changes.append(Override(("train", "epochs"), epochs, f"--epochs {epochs}"))
    changes.append(Override(("seed",), seed, f"--seed {seed}"))
    check_distinct(changes)
    loaded = read(config, changes)
    for warning in check(loaded):
        warn(str(warning))
    experiment = loaded.experiment
    if not isinstance(experiment.train.loss, CrossEntropy):
        raise RequestError(
            f"train.loss: {experiment.train.loss.kind}, whose networks predict no probabilities, which an audit needs; "
            "try --set train.loss=cross_entropy"
        )
    if experiment.data.fold:
        raise RequestError("data.fold: one fold of a cross-validation; an audit trains all: --set data.fold=null")
    if retrain and getattr(experiment.data, "test", None) == 0:
        raise RequestError("--retrain: compares on a test set, and data.test: 0 leaves none")
    folder = out or Path("audit") / experiment.name
    make_folder(folder)
    if processes(jobs, folds, experiment) == 1:
        import_tensorflow(experiment.train.devices, experiment.train.threads)
    runs = _cross_fitted(experiment, folds, folder / "runs", jobs, quiet=quiet)
    import_tensorflow(experiment.train.devices, experiment.train.threads)
    from cnnlab.analysis.audit import audits
    from cnnlab.terminal import image_progress

    with image_progress() as progress:
        bar = progress.add_task("folds judged", total=folds)
        found = audits(experiment, runs, lambda: progress.advance(bar))
    for one in found:
        _write(one, folder, experiment.name, top)
    words = [config, *(word for text in set or [] for word in ("--set", text))]
    words += [] if epochs is None else ["--epochs", str(epochs)]
    if format is Format.TABLE:
        _print(found, folder, top, words, has_retrained=retrain is not None)
    compared = _retrained(experiment, retrain, found[0], folder, jobs, quiet=quiet) if retrain else None
    if format is Format.JSON:
        print(_as_json(found, folder, top, compared))
    elif compared:
        print(f"\n{format_comparison(compared, tables.Format.TABLE, published=False)}")


def _cross_fitted(experiment: "Experiment", folds: int, folder: Path, jobs: str | None, *, quiet: bool) -> list["Run"]:
    """The finished runs of all folds, of which those are trained, or resumed, that are not there."""
    from cnnlab.cli.shorthands import new_runs
    from cnnlab.terminal import note

    train = experiment.train.model_copy(update={"test": "end"})
    tasks = new_runs(experiment.model_copy(update={"train": train}), None, None, folds)
    experiments = [task.experiment for task in tasks]
    found = [_finished(one, folder) for one in experiments]
    if there := sum(run is not None for run in found):
        note(f"{folder}: {there} of {folds} folds are trained already")
    _train([one for one, run in zip(experiments, found, strict=True) if run is None], folder, jobs, quiet=quiet)
    return [run for one in experiments if (run := _finished(one, folder)) is not None]


def _finished(experiment: "Experiment", folder: Path) -> "Run | None":
    from cnnlab.analysis.reproduction_runs import finished_runs

    group = finished_runs(experiment, [experiment.seed], folder)
    return group.record.run if group else None


def _train(experiments: Sequence["Experiment"], folder: Path, jobs: str | None, *, quiet: bool) -> None:
    """Train, or resume, each of these into `folder`."""
    from cnnlab.analysis.reproduction_runs import missing_experiments, resumable_runs
    from cnnlab.terminal import stderr
    from cnnlab.training.tasks import NewRun, Task

    tasks: list[Task] = []
    for one in experiments:
        resumable = resumable_runs(one, [one.seed], folder)
        tasks += resumable or [NewRun(missing) for missing in missing_experiments(one, [one.seed], folder)]
    if not tasks:
        return
    count = processes(jobs, len(tasks), tasks[0].experiment)
    if count > 1:
        from cnnlab.jobs.train import train as train_in_processes

        train_in_processes(tasks, folder, count, quiet=quiet, on_finished=lambda trained: None)
        return
    from cnnlab.training.train import train

    train(tasks, folder, console=None if quiet else stderr())


def _path(one: "Audit", folder: Path, suffix: str) -> Path:
    return folder / f"{one.split}-suspects{suffix}"


def _write(one: "Audit", folder: Path, name: str, top: int) -> None:
    """The table of all suspects of a split, and the grid of the most suspicious labels."""
    from cnnlab.plots import grid
    from cnnlab.plots.figure import class_labels
    from cnnlab.runs.metrics import write_rows

    columns = ["split", "index", "file", "label", "suggested", "probability_of_label", "probability_of_suggested"]
    columns += ["margin", "sha256"]
    suspects = [{column: row[column] for column in columns} for row in one.rows()]
    write_rows(_path(one, folder, ".csv"), suspects, columns)
    places = one.most_suspicious(top)
    if not len(places):
        return
    labels = class_labels(one.class_names)
    number = dict(zip(one.class_names, labels, strict=True))
    titles = [
        f"{row['file'] or row['index']}: {number[row['label']]}, rather {number[row['suggested']]} "
        f"({row['probability_of_suggested']:.2f})"
        for row in one.rows(places)
    ]
    heading = f"{name}: the {len(titles)} most suspicious {one.split} labels; {len(suspects):,} are suspects"
    grid.draw(one.take(places).images[:], titles, heading, _path(one, folder, ".png"), COLUMNS)


def _print(found: Sequence["Audit"], folder: Path, top: int, words: list[str], *, has_retrained: bool) -> None:
    for one in found:
        print(
            f"{one.split}: {len(one.errors.suspects):,} of {len(one.examples):,} labels are suspicious; estimated "
            f"noise {100 * one.errors.noise_rate:.2f} %; accuracy out of sample {one.accuracy:.4f}"
        )
        if rows := one.rows(one.most_suspicious(top)):
            name = "file" if rows[0]["file"] else "index"
            short = {"probability_of_label": "p(label)", "probability_of_suggested": "p(suggested)"}  # for 80 columns
            columns = {key: short.get(key, key) for key in (name, "label", "suggested", *short, "suspect")}
            shown = [{title: row[key] for key, title in columns.items()} for row in rows]
            print(f"\n{tables.render(shown, list(columns.values()), tables.Format.TABLE)}\n")
            print(f"all suspects: {_path(one, folder, '.csv')}; these images: {_path(one, folder, '.png')}\n")
    print("A suspect contradicts these networks, which err too: look at the images before you leave any out.")
    if has_retrained or not len(found[0].errors.suspects) or len(found) == 1:  # without a test set nothing is measured
        return
    table, compared = _path(found[0], folder, ".csv"), folder / "compared"
    seeds: list[str | Path] = ["--seeds", str(COMPARED_SEEDS), "--runs", compared]
    print("What leaving the suspects out of training changes:")
    from cnnlab.terminal import proposed

    print(f"  {proposed('train', *words, *seeds)}")
    print(f"  {proposed('train', *words, '--set', f'data.exclude={table}', *seeds)}")
    print(f"  {proposed('compare', compared)}")


def _summary(one: "Audit", folder: Path, top: int) -> dict[str, Any]:
    return {
        "split": one.split,
        "examples": len(one.examples),
        "estimated_noise": one.errors.noise_rate,
        "accuracy": one.accuracy,
        "classes": list(one.class_names),
        "joint": one.errors.joint.round(2).tolist(),
        "indices": one.indices.tolist(),
        "margins": one.errors.margins.round(6).tolist(),
        "table": str(_path(one, folder, ".csv")),
        "suspects": one.rows(),
        "most_suspicious": one.rows(one.most_suspicious(top)),
    }


def _as_json(found: Sequence["Audit"], folder: Path, top: int, compared: "Comparison | None") -> str:
    from cnnlab.analysis.outcomes import full_row

    comparison = None if compared is None else [full_row(compared, row, published=False) for row in compared.rows]
    return json.dumps({"splits": [_summary(one, folder, top) for one in found], "comparison": comparison}, indent=2)


def _retrained(
    experiment: "Experiment", seeds: int, found: "Audit", folder: Path, jobs: str | None, *, quiet: bool
) -> "Comparison | None":
    """Train with and without the suspects, if there are any, and compare on the test set."""
    from cnnlab.analysis.compare import compare
    from cnnlab.terminal import note

    if not len(found.errors.suspects):
        note("--retrain: no label is a suspect, so there is nothing to leave out")
        return None
    target, table = folder / "compared", _path(found, folder, ".csv").absolute()
    data = experiment.data.model_copy(update={"exclude": str(table)})
    both = [experiment, experiment.model_copy(update={"data": data})]
    experiments = [one.model_copy(update={"seed": one.seed + index}) for one in both for index in range(seeds)]
    _train([one for one in experiments if _finished(one, target) is None], target, jobs, quiet=quiet)
    return compare([target])
