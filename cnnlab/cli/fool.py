"""`cnnlab fool`."""

import json
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cnnlab.cli.options import make_folder
from cnnlab.errors import RequestError
from cnnlab.messages import did_you_mean
from cnnlab.terminal import note

if TYPE_CHECKING:
    from cnnlab.runs import Run

LARGEST = 1e6  # epsilon
MOST_NAMED = 20  # classes in a message
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
    _check_distinct(folders)
    inputs = common_inputs(folders)
    if target is not None and target not in inputs.class_names:
        raise RequestError(f"--target {target}: no such class; {_classes(target, inputs.class_names)}")
    folder = folders[0].path / "fool" if out is None else out
    make_folder(folder)  # refused before the minutes that attacks can take
    for small in (value for value in epsilons if value < 1 / 255):
        note(f"--epsilon {small:g}: is less than 1/255, a step of a pixel: files of 8 bits cannot differ by it")
    from cnnlab.cli.tensorflow import import_tensorflow

    threads = experiment_of(folders[0]).train.threads
    import_tensorflow(threads=threads)
    from cnnlab.cli.attacks import fool_one, fool_test_set
    from cnnlab.evaluation.load import load_model
    from cnnlab.robustness.attacker import Attack

    pgd = Attack("pgd", norm.value, steps, step_size, restarts)
    loaded = [load_model(folder, averages=False) for folder in folders]
    if on_test_set:
        result, text = fool_test_set(loaded, epsilons or DEFAULTS[norm], pgd, limit, folder)
    else:
        result, text = fool_one(loaded[0], pgd, epsilons[0] if epsilons else None, example, image, target, folder)
    print(json.dumps(result, indent=2) if format is Format.JSON else text)


def _check_distinct(folders: Sequence["Run"]) -> None:
    """Refuse what has no mean: a run that counts twice, or other data; say it of other experiments."""
    records = [folder.record() for folder in folders]
    first = records[0]
    for number, record in enumerate(records[1:], start=1):
        if any(record.run.path.samefile(other.run.path) for other in records[:number]):
            raise RequestError(f"{record.run.path}: is named twice; each run counts once")
        if record.experiment.data["name"] != first.experiment.data["name"]:
            raise RequestError(
                f"{record.run.path}: is of other data ({record.experiment.data['name']}) than {first.run.path} "
                f"({first.experiment.data['name']}); name runs of one data set"
            )
    if any(record.experiment.shared() != first.experiment.shared() for record in records):
        note("the runs differ in more than the seed: means and deviations are over different experiments")


def _classes(target: str, names: Sequence[str]) -> str:
    """The class that is meant, or all; a number is never close to another one."""
    if target.lstrip("-").replace(".", "", 1).isdecimal():
        listed = ", ".join(names[:MOST_NAMED])
        return f"expected one of {listed}" + (", …" if len(names) > MOST_NAMED else "")
    return did_you_mean(target, names)


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
            raise RequestError(
                f"--epsilon {text}: expected a number above 0 and up to {LARGEST:,.0f}, such as 0.1 or 8/255"
            )
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
