"""What a network gets wrong, and how sure it is, as pictures."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cnnlab.analysis import grid
from cnnlab.analysis.curves import plain
from cnnlab.analysis.metrics import most_confident_mistakes
from cnnlab.data import Dataset
from cnnlab.models.inference import Outcome
from cnnlab.runs import Run, files

MISTAKES, COLUMNS = 24, 6
FEW = 10  # examples in a bin, of which a share says little
MOST_NUMBERS = 20  # classes, up to which a matrix has room for its numbers


def draw(run: Run, split: str, measured: Mapping[str, Any], outcome: Outcome, dataset: Dataset) -> list[Path]:
    """Write the confusion matrix, the reliability of probabilities, and the most confident mistakes, as PNG files.

    The second only where there are probabilities, the third only where there are mistakes. Raises RunError where a file
    cannot be written.
    """
    import matplotlib as mpl

    mpl.use("agg")  # files only: needs no screen
    folder = run.path / "evaluation"
    drawn = [_confusion(measured, folder / f"{split}-confusion.png")]
    if measured["calibration"]:
        drawn.append(_reliability(measured, folder / f"{split}-reliability.png"))
    if measured["accuracy"] < 1:
        drawn.append(_mistakes(split, outcome, dataset, folder / f"{split}-mistakes.png"))
    return drawn


def _confusion(measured: Mapping[str, Any], path: Path) -> Path:
    from matplotlib import pyplot as plt
    from sklearn.metrics import ConfusionMatrixDisplay

    names = [plain(row["class"]) for row in measured["classes"]]
    matrix = np.array(measured["confusion_matrix"])
    side = min(20.0, 3 + 0.5 * len(names))
    figure, axes = plt.subplots(figsize=(side, side), layout="constrained")
    shares = matrix / np.maximum(1, matrix.sum(axis=1, keepdims=True))  # colours by class, however many each has
    with_numbers = len(names) <= MOST_NUMBERS
    ConfusionMatrixDisplay(shares, display_labels=names).plot(
        ax=axes, cmap="Blues", colorbar=False, include_values=False, xticks_rotation="vertical"
    )
    for row, column in np.ndindex(*matrix.shape) if with_numbers else ():
        color = "white" if shares[row, column] > 0.5 else "black"
        if matrix[row, column]:
            axes.text(column, row, f"{matrix[row, column]:,}", ha="center", va="center", color=color, fontsize=9)
    axes.set(xlabel="predicted", ylabel="true")
    axes.set_title(f"{measured['split']} accuracy {measured['accuracy']:.4f} of {measured['examples']:,} examples")
    return _saved(figure, path)


def _reliability(measured: Mapping[str, Any], path: Path) -> Path:
    from matplotlib import pyplot as plt

    bins = measured["calibration"]
    confidence, accuracy, examples = ([part[key] for part in bins] for key in ("confidence", "accuracy", "examples"))
    figure, (above, below) = plt.subplots(2, 1, figsize=(5, 6), height_ratios=[3, 1], sharex=True, layout="constrained")
    above.plot([0, 1], [0, 1], color="0.6", linestyle="--", label="as sure as it is right")
    errors = [math.sqrt(share * (1 - share) / n) for share, n in zip(accuracy, examples, strict=True)]
    above.errorbar(confidence, accuracy, errors, fmt="o", capsize=3, label="the network, ± standard error")
    for x, y, n in zip(confidence, accuracy, examples, strict=True):
        if n < FEW:
            above.annotate(f"n = {n}", (x, y), xytext=(5, 4), textcoords="offset points", fontsize=8, color="0.4")
    above.set(ylabel="share that is right", xlim=(0, 1), ylim=(0, 1.02))
    above.set_title(f"expected calibration error {measured['expected_calibration_error']:.4f}")
    above.legend(frameon=False, loc="upper left")
    below.bar(confidence, examples, width=0.05)
    below.set(xlabel="probability of the prediction", ylabel="examples", yscale="log")
    for axes in (above, below):
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    return _saved(figure, path)


def _mistakes(split: str, outcome: Outcome, dataset: Dataset, path: Path) -> Path:
    which = most_confident_mistakes(outcome, MISTAKES)
    names = dataset.class_names
    titles = [
        f"{names[outcome.labels[index]]} as {names[outcome.predictions[index]]}, {outcome.scores[index].max():.2f}"
        for index in which
    ]
    wrong = int((outcome.predictions != outcome.labels).sum())
    number = "probability" if outcome.are_probabilities else "score"
    heading = f"{len(which)} of {wrong:,} {split} mistakes, the surest first: true as predicted, and the {number}"
    order = np.argsort(which)  # pictures on disk are read in their order
    images = np.empty((len(which), *dataset.image_shape), np.uint8)
    images[order] = dataset.splits()[split].take(which[order]).images[:]
    grid.draw(images, titles, heading, path, COLUMNS)
    return path


def _saved(figure: Any, path: Path) -> Path:
    from matplotlib import pyplot as plt

    try:
        files.write(path, lambda temporary: figure.savefig(temporary, dpi=110))
    finally:
        plt.close(figure)
    return path
