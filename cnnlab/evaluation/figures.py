"""What a network gets wrong, and how sure it is, as figures."""

import math
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cnnlab.data import Dataset
from cnnlab.evaluation.metrics import BINS, most_confident_mistakes
from cnnlab.models.inference import Outcome
from cnnlab.plots import grid
from cnnlab.plots.figure import class_labels, drawing, shortened, write
from cnnlab.runs import Run

MAX_MISTAKES, COLUMNS = 24, 6
MIN_BIN_EXAMPLES = 10  # examples in a bin, of which a share says little
LABEL_LINE_WIDTH, MAX_LABEL_LENGTH = 20, 40  # characters in a line of a class name, and in all of it
MAX_NUMBERED_CLASSES = 20  # classes, up to which a matrix has room for its numbers


@dataclass(frozen=True)
class _Evaluation:
    """What figures are drawn of, and where to."""

    run: Run
    extension: str
    measured: Mapping[str, Any]
    labels: list[str]
    """What the classes are called."""

    @property
    def split(self) -> str:
        return str(self.measured["split"])

    def path(self, name: str) -> Path:
        return self.run.path / "evaluation" / f"{self.split}-{name}.{self.extension}"


def draw(run: Run, measured: Mapping[str, Any], outcome: Outcome, dataset: Dataset, extension: str) -> list[Path]:
    """Write the confusion matrix, the reliability of probabilities, and the most confident mistakes.

    The second only where there are probabilities, the third only where there are mistakes. `extension` is png, svg or
    pdf.
    Raises RunError where a file cannot be written.
    """
    evaluation = _Evaluation(run, extension, measured, class_labels(dataset.class_names))
    drawn = [_confusion(evaluation)]
    if measured["calibration"]:
        drawn.append(_reliability(evaluation))
    if measured["accuracy"] < 1:
        drawn.append(_mistakes(evaluation, outcome, dataset))
    return drawn


def _confusion(evaluation: _Evaluation) -> Path:
    measured = evaluation.measured
    with drawing(evaluation.labels) as plain:
        from matplotlib import pyplot as plt
        from sklearn.metrics import ConfusionMatrixDisplay

        matrix = np.array(measured["confusion_matrix"])
        labels = [
            "\n".join(textwrap.wrap(shortened(label, MAX_LABEL_LENGTH), LABEL_LINE_WIDTH))
            for label in evaluation.labels
        ]
        side = 3 + min(17.0, 0.5 * len(labels)) + 0.1 * max(map(len, "\n".join(labels).splitlines()))
        figure, axes = plt.subplots(figsize=(side, side), layout="constrained")
        # Colours by class, however many examples each has.
        shares = matrix / np.maximum(1, matrix.sum(axis=1, keepdims=True))
        ConfusionMatrixDisplay(shares, display_labels=[plain(label) for label in labels]).plot(
            ax=axes, cmap="Blues", colorbar=False, include_values=False, xticks_rotation="vertical"
        )
        for row, column in np.ndindex(*matrix.shape) if len(evaluation.labels) <= MAX_NUMBERED_CLASSES else ():
            color = "white" if shares[row, column] > 0.5 else "black"
            if matrix[row, column]:
                axes.text(column, row, f"{matrix[row, column]:,}", ha="center", va="center", color=color, fontsize=9)
        axes.set(xlabel="predicted", ylabel="true")
        axes.set_title(
            f"{plain(evaluation.run.path.name)}\n"
            f"{evaluation.split} accuracy {measured['accuracy']:.4f} of {measured['examples']:,} examples"
        )
        return write(figure, evaluation.path("confusion"))


def _reliability(evaluation: _Evaluation) -> Path:
    with drawing() as plain:
        from matplotlib import pyplot as plt

        figure, (above, below) = plt.subplots(
            2, 1, figsize=(5, 7), height_ratios=[2, 1], sharex=True, layout="constrained"
        )
        above.plot([0, 1], [0, 1], color="0.6", linestyle="--", label="perfectly calibrated")
        for is_few, fill, label in (
            (False, "C0", "the network, ± standard error"),
            (True, "white", f"fewer than {MIN_BIN_EXAMPLES} examples"),
        ):
            bins = [bin for bin in evaluation.measured["calibration"] if (bin["examples"] < MIN_BIN_EXAMPLES) == is_few]
            if bins:
                confidence, accuracy, examples = (
                    [bin[key] for bin in bins] for key in ("confidence", "accuracy", "examples")
                )
                errors = [math.sqrt(share * (1 - share) / n) for share, n in zip(accuracy, examples, strict=True)]
                above.errorbar(
                    confidence, accuracy, errors, fmt="o", color="C0", markerfacecolor=fill, capsize=3, label=label
                )
        above.set(ylabel="share that is right", xlim=(0, 1), ylim=(-0.02, 1.02))
        error = evaluation.measured["expected_calibration_error"]
        above.set_title(
            f"{plain(evaluation.run.path.name)}, {evaluation.split}\nexpected calibration error {error:.4f}"
        )
        _counts(below, evaluation.measured["calibration"])
        for axes in (above, below):
            axes.grid(alpha=0.3)
            axes.spines[["top", "right"]].set_visible(False)
        figure.legend(loc="outside lower center", frameon=False)
        return write(figure, evaluation.path("reliability"))


def _counts(axes: Any, calibration: list[dict[str, Any]]) -> None:
    """How many examples each bin has: a bar as wide as the bin, the number above it upright, so that none collide."""
    counts = [bin["examples"] for bin in calibration]
    centres = [(min(math.floor(bin["confidence"] * BINS), BINS - 1) + 0.5) / BINS for bin in calibration]
    bars = axes.bar(centres, counts, width=1 / BINS, edgecolor="white")
    axes.bar_label(bars, [f"{count:,}" for count in counts], rotation=90, fontsize=8, padding=3)
    axes.set(xlabel="probability of the prediction", ylabel="examples", yscale="log")
    axes.set_ylim(0.5, 2 * max(counts) ** 1.5)  # room above the highest bar for its number


def _mistakes(evaluation: _Evaluation, outcome: Outcome, dataset: Dataset) -> Path:
    which = most_confident_mistakes(outcome, MAX_MISTAKES)
    titles = [
        f"{evaluation.labels[outcome.labels[index]]} as {evaluation.labels[outcome.predictions[index]]}, "
        f"{outcome.scores[index].max():.2f}"
        for index in which
    ]
    wrong = int((outcome.predictions != outcome.labels).sum())
    number = "probability" if outcome.are_probabilities else "score"
    heading = (
        f"{evaluation.run.path.name}: {len(which)} of {wrong:,} {evaluation.split} mistakes, the surest first: "
        f"true as predicted, and the {number}"
    )
    order = np.argsort(which)  # images on disk are read in their order
    images = np.empty((len(which), *dataset.image_shape), np.uint8)
    images[order] = dataset.splits()[evaluation.split].take(which[order]).images[:]
    return grid.draw(images, titles, heading, evaluation.path("mistakes"), COLUMNS)
