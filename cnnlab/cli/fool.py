"""`cnnlab fool`."""

import json
import statistics
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cnnlab.cli import tables
from cnnlab.errors import RequestError
from cnnlab.messages import did_you_mean, pluralize
from cnnlab.terminal import image_progress, note, warn

if TYPE_CHECKING:
    from cnnlab.evaluation.load import LoadedModel
    from cnnlab.robustness.attacker import Attack
    from cnnlab.robustness.curve import Curve
    from cnnlab.robustness.single import Fooled, Victim

LARGEST = 1e6  # epsilon
DEFAULTS = {"linf": (0.01, 0.02, 0.05, 0.1, 0.2, 0.3), "l2": (0.1, 0.25, 0.5, 1.0, 2.0, 4.0)}


class Norm(StrEnum):
    """How the size of a perturbation is measured."""

    LINF = "linf"
    L2 = "l2"


class Format(StrEnum):
    """How results are printed."""

    TABLE = "table"
    JSON = "json"


def fool(
    runs: Annotated[
        list[Path], typer.Argument(help="A run folder; several are measured on the test set.", show_default=False)
    ],
    example: Annotated[
        int | None,
        typer.Option(
            help="The test example to perturb; by default the first that is predicted right.", min=0, show_default=False
        ),
    ] = None,
    image: Annotated[
        Path | None, typer.Option(help="An image file to perturb instead.", metavar="FILE", show_default=False)
    ] = None,
    all: Annotated[bool, typer.Option("--all", help="Measure the accuracy on the test set, against epsilon.")] = False,
    limit: Annotated[
        int | None,
        typer.Option(help="How many test examples to measure on, the first ones.", min=1, show_default=False),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(help="The class to have predicted; by default any other.", metavar="CLASS", show_default=False),
    ] = None,
    norm: Annotated[
        Norm, typer.Option(help="linf: the largest change of a pixel; l2: the Euclidean norm.")
    ] = Norm.LINF,
    epsilon: Annotated[
        list[str] | None,
        typer.Option(
            help="The largest perturbation, for pixels in [0, 1], such as 0.1 or 8/255; may be repeated with --all. "
            "By default the smallest that succeeds.",
            show_default=False,
        ),
    ] = None,
    steps: Annotated[int, typer.Option(help="Gradient steps of PGD.", min=1, max=10_000)] = 40,
    step_size: Annotated[
        float | None, typer.Option(help="Of PGD; by default 2.5 * epsilon / steps.", show_default=False)
    ] = None,
    restarts: Annotated[int, typer.Option(help="Random starts of PGD, of which the best counts.", min=1, max=1000)] = 1,
    out: Annotated[
        Path | None,
        typer.Option(help="The folder for figures; by default RUN/fool.", metavar="DIR", show_default=False),
    ] = None,
    format: Annotated[Format, typer.Option(help="How to print the results.")] = Format.TABLE,
) -> None:
    """Perturb images so little that one hardly sees it, and so that a network errs: FGSM and PGD.

    One image: what the network predicts for it, for two attacks on it and for random noise of the same size, with the
    smallest epsilon that succeeds; the images are drawn. With --all, or several runs: the accuracy on the test set
    against epsilon, the accuracy under the strongest of all attacks, and whether the network only looks robust.
    Perturbed images are rounded to 8 bits per value, as files are, before they are measured. FGSM is the method of
    Goodfellow et al. 2014, PGD that of Madry et al. 2017.
    """
    epsilons = _epsilons(epsilon or [])
    on_test_set = all or len(runs) > 1
    _check(on_test_set, len(epsilons), example=example, image=image, limit=limit, target=target, step_size=step_size)
    from cnnlab.runs.experiment import experiment_of
    from cnnlab.runs.find import find_one
    from cnnlab.runs.inputs import common_inputs

    folders = [find_one(run) for run in runs]
    inputs = common_inputs(folders)
    if target is not None and target not in inputs.class_names:
        raise RequestError(f"--target {target}: no such class; {did_you_mean(target, inputs.class_names)}")
    from cnnlab.cli.tensorflow import import_tensorflow

    threads = experiment_of(folders[0]).train.threads
    import_tensorflow(threads=threads)
    from cnnlab.evaluation.load import load_model
    from cnnlab.robustness.attacker import Attack

    pgd = Attack("pgd", norm.value, steps, step_size, restarts)
    loaded = [load_model(folder) for folder in folders]
    folder = folders[0].path / "fool" if out is None else out
    if on_test_set:
        result, text = _measured(loaded, epsilons or DEFAULTS[norm], pgd, limit, folder)
    else:
        result, text = _fooled(loaded[0], pgd, epsilons[0] if epsilons else None, example, image, target, folder)
    print(json.dumps(result, indent=2) if format is Format.JSON else text)


