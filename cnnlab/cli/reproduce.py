"""`cnnlab reproduce`."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cnnlab.cli.options import Jobs, processes
from cnnlab.cli.tables import Format, render
from cnnlab.errors import CnnlabError, Interrupted, RequestError, TrainingError

if TYPE_CHECKING:
    from cnnlab.analysis.reproduction import EpochComparison
    from cnnlab.experiment.schema import Experiment
    from cnnlab.training.tasks import Task


def reproduce(
    ids: Annotated[
        list[str] | None,
        typer.Argument(
            help="Shipped experiments, or the names that their sources give them; default: all.", show_default=False
        ),
    ] = None,
    seeds: Annotated[
        str, typer.Option(help="The number of seeds, from 0 on, or a list of seeds.", metavar="N|LIST")
    ] = "3",
    runs: Annotated[Path, typer.Option(help="The folder for run folders.", metavar="DIR")] = Path("runs/reproduction"),
    train: Annotated[
        bool, typer.Option("--train/--no-train", help="--no-train uses the results that come with cnnlab.")
    ] = True,
    save: Annotated[
        Path | None,
        typer.Option(
            help="Also write the results into this folder, in the format of configs/results.",
            metavar="DIR",
            show_default=False,
        ),
    ] = None,
    jobs: Jobs = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the result only.")] = False,
    format: Annotated[Format, typer.Option(help="How to print the table.")] = Format.TABLE,
) -> None:
    """Train the published experiments again, and compare the results with the published ones.

    The cheapest experiment comes first. Runs in --runs that finished are not trained again, unfinished ones are
    resumed. A published value is reproduced within noise if it is inside the 95 % prediction interval of one more
    seed.

    Examples: `cnnlab reproduce lenet5 --seeds 5`, `cnnlab reproduce --no-train --format md`.
    """
    from cnnlab.analysis import reproduction, results
    from cnnlab.cli.shorthands import parse_seeds
    from cnnlab.runs.claim import check_writable
    from cnnlab.runs.record import RECORD

    experiments = reproduction.select_experiments(ids or [])
    numbers = parse_seeds(seeds, 0)
    processes(jobs, len(numbers), next(iter(experiments.values())))  # refused before anything is trained
    lines: list[EpochComparison] = []
    if save:
        if not train:
            raise RequestError("--save: not with --no-train, which has nothing new to save")
        results.check_writable(save)
    if not train:
        for name, experiment in experiments.items():
            lines += reproduction.shipped_comparisons(name, experiment)
        _print(lines, format)
        return
    if (runs / RECORD).is_file():
        raise RequestError(f"--runs {runs}: is a run; expected the folder that it is in")
    check_writable(runs)
    failed: list[str] = []
    try:
        for name, experiment in experiments.items():
            _attempt(partial(_finish, experiment, numbers, runs, jobs, quiet=quiet), name, failed)
            lines += _attempt(partial(_comparisons, name, experiment, numbers, runs, save), name, failed) or []
    finally:
        if lines or format is Format.JSON:
            _print(lines, format)
    if failed:
        raise TrainingError(f"not reproduced: {', '.join(failed)}; see above")


def _attempt(action: Callable[[], Any], name: str, failed: list[str]) -> Any:
    """The result of an action; None where it fails: then there is a warning, and `name` is added to `failed`."""
    from cnnlab.terminal import warn

    try:
        return action()
    except Interrupted:
        raise
    except CnnlabError as error:
        for line in str(error).splitlines():
            warn(f"{name}: {line}")
        if name not in failed:
            failed.append(name)
    return None


def _finish(experiment: "Experiment", seeds: Sequence[int], runs: Path, jobs: str | None, *, quiet: bool) -> None:
    """Train what is not finished of these seeds, in several processes if there are `jobs`."""
    from cnnlab.analysis.reproduction_runs import missing_experiments, resumable_runs
    from cnnlab.training.tasks import NewRun, Task

    resumable = resumable_runs(experiment, seeds, runs)
    begun = {plan.experiment.seed for plan in resumable}
    missing = missing_experiments(experiment, [seed for seed in seeds if seed not in begun], runs)
    tasks: list[Task] = [*resumable, *map(NewRun, missing)]
    count = processes(jobs, len(tasks), experiment) if tasks else 1
    if count == 1:
        _train(resumable, runs, quiet=quiet)
        _train(tasks[len(resumable) :], runs, quiet=quiet)
        return
    from cnnlab.jobs.train import train

    train(tasks, runs, count, quiet=quiet, on_finished=lambda trained: None)


def _train(tasks: Sequence["Task"], runs: Path, *, quiet: bool) -> None:
    if not tasks:
        return
    from cnnlab.cli.tensorflow import import_tensorflow
    from cnnlab.terminal import stderr

    import_tensorflow()
    from cnnlab.training.train import train

    train(tasks, runs, console=None if quiet else stderr())


def _comparisons(
    name: str, experiment: "Experiment", seeds: Sequence[int], runs: Path, save: Path | None
) -> list["EpochComparison"]:
    """By the finished runs; empty where there are none."""
    from cnnlab.analysis import reproduction, results
    from cnnlab.analysis.reproduction_runs import finished_runs

    group = finished_runs(experiment, seeds, runs)
    if group is None:
        return []
    rows, epochs = results.summarize(name, experiment, group)
    if save:
        results.write(save, rows, epochs)
    return list(reproduction.compare_with_published(name, experiment, rows, epochs))


def _print(lines: Sequence["EpochComparison"], format: Format) -> None:
    rows = [_row(line, for_scripts=format in (Format.JSON, Format.CSV)) for line in lines]
    columns = [column for column in (rows[0] if rows else ()) if any(row[column] is not None for row in rows)]
    print(render(rows, columns, format))


def _row(line: "EpochComparison", *, for_scripts: bool) -> dict[str, Any]:
    """Mean ± std in a cell, or one number per cell for scripts."""
    from cnnlab.analysis.significance import format_mean_std

    row: dict[str, Any] = {"experiment": line.experiment, "epoch": line.epoch}
    for what, found in (("accuracy", line.accuracy), ("loss", line.loss)):
        row[f"published_{what}"] = found.published
        if for_scripts:
            row[what] = found.ours and found.ours.mean
            row[f"{what}_deviation"] = found.ours and found.ours.std
            row[f"{what}_difference"] = found.difference
        else:
            row[what] = format_mean_std(found.ours)
            if what == "accuracy":
                row["points"] = None if found.difference is None else f"{100 * found.difference:+.2f}"
    ours = line.accuracy.ours
    return {**row, "n": ours and ours.n, "verdict": line.verdict}
