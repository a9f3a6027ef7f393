"""`cnnlab look`."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cnnlab.cli import tables
from cnnlab.cli.options import make_folder, record_test_use
from cnnlab.errors import RequestError, RunError
from cnnlab.explain.what import What
from cnnlab.messages import folder_name
from cnnlab.terminal import image_progress, note

if TYPE_CHECKING:
    from cnnlab.explain.look import Look
    from cnnlab.runs import Run

MOST_PRINTED = 200  # rows of a table
CLASSES = 3  # that are explained
NUMBERS = ("example", "surest")  # columns that name examples


class Method(StrEnum):
    """How many dimensions become two."""

    PCA = "pca"
    TSNE = "tsne"


class Format(StrEnum):
    """How the numbers are printed."""

    TABLE = "table"
    JSON = "json"


def look(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run.", show_default=False)],
    what: Annotated[
        list[What] | None, typer.Option(help="What to show; may be repeated. [default: layers]", show_default=False)
    ] = None,
    example: Annotated[
        int | None,
        typer.Option(help="A test example, from 0; by default the surest mistake.", metavar="N", show_default=False),
    ] = None,
    image: Annotated[
        Path | None, typer.Option(help="An image file instead of an example.", metavar="FILE", show_default=False)
    ] = None,
    layer: Annotated[
        str | None,
        typer.Option(
            help="Show this layer only; for Grad-CAM, the layer to explain.", metavar="NAME", show_default=False
        ),
    ] = None,
    classes: Annotated[
        int | None,
        typer.Option(
            help="With saliency, how many classes to explain, the most probable first. [default: 3]",
            min=1,
            show_default=False,
        ),
    ] = None,
    method: Annotated[
        Method | None,
        typer.Option(help="With map, how many dimensions become two. [default: pca]", show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="The folder for the images; by default RUN/look.", metavar="DIR", show_default=False),
    ] = None,
    format: Annotated[Format, typer.Option(help="How to print the numbers.")] = Format.TABLE,
) -> None:
    """Look into a finished network: what its layers make of an image, what its filters react to, why it answers so.

    `layers`: each layer's size, parameters, smallest and largest activation and gradient for one example, with images
    of activations, weights and their gradients; `hidden`: all channels after each layer; `filters`, with those marked
    that are dead or always open; `patches`: the nine test patches that activate each filter most; `saliency`:
    Grad-CAM, gradient and integrated gradients, beside those of the same network with shuffled weights; `weights` of a
    dense layer on the pixels; the most frequent `confusions`; a `map` of the last hidden layer. Numbers are printed,
    images go into RUN/look.
    """
    from cnnlab.runs.find import find_one

    folder = find_one(run)
    if example is not None and image is not None:
        raise RequestError(f"--example {example}: not with --image, which is looked at instead")
    from cnnlab.explain import aspects
    from cnnlab.explain.structure import Structure
    from cnnlab.runs.experiment import check_finished, experiment_of, parameters_of

    record = folder.record()
    check_finished(record)
    if example is not None and "test" in record.data.splits:
        _check_example(example, record.data.splits["test"].examples)
    experiment = experiment_of(folder)
    parameters_of(folder, experiment)  # refused where its layers do not fit
    structure = Structure.from_experiment(experiment)
    shown, notes = aspects.chosen(what or [What.LAYERS], structure, layer)
    _check_used(shown, {"--classes": (classes, {What.SALIENCY}), "--method": (method, {What.MAP})})
    _check_used(shown, {"--layer": (layer, {*What} - {What.WEIGHTS, What.CONFUSIONS, What.MAP})})
    from cnnlab.evaluation.samples import decode_single
    from cnnlab.runs.inputs import inputs_of

    pixels = None if image is None else decode_single(inputs_of(folder), image, "--image")
    make_folder(out or folder.look)  # refused before the seconds that follow
    from cnnlab.cli.tensorflow import import_tensorflow

    import_tensorflow(threads=experiment.train.threads)
    for text in notes:
        note(text)
    with image_progress() as progress:
        task = progress.add_task("", total=None, visible=False)

        def report(name: str, done: int, total: int) -> None:
            progress.update(task, description=name, completed=done, total=total, visible=True)

        looking = _look(folder, structure, example, (str(image), pixels), out or folder.look, report)
        looking.layer, looking.classes, looking.method = layer, classes or CLASSES, (method or Method.PCA).value
        if image is not None and {What.LAYERS} & {*shown}:
            label = looking.loaded.class_names[looking.subject.label]
            note(f"{image}: its class is not known; gradients are of the loss of {label}")
        found = {one.value: looking.rows(one) for one in shown}
    if image is None or aspects.OF_TEST_SET & {*shown}:
        record_test_use(folder, "look")
    print(_json(looking, found) if format is Format.JSON else _text(looking, found))


def _check_used(shown: Sequence[What], options: Mapping[str, tuple[object, Collection[What]]]) -> None:
    """Refuse an option that nothing that is shown has a use for."""
    for option, (value, uses) in options.items():
        if value is not None and not {*uses} & {*shown}:
            needed = " or ".join(f"--what {one}" for one in What if one in uses and one is not What.ALL)
            raise RequestError(f"{option} {value}: is for {needed}")


def _named(row: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers of examples as options take them, without separators."""
    return {key: str(value) if key in NUMBERS else value for key, value in row.items()}


