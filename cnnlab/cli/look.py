"""`cnnlab look`."""

import json
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cnnlab.cli import tables
from cnnlab.errors import RequestError, RunError
from cnnlab.explain.what import What
from cnnlab.terminal import image_progress, note

if TYPE_CHECKING:
    from cnnlab.explain.look import Look
    from cnnlab.runs import Run

MOST_PRINTED = 200  # rows of a table


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
    classes: Annotated[int, typer.Option(help="How many classes to explain, the most probable first.", min=1)] = 3,
    method: Annotated[Method, typer.Option(help="Of the map of the last hidden layer.")] = Method.PCA,
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
    from cnnlab.evaluation.samples import decode_single
    from cnnlab.runs.inputs import inputs_of

    pixels = None if image is None else decode_single(inputs_of(folder), image, "--image")
    from cnnlab.cli.tensorflow import import_tensorflow

    import_tensorflow(threads=experiment.train.threads)
    for text in notes:
        note(text)
    with image_progress() as progress:
        task = progress.add_task("", total=None, visible=False)

        def report(name: str, done: int, total: int) -> None:
            progress.update(task, description=name, completed=done, total=total, visible=True)

        looking = _look(folder, structure, example, (str(image), pixels), out or folder.look, report)
        looking.layer, looking.classes, looking.method = layer, classes, method.value
        found = {one.value: looking.rows(one) for one in shown}
    if image is None or aspects.OF_TEST_SET & {*shown}:
        folder.record_test_use("look")
    print(_json(looking, found) if format is Format.JSON else _text(looking, found))


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

    loaded = load_model(run)
    if not all(np.isfinite(weight).all() for weight in loaded.model.get_weights()):
        raise RunError(f"{run.weights}: damaged: has weights that are not finite")
    dataset = cache(lambda: load_test_examples(loaded.record, loaded.experiment))
    name, pixels = image
    if pixels is not None:
        subject = image_subject(loaded, name, pixels)
        note(f"{name}: its class is not known; gradients are of the loss of {loaded.class_names[subject.label]}")
    else:
        number = surest_mistake(run, loaded.forward, dataset()) if example is None else example
        subject = example_subject(loaded, dataset(), number)
    return Look(loaded, structure, subject, dataset, out, progress=progress)


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
            parts.append(tables.render(rows[:MOST_PRINTED], list(rows[0]), tables.Format.TABLE, more))
    parts.append("\n".join(f"image: {path}" for path in looking.pictures))
    return "\n\n".join(parts)
