"""`cnnlab evaluate`."""

import json
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from cnnlab.cli import tables


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


def evaluate(
    run: Annotated[Path, typer.Argument(help="A run folder.", show_default=False)],
    split: Annotated[Split, typer.Option(help="The examples to measure on.")] = Split.TEST,
    format: Annotated[
        Format, typer.Option(help="table for people, json for everything, csv for the classes.")
    ] = Format.TABLE,
) -> None:
    """Measure a finished run: loss, accuracy, each class's precision and recall, the confusion matrix.

    The network is rebuilt from the run's config and its weights; the results and every prediction are also written
    into the run's evaluation/ folder.
    """
    from cnnlab.analysis.recorded import check_finished
    from cnnlab.runs.find import find_one

    folder = find_one(run)
    check_finished(folder, folder.record())  # told before the seconds that TensorFlow takes
    from cnnlab.cli.tensorflow import quietly_imported

    quietly_imported()
    from cnnlab.analysis.evaluate import evaluate as measure

    measured = measure(folder, split.value)
    if format is Format.JSON:
        print(json.dumps(measured, indent=2))
        return
    classes = measured["classes"]
    if format is Format.CSV:
        print(tables.render(classes, list(classes[0]), tables.Format.CSV))
        return
    print(_report(measured))
    print(f"\npredictions: {folder.predictions(split.value)}")


def _report(measured: Mapping[str, Any]) -> str:
    classes = measured["classes"]
    names = [row["class"] for row in classes]
    matrix = [
        {"true \\ predicted": name, **dict(zip(names, counts, strict=True))}
        for name, counts in zip(names, measured["confusion_matrix"], strict=True)
    ]
    return "\n\n".join(
        [
            f"{measured['split']} accuracy {measured['accuracy']:.4f}, loss {measured['loss']:.4f} "
            f"({measured['examples']:,} examples)",
            tables.render(classes, list(classes[0]), tables.Format.TABLE),
            tables.render(matrix, list(matrix[0]), tables.Format.TABLE),
        ]
    )