def _epsilons(texts: Sequence[str]) -> list[float]:
    """From `0.1` and `8/255`, in ascending order."""
    found = set()
    for text in texts:
        over, _, under = text.partition("/")
        try:
            value = float(over) / float(under or 1)
        except (ValueError, ZeroDivisionError):
            value = -1.0
        if not 0 < value <= LARGEST:
            raise RequestError(f"--epsilon {text}: expected a number above 0, such as 0.1 or 8/255")
        found.add(value)
    return sorted(found)


def _check(on_test_set: bool, epsilons: int, **options: Any) -> None:
    """Raise RequestError where options contradict each other."""
    if options["step_size"] is not None and not 0 < options["step_size"] <= LARGEST:
        raise RequestError(f"--step-size {options['step_size']:g}: expected a number above 0")
    if options["example"] is not None and options["image"] is not None:
        raise RequestError("--image: perturbs a file; leave --example out, or --image")
    if on_test_set:
        for name in ("example", "image", "target"):
            if options[name] is not None:
                raise RequestError(f"--{name}: is for one image of one run; several runs or --all use the test set")
    elif options["limit"] is not None:
        raise RequestError(f"--limit {options['limit']}: is for the test set; add --all")
    elif epsilons > 1:
        raise RequestError("--epsilon: expected one for one image; several are measured on the test set with --all")


def _fooled(
    loaded: "LoadedModel",
    pgd: "Attack",
    epsilon: float | None,
    example: int | None,
    image: Path | None,
    target: str | None,
    folder: Path,
) -> tuple[dict[str, Any], str]:
    """One image: the result for scripts, and as text."""
    from cnnlab.robustness.attacker import Attack, Attacker
    from cnnlab.robustness.single import Victim, fool

    name, pixels, truth = _image(loaded, image) if image is not None else _example(loaded, example)
    classes = loaded.class_names
    scores = loaded.forward.scores(pixels[None])[0]
    label = int(scores.argmax()) if truth is None else truth
    if truth is None:
        note(f"{name}: its class is not known; perturbed until another class than {classes[label]} is predicted")
    wanted = label if target is None else classes.index(target)
    if target is not None and wanted == int(scores.argmax()):
        raise RequestError(f"--target {target}: is predicted already for {name}; name another class")
    victim = Victim(pixels, wanted, target is not None)
    attacker = Attacker(loaded, pgd.norm, loaded.experiment.seed)
    results = [fool(attacker, attack, victim, epsilon) for attack in (Attack("fgsm", pgd.norm), pgd)]
    # Noise as large as the larger of the two.
    radius = epsilon or max(result.distance for result in results)
    results.append(fool(attacker, Attack("noise", pgd.norm), victim, radius))
    path = _draw_one(loaded, victim, scores, results, folder / f"{_file_name(name)}.png")
    rows = [
        _row("unperturbed", scores, victim, classes, None),
        *(_row(r.attack.name, r.scores, victim, classes, r) for r in results),
    ]
    result = {
        "run": str(loaded.record.run.path),
        "image": name,
        "label": None if truth is None else classes[truth],
        "target": target,
        "norm": pgd.norm,
        "steps": pgd.steps,
        "restarts": pgd.restarts,
        "figure": str(path),
        "images": rows,
    }
    return result, "\n\n".join(
        [
            tables.render(rows, list(rows[0]), tables.Format.TABLE, _notes(pgd, epsilon, victim, classes)),
            f"figure: {path}",
        ]
    )


