"""`cnnlab evaluate`."""

import json
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from cnnlab.cli import tables

MAX_MATRIX_CLASSES = 20  # whose confusion matrix can be read in a terminal


class Split(StrEnum):
    """Which examples of the run's data."""

    TEST = "test"
    VALIDATION = "validation"
    TRAIN = "train"


class Format(StrEnum):
    """How the measurements are printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


class FigureFormat(StrEnum):
    """In what figures are drawn."""

    PNG = "png"
    SVG = "svg"
    PDF = "pdf"


def evaluate(
    runs: Annotated[
        list[Path],
        typer.Argument(help="A run folder, or several, whose probabilities are averaged.", show_default=False),
    ],
    split: Annotated[Split, typer.Option(help="The examples to measure on.")] = Split.TEST,
    figures: Annotated[
        bool, typer.Option("--figures/--no-figures", help="Draw confusions, reliability and mistakes too.")
    ] = True,
    pictures: Annotated[bool, typer.Option("--pictures/--no-pictures", hidden=True)] = True,  # as of version 0.1.0
    figure_format: Annotated[FigureFormat, typer.Option(help="Of the figures.")] = FigureFormat.PNG,
    format: Annotated[
        Format, typer.Option(help="table for people, json for everything, csv for the classes.")
    ] = Format.TABLE,
) -> None:
    """Measure a finished run: how often and how surely it is right, on which classes, and what it takes for what.

    Accuracy with its 95 % bootstrap interval over the examples (other seeds vary too: see `compare`), balanced and
    top-k accuracy, macro and weighted F1, the expected calibration error, each class's precision and recall, the
    confusion matrix, and images/s. The network is rebuilt from the run's config and its weights; the results, every
    prediction and the figures go into the run's evaluation/ folder. Of an ensemble of several runs the results are
    printed only.
    """
    from cnnlab.runs.experiment import experiment_of
    from cnnlab.runs.find import find_one

    folders = [find_one(run) for run in runs]
    from cnnlab.runs.inputs import common_inputs

    common_inputs(folders)  # refused before the seconds that TensorFlow takes
    from cnnlab.cli.tensorflow import import_tensorflow

    import_tensorflow(threads=experiment_of(folders[0]).train.threads)
    from cnnlab.evaluation.evaluate import evaluate as measure
    from cnnlab.evaluation.evaluate import evaluate_ensemble

    if len(folders) > 1:
        measured = evaluate_ensemble(folders, split.value)
    else:
        measured = measure(folders[0], split.value, figures=figure_format.value if figures and pictures else None)
    if format is Format.JSON:
        print(json.dumps(measured, indent=2))
        return
    classes = measured["classes"]
    if format is Format.CSV:
        print(tables.render(classes, list(classes[0]), tables.Format.CSV))
        return
    print(_report(measured))
    if len(folders) > 1:
        print(f"\nthe mean probabilities of {len(folders)} runs; nothing is written")
        return
    print(f"\npredictions: {folders[0].predictions(split.value)}")
    if measured["pictures"]:
        print(f"figures: {', '.join(measured['pictures'])}")


def _report(measured: Mapping[str, Any]) -> str:
    classes = measured["classes"]
    names = [row["class"] for row in classes]
    matrix = [
        {"true \\ predicted": name, **dict(zip(names, counts, strict=True))}
        for name, counts in zip(names, measured["confusion_matrix"], strict=True)
    ]
    return "\n\n".join(
        [
            _summary(measured),
            tables.render(classes, list(classes[0]), tables.Format.TABLE),
            tables.render(matrix, list(matrix[0]), tables.Format.TABLE)
            if len(names) <= MAX_MATRIX_CLASSES
            else f"the confusion matrix of {len(names)} classes is in the figures and in --format json",
        ]
    )


def _summary(measured: Mapping[str, Any]) -> str:
    low, high = measured["accuracy_interval"]
    figures = {
        "balanced accuracy": measured["balanced_accuracy"],
        **{f"top-{k} accuracy": value for k, value in measured["top_k"].items()},
        "macro F1": measured["macro_f1"],
        "weighted F1": measured["weighted_f1"],
        "expected calibration error": measured["expected_calibration_error"],
    }
    summary = ", ".join(f"{name} {value:.4f}" for name, value in figures.items() if value is not None)
    if absent := measured["absent_classes"]:
        present = len(measured["classes"]) - len(absent)
        summary += (
            f"\nbalanced accuracy and macro F1 are over {present} of {len(measured['classes'])} classes: no examples "
            f"of {', '.join(absent)}"
        )
    return (
        f"{measured['split']} accuracy {measured['accuracy']:.4f}, loss {measured['loss']:.4f} "
        f"({measured['examples']:,} examples; 95 % interval of the accuracy: {low:.4f} to {high:.4f})\n"
        f"{summary}\n{measured['images_per_second']:,.0f} images/s"
    )
