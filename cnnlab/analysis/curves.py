"""Learning curves: accuracy and loss by epoch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cnnlab.analysis import size_curves
from cnnlab.analysis.groups import Group
from cnnlab.analysis.labels import display_names, replicates_of, visible
from cnnlab.config.differences import brief, differing_keys
from cnnlab.errors import RunError
from cnnlab.plots.figure import check_target, drawing, write

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_NAMED = 10  # groups with a distinct name and style
MAX_WITH_TRAINING = 5  # groups with which the training curves are drawn too
MARKERS_PER_LINE = 8
MARKERS = "os^Dv*<P>X"
LINE_STYLES = ("-", "--", "-.", (0, (6, 1.5, 1, 1.5, 1, 1.5)))
IGNORED_SHARE = 0.1  # of the epochs, at their beginning, for the axis of accuracy
MARGIN_BELOW, MARGIN_ABOVE = 0.1, 0.02  # below and above the curves, as fractions of their range
HEIGHT, LEGEND_LINE_HEIGHT = 4.5, 0.22  # inches: of the figure without its legend, and of a line of that


@dataclass(frozen=True)
class _Style:
    """How a group is drawn: no two of ten share a colour or a marker."""

    index: int

    def line(self, points: int) -> dict[str, Any]:
        """Keywords of `Axes.plot` for a curve of `points` points, with markers beside those of other curves."""
        every = max(1, points // MARKERS_PER_LINE)
        return {
            "color": f"C{self.index % MAX_NAMED}",
            "linestyle": LINE_STYLES[self.index % len(LINE_STYLES)],
            "marker": MARKERS[self.index % MAX_NAMED],
            "markersize": 4,
            "markevery": (self.index * every // MAX_NAMED, every),
        }


def plot(groups: Sequence[Group], path: Path) -> None:
    """Draw accuracy and loss by epoch, the mean of each group; by the number of training examples where that differs.

    Validation with a band of one standard deviation to either side, for several runs; training dotted.
    Raises RequestError for a file of another kind, RunError where no run has a table or `path` cannot be written.
    """
    check_target(path, "--plot")
    if size_curves.sizes_differ(groups):
        size_curves.plot(groups, path)
        return
    drawn = sorted((group for group in groups if any(group.tables)), key=_final_accuracy, reverse=True)
    if not drawn:
        raise RunError(f"--plot {path}: none of these runs has a metrics.csv to draw")
    names = [f"{name}{_seeds(group)}" for name, group in zip(display_names(drawn), drawn, strict=True)]
    with drawing(names) as plain:
        from matplotlib import pyplot as plt

        figure, (accuracy, loss) = plt.subplots(1, 2, figsize=(10, HEIGHT), layout="constrained")
        training = len(drawn) <= MAX_WITH_TRAINING
        for axes, column in ((accuracy, "accuracy"), (loss, "loss")):
            for index, (group, name) in enumerate(zip(drawn, names, strict=True)):
                _draw(axes, group, column, _Style(index), visible(plain(name)), training=training)
            axes.set(xlabel="epoch", title=column)
            axes.locator_params(axis="x", integer=True)
            axes.grid(alpha=0.3)
            axes.spines[["top", "right"]].set_visible(False)
        lowest = _axis_minimum(drawn)
        accuracy.set_ylim(lowest, None if lowest is None else 1 + MARGIN_ABOVE * (1 - lowest))
        loss.set_ylim(bottom=0)
        if losses := _losses(drawn):
            loss.set_title(plain(f"loss ({losses}: not on one scale)"))
        handles, labels = (found[:MAX_NAMED] for found in accuracy.get_legend_handles_labels())
        title = _legend_title(drawn)
        figure.legend(handles, labels, loc="outside lower center", title=title, frameon=False, handlelength=4)
        figure.set_figheight(HEIGHT + LEGEND_LINE_HEIGHT * (1 + len(labels)))
        write(figure, path)


def _final_accuracy(group: Group) -> float:
    """The mean accuracy of its last epoch, on validation examples if there are any; those without any come last."""
    for column in ("val_accuracy", "accuracy"):
        if (values := by_epoch(group, column)[1]) and all(map(math.isfinite, values[-1])):
            return float(np.mean(values[-1]))
    return -1.0


def _seeds(group: Group) -> str:
    """How many runs a curve is the mean of, and how many of them reached its end."""
    _, values = by_epoch(group, "epoch")
    most, last = max(map(len, values)), len(values[-1])
    if most == 1:
        return ""
    what = "folds" if group.folds else "seeds"
    return f" ({most} {what})" if most == last else f" ({most} {what}, {last} to the end)"


def _legend_title(groups: Sequence[Group]) -> str:
    training = len(groups) <= MAX_WITH_TRAINING
    validated = any(table.get("val_accuracy") for group in groups for table in group.tables)
    parts = ["validation" if validated else "training"]
    if any(len(group.members) > 1 for group in groups):
        parts.append(f"band: ± std over {replicates_of(groups)}")
    if any("to the end" in _seeds(group) for group in groups):
        parts.append(f"thin: not all {replicates_of(groups)} reached these epochs")
    if validated:
        parts.append("dotted: training" if training else f"training: not drawn of more than {MAX_WITH_TRAINING}")
    more = f"\nand {len(groups) - MAX_NAMED} more" if len(groups) > MAX_NAMED else ""
    return f"{'; '.join(parts)}\nfrom the best last epoch to the worst:{more}" if len(groups) > 1 else "; ".join(parts)


def _losses(groups: Sequence[Group]) -> str:
    """The loss functions, where they differ."""
    for key, values in differing_keys([group.experiment.raw for group in groups]).items():
        if key.startswith("train.loss"):
            return " and ".join(dict.fromkeys(map(str, brief(key, values))))
    return ""


def _axis_minimum(groups: Sequence[Group]) -> float | None:
    """Where the accuracy axis begins: a little below all but the first tenth of epochs, which would flatten it."""
    late = []
    for group in groups:
        for column in ("accuracy", "val_accuracy"):
            _, values = by_epoch(group, column)
            late += [min(some) for some in values[math.ceil(len(values) * IGNORED_SHARE) if len(values) > 1 else 0 :]]
    if not late or not all(map(math.isfinite, late)):
        return None
    return max(0.0, min(late) - MARGIN_BELOW * (1 - min(late)))


def by_epoch(group: Group, column: str) -> tuple[list[float], list[list[float]]]:
    """The epochs of a group's tables, and for each the values of all runs that reached it."""
    found: dict[float, list[float]] = {}
    for table in group.tables:
        for epoch, value in zip(table.get("epoch", []), table.get(column, []), strict=False):
            found.setdefault(epoch, []).append(value)
    epochs = sorted(found)
    return epochs, [found[epoch] for epoch in epochs]


def _draw(axes: "Axes", group: Group, column: str, style: _Style, label: str, *, training: bool) -> None:
    epochs, values = by_epoch(group, f"val_{column}")
    if training or not epochs:
        rows = by_epoch(group, column)
        if not epochs:
            epochs, values = rows
        elif rows[0]:
            color = f"C{style.index % MAX_NAMED}"
            axes.plot(rows[0], [np.mean(some) for some in rows[1]], color=color, linestyle=":", linewidth=1, alpha=0.8)
    if not epochs:
        return
    means = np.array([np.mean(some) for some in values])
    count = max(map(len, values))
    complete = sum(len(some) == count for some in values)  # epochs that all runs reached
    line = style.line(len(epochs))
    axes.plot(epochs[:complete], means[:complete], label=label, **line)
    if complete < len(epochs):
        axes.plot(epochs[complete - 1 :], means[complete - 1 :], **{**line, "linewidth": 0.7, "markersize": 2})
    if count > 1:
        spread = np.array([np.std(some, ddof=1) for some in values[:complete]])
        low, high = means[:complete] - spread, means[:complete] + spread
        axes.fill_between(epochs[:complete], low, high, color=line["color"], alpha=0.2, linewidth=0)