def _notes(pgd: "Attack", epsilon: float | None, victim: "Victim", classes: Sequence[str]) -> list[str]:
    step = f"{pgd.step_size:g}" if pgd.step_size is not None else "2.5 epsilon / steps"
    goal = f"predicts {classes[victim.label]}" if victim.targeted else f"no longer predicts {classes[victim.label]}"
    size = f"epsilon {epsilon:g}" if epsilon else "each attack with the smallest epsilon that succeeds"
    return [
        f"{size}; succeeds if the network {goal}; {pgd.norm}; PGD: {pluralize(pgd.steps, 'step')} of {step}, "
        f"{pluralize(pgd.restarts, 'random start')}; smallest_epsilon: of those tried, with images rounded to 8 bits"
    ]


def _row(name: str, scores: Any, victim: "Victim", classes: Sequence[str], fooled: "Fooled | None") -> dict[str, Any]:
    return {
        "image": name,
        "prediction": classes[int(scores.argmax())],
        "probability": float(scores.max()),
        "target_probability" if victim.targeted else "label_probability": float(scores[victim.label]),
        "distance": fooled.distance if fooled else 0.0,
        "succeeds": fooled.success if fooled else None,
        "smallest_epsilon": fooled.smallest if fooled else None,
    }


def _example(loaded: "LoadedModel", number: int | None) -> tuple[str, Any, int]:
    """A test example's name, image and label."""
    from cnnlab.evaluation.load import load_dataset

    dataset = load_dataset(loaded.record, loaded.experiment)
    test = dataset.test
    loaded.record.run.record_test_use("fool")
    if number is None:
        right = loaded.forward(test).predictions == test.labels
        if not right.any():
            raise RequestError(f"{loaded.record.run.path}: predicts no test example right; there is nothing to spoil")
        number = int(right.argmax())
    if number >= len(test):
        raise RequestError(f"--example {number}: {dataset.name} has {len(test):,} test examples, counted from 0")
    return f"{dataset.name}/test/{number}", test.images[number : number + 1][0], int(test.labels[number])


def _image(loaded: "LoadedModel", path: Path) -> tuple[str, Any, None]:
    """A file's name and image, decoded as for training."""
    from cnnlab.evaluation.samples import FileSamples
    from cnnlab.runs.inputs import inputs_of

    samples = FileSamples(inputs_of(loaded.record.run), [str(path)], invert=False)
    found = [sample for sample in samples if sample is not None]
    samples.report()
    if len(found) != 1:
        raise RequestError(f"--image {path}: expected one image, got {len(found)}")
    return str(path), found[0].pixels, None


