"""`cnnlab predict`."""

import itertools
import os
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cnnlab.cli.predictions import Format, writer_for
from cnnlab.cli.tensorflow import import_tensorflow
from cnnlab.errors import RequestError
from cnnlab.terminal import note, prediction_progress

if TYPE_CHECKING:
    from cnnlab.evaluation.predict import Prediction
    from cnnlab.evaluation.samples import Samples
    from cnnlab.experiment.data import Data
    from cnnlab.runs import Run
    from cnnlab.runs.inputs import NetworkInputs

MAX_TILES = 100  # images of a grid
COLUMNS = 10  # of a grid
INK = "0.15"


class Split(StrEnum):
    """Which examples of a data set."""

    TEST = "test"
    VALIDATION = "validation"
    TRAIN = "train"


def predict(
    run: Annotated[
        Path, typer.Argument(help="A run folder; further ones form an ensemble; images follow.", show_default=False)
    ],
    images: Annotated[
        list[str] | None,
        typer.Argument(
            help="Files, folders, patterns such as 'photos/*.png', or - for paths on standard input, one per line.",
            show_default=False,
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="Predict examples of this data set, folder or table instead of files.",
            metavar="DATA",
            show_default=False,
        ),
    ] = None,
    split: Annotated[Split, typer.Option(help="Of the data set.")] = Split.TEST,
    examples: Annotated[
        str | None,
        typer.Option(help="Which of the split, from 0: 7, or 0:25.", metavar="N|FIRST:END", show_default=False),
    ] = None,
    top: Annotated[int, typer.Option(help="How many classes to print, the most probable first.", min=1)] = 1,
    invert: Annotated[bool, typer.Option("--invert", help="Make dark light and light dark before predicting.")] = False,
    grid: Annotated[
        Path | None,
        typer.Option(
            help="Draw the images with their classes, true:predicted, too: .png, .svg or .pdf.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    format: Annotated[
        Format, typer.Option(help="table for people; jsonl, csv and json have all digits.")
    ] = Format.TABLE,
) -> None:
    """Predict the classes of images with a finished run, or with the mean of several.

    Images are decoded and resized like the training images; what was changed is reported at the end. Rows are printed
    as predictions are made. The true class is printed too if it is known: from a data set, or from the names of the
    folders within a folder given as an argument. Exits with 1 if an image cannot be decoded; the others are predicted.
    """
    runs, arguments = _runs_and_images(run, images or [])
    _check_request(arguments, data, examples)
    if grid is not None:
        from cnnlab.plots.figure import check_target

        check_target(grid, "--grid")
    from cnnlab.runs.inputs import common_inputs

    inputs = common_inputs(runs)
    from cnnlab.evaluation.samples import ExampleSamples, FileSamples

    if data is None:
        samples: Samples = FileSamples(inputs, arguments, invert=invert)
    else:
        samples = ExampleSamples(inputs, _data_of(runs, inputs, data, split), split.value, examples, invert=invert)
    import_tensorflow()  # while many files are decoded already
    from cnnlab.evaluation.ensemble import load_ensemble
    from cnnlab.evaluation.predict import predict as predict_samples

    ensemble = load_ensemble(runs)
    if not (are_probabilities := ensemble.gives_probabilities):
        note(f"{run}: was not trained to give probabilities: printed are scores, of which the highest decides")
    writer = writer_for(
        format, inputs.class_names, top, are_probabilities=are_probabilities, has_truths=samples.has_truths
    )
    drawn: list[Prediction] = []
    right = known = 0
    with prediction_progress() as progress:
        task = progress.add_task("predicting", total=samples.total)

        def after_batch() -> None:
            writer.flush()
            progress.update(task, completed=writer.count)

        for prediction in predict_samples(samples, ensemble, after_batch):
            writer.write(prediction)
            if prediction.sample.truth is not None:
                known += 1
                right += prediction.top(1, inputs.class_names)[0][0] == prediction.sample.truth
            if grid is not None and len(drawn) < MAX_TILES:
                drawn.append(prediction)
    writer.end()
    samples.report()
    if known:
        note(f"{right:,} of {known:,} images whose class is known are predicted right: accuracy {right / known:.4f}")
    if grid is not None and drawn:
        _draw(drawn, inputs.class_names, grid)
        if writer.count > len(drawn):
            note(f"{grid}: has the first {len(drawn)} of {writer.count:,} images")
    if samples.failed:
        raise typer.Exit(1)


def _check_request(images: Sequence[str], data: str | None, examples: str | None) -> None:
    if data is not None and images:
        raise RequestError(f"--data {data}: predicts examples of a data set; {images[0]} names images")
    if data is None and not images:
        raise RequestError(
            "no images; expected files, folders, - for a list of paths, or a data set, such as --data digits"
        )
    if data is None and examples is not None:
        raise RequestError(f"--examples {examples}: selects examples of a data set; name it, such as --data digits")


def _data_of(runs: Sequence["Run"], inputs: "NetworkInputs", name: str, split: Split) -> "Data":
    """The data set of that name, or the folder or table at that path, in the size of the network's images.

    The run's own data have its splits; their test examples are then used once more.
    """
    from cnnlab.cli.data.target import data_of, is_data_set, is_path_of_images
    from cnnlab.runs.experiment import experiment_of

    own = experiment_of(runs[0]).data
    if not is_data_set(name) and is_path_of_images(name):
        if not _is_at(own, name):
            return _at_path(inputs, own, name)
    elif own.name != name:
        return data_of(name, [])
    if split is Split.TEST or (split is Split.VALIDATION and own.validation == "test"):
        for run in runs:
            run.record_test_use("predict")
    return own


def _is_at(data: "Data", path: str) -> bool:
    """Whether the data are the folder or the table at a path."""
    from cnnlab.experiment.data import Folder, Table

    place = data.path if isinstance(data, Folder) else data.file if isinstance(data, Table) else ""
    return os.path.exists(place) and os.path.exists(path) and os.path.samefile(place, path)


def _at_path(inputs: "NetworkInputs", own: "Data", path: str) -> "Data":
    """What a folder or a table describes, decoded as the images of the training; a table with their columns."""
    from cnnlab.cli.data.target import print_recognized
    from cnnlab.data.recognition import recognize
    from cnnlab.experiment.data import Table, spec_of

    known = {name: getattr(own, name) for name in ("image", "label", "split")} if isinstance(own, Table) else {}
    recognized = recognize(path, {name: column for name, column in known.items() if column}, inputs.class_names)
    size = inputs.size
    options = {"image_size": [size.height, size.width], "channels": size.channels, "fit": size.fit, "on_error": "skip"}
    print_recognized(recognized, briefly=True)
    return spec_of({**recognized.options, **options})


def _draw(predictions: Sequence["Prediction"], class_names: Sequence[str], path: Path) -> None:
    """The grid: true:predicted, blue where that is right and orange where not, or else the class and its score."""
    import numpy as np

    from cnnlab.plots import grid
    from cnnlab.plots.figure import class_labels

    names = dict(zip(class_names, class_labels(class_names), strict=True))
    titles, colors = [], []
    for prediction in predictions:
        ((label, score),) = prediction.top(1, class_names)
        truth = prediction.sample.truth
        titles.append(f"{names[label]} {score:.2f}" if truth is None else f"{names.get(truth, truth)}:{names[label]}")
        colors.append(INK if truth is None else grid.RIGHT if truth == label else grid.WRONG)
    heading = "true:predicted" if any(prediction.sample.truth for prediction in predictions) else "predicted"
    images = np.stack([prediction.sample.pixels for prediction in predictions])
    print(f"grid: {grid.draw(images, titles, heading, path, COLUMNS, '--grid', colors)}", file=sys.stderr)


def _runs_and_images(first: Path, arguments: Sequence[str]) -> tuple[list["Run"], list[str]]:
    """The run folders that the arguments begin with, and the rest."""
    from cnnlab.runs.find import find_one
    from cnnlab.runs.record import RECORD

    further = list(itertools.takewhile(lambda argument: (Path(argument) / RECORD).is_file(), arguments))
    return [find_one(first), *(find_one(Path(path)) for path in further)], list(arguments[len(further) :])