def _check_example(number: int, total: int) -> None:
    if not 0 <= number < total:
        raise RequestError(f"--example {number}: no such example; the test set has {total:,}, counted from 0")


def _look(
    run: "Run",
    structure: Any,
    example: int | None,
    image: tuple[str, Any],
    out: Path,
    progress: Callable[[str, int, int], None],
) -> "Look":
    """The network, and what it is looked at with."""
    from functools import cache

    import numpy as np

    from cnnlab.evaluation.load import load_model, load_test_examples
    from cnnlab.explain.look import Look
    from cnnlab.explain.subject import example_subject, image_subject, surest_mistake

    loaded = load_model(run, averages=False)
    if not all(np.isfinite(weight).all() for weight in loaded.model.get_weights()):
        raise RunError(f"{run.weights}: damaged: has weights that are not finite")
    dataset = cache(lambda: load_test_examples(loaded.record, loaded.experiment))
    name, pixels = image
    if pixels is not None:
        subject = image_subject(loaded, name, pixels)
    else:
        number = surest_mistake(run, loaded.forward, dataset()) if example is None else example
        subject = example_subject(loaded, dataset(), number)
    suffix = "" if example is None else f"-example-{example}"
    if pixels is not None:
        suffix = f"-of-{folder_name(Path(name).stem)}"
    return Look(loaded, structure, subject, dataset, out, progress=progress, suffix=suffix)


def _json(looking: "Look", found: dict[str, Any]) -> str:
    subject, names = looking.subject, looking.loaded.class_names
    return json.dumps(
        {
            "run": str(looking.loaded.record.run.path),
            "example": subject.name,
            "true": None if subject.truth is None else names[subject.truth],
            "predicted": names[subject.predicted],
            "scores": dict(zip(names, map(float, subject.scores), strict=True)),
            **found,
            "pictures": [str(path) for path in looking.pictures],
        },
        indent=2,
    )


def _text(looking: "Look", found: dict[str, Any]) -> str:
    parts = [looking.heading]
    for rows in found.values():
        if rows:
            more = [f"{len(rows) - MOST_PRINTED:,} more rows in --format json"] if len(rows) > MOST_PRINTED else []
            shown = [_named(row) for row in rows[:MOST_PRINTED]]
            parts.append(tables.render(shown, list(rows[0]), tables.Format.TABLE, more))
    parts.append("\n".join(f"image: {path}" for path in looking.pictures))
    return "\n\n".join(parts)