def _draw_one(loaded: "LoadedModel", victim: "Victim", scores: Any, results: Sequence["Fooled"], path: Path) -> Path:
    """The original, then each perturbation, amplified, and the perturbed image."""
    import numpy as np

    from cnnlab.plots import grid
    from cnnlab.plots.figure import class_labels

    names = class_labels(loaded.class_names)
    images, titles, colors = [], [], []
    for result in results:
        change = result.image.astype(float) - victim.image
        factor = max(1, int(127 // max(1.0, np.abs(change).max())))
        images += [victim.image, np.clip(np.rint(127.5 + factor * change), 0, 255).astype(np.uint8), result.image]
        titles += [
            f"original: {names[int(scores.argmax())]} {scores.max():.2f}",
            f"{result.attack.name}: difference × {factor}, at most {result.distance:.3g}",
            f"{names[result.prediction]} {result.scores.max():.2f}",
        ]
        colors += ["0.15", "0.15", "red" if result.success else "green"]
    heading = f"{loaded.record.run.path.name}: {results[0].attack.norm}; red: fooled"
    return grid.draw(np.stack(images), titles, heading, path, 3, "--out", colors)


def _file_name(name: str) -> str:
    from cnnlab.messages import folder_name

    return folder_name(name.replace("/", "-"))


def _measured(
    loaded: Sequence["LoadedModel"], epsilons: Sequence[float], pgd: "Attack", limit: int | None, folder: Path
) -> tuple[dict[str, Any], str]:
    """The test set: the result for scripts, and as text."""
    from cnnlab.evaluation.load import check_same_data, load_dataset
    from cnnlab.plots import robustness
    from cnnlab.robustness.attacker import Attacker
    from cnnlab.robustness.curve import measure, suspicions

    dataset = load_dataset(loaded[0].record, loaded[0].experiment)
    for other in loaded[1:]:
        check_same_data(other.record, dataset)
    for one in loaded:
        one.record.run.record_test_use("fool")
    examples = dataset.test.take(slice(0, limit))
    attackers = [Attacker(one, pgd.norm, one.experiment.seed) for one in loaded]
    with image_progress() as progress:
        total = len(epsilons) * len(attackers) * len(examples) * (2 + pgd.restarts)
        task = progress.add_task("attacking", total=total)
        curves = measure(attackers, examples, epsilons, pgd, lambda count: progress.advance(task, count))
    names = {"noise": "random noise", "fgsm": "FGSM", "pgd": pgd.name, "robust": "the strongest for each image"}
    values = {
        key: [_mean_std([getattr(curve.points[i], key) for curve in curves]) for i in range(len(epsilons))]
        for key in names
    }
    runs = ", ".join(Path(curve.run).name for curve in curves[:3]) + (", …" if len(curves) > 3 else "")
    title = f"{runs}: {len(examples):,} test examples"
    plain = _mean_std([curve.accuracy for curve in curves])
    path = robustness.draw(
        [0.0, *epsilons],
        {key: [plain, *points] for key, points in values.items()},
        names,
        title,
        pgd.norm,
        folder / f"robustness-{pgd.norm}.png",
    )
    found = {curve.run: suspicions(curve, pgd.norm) for curve in curves}
    result = {
        "norm": pgd.norm,
        "steps": pgd.steps,
        "step_size": pgd.step_size,
        "restarts": pgd.restarts,
        "examples": len(examples),
        "runs": [{**curve.as_dict(), "suspicions": found[curve.run]} for curve in curves],
        "figure": str(path),
    }
    return result, _table(curves, values, epsilons, pgd, len(examples), path)


def _mean_std(values: Sequence[float]) -> tuple[float, float]:
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else 0.0


def _table(
    curves: Sequence["Curve"], values: Any, epsilons: Sequence[float], pgd: "Attack", examples: int, path: Path
) -> str:
    from cnnlab.robustness.curve import suspicions

    def show(pair: tuple[float, float]) -> str:
        return f"{pair[0]:.4f} ± {pair[1]:.4f}" if len(curves) > 1 else f"{pair[0]:.4f}"

    plain = show(_mean_std([curve.accuracy for curve in curves]))
    rows = [{"epsilon": "0", "noise": plain, "fgsm": plain, pgd.name.lower(): plain, "robust": plain}]
    rows += [
        {
            "epsilon": f"{epsilon:g}",
            **{(pgd.name.lower() if key == "pgd" else key): show(values[key][i]) for key in values},
        }
        for i, epsilon in enumerate(epsilons)
    ]
    for curve in curves:
        for sign in suspicions(curve, pgd.norm):
            warn(f"{curve.run}: may only look robust: {sign}")
    if len(curves) == 1:
        note("images made for another network were not tried; name a second run, of another seed")
    step = f"{pgd.step_size:g}" if pgd.step_size is not None else "2.5 epsilon / steps"
    notes = [
        f"accuracy on {examples:,} test examples"
        + (f", mean ± standard deviation of {len(curves)} runs" if len(curves) > 1 else "")
        + f"; {pgd.norm}; PGD: {pluralize(pgd.steps, 'step')} of {step}, {pluralize(pgd.restarts, 'random start')}; "
        "robust: right after every attack; images rounded to 8 bits"
    ]
    return "\n\n".join([tables.render(rows, list(rows[0]), tables.Format.TABLE, notes), f"figure: {path}"])
