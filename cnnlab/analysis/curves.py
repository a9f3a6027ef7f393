"""Learning curves: accuracy and loss by epoch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cnnlab.analysis import size_curves
from cnnlab.analysis.groups import Group
from cnnlab.analysis.labels import names_of, visible
from cnnlab.config.differences import brief, differing_keys
from cnnlab.errors import RunError
from cnnlab.plots.figure import check_ending, drawing, write

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST = 10  # groups that are named, and told apart
MOST_WITH_TRAINING = 5  # groups up to which the lines of training are drawn too
MARKS = 8  # on a line
MARKERS = "os^Dv*<P>X"
LINES = ("-", "--", "-.", (0, (6, 1.5, 1, 1.5, 1, 1.5)))
EARLY = 0.1  # of the epochs
MARGIN, PAST = 0.1, 0.02  # below and above what is drawn, as parts of it
HEIGHT, LINE = 4.5, 0.22  # inches: of the figure without what its lines are called, and of one of those


@dataclass(frozen=True)
class _Style:
    """How a group is drawn: no two of ten have a colour, a marker, or a line and a colour in common."""

    index: int

    def line(self, points: int) -> dict[str, Any]:
        """Of a line through so many points, its markers not where those of other lines are."""
        every = max(1, points // MARKS)
        return {
            "color": f"C{self.index % MOST}",
            "linestyle": LINES[self.index % len(LINES)],
            "marker": MARKERS[self.index % MOST],
            "markersize": 4,
            "markevery": (self.index * every // MOST, every),
        }


def plot(groups: Sequence[Group], path: Path) -> None:
    """Draw accuracy and loss by epoch, the mean of each group; by the number of training examples if that differs.

    Validation with a band of one standard deviation to either side, where there are several runs; training dotted.
    Raises RequestError for a file of another kind, RunError where no run has a table or `path` cannot be written.
    """
    check_ending(path, "--plot")
    if size_curves.differ(groups):
        size_curves.plot(groups, path)
        return
    drawn = sorted((group for group in groups if any(group.tables)), key=_last, reverse=True)
    if not drawn:
        raise RunError(f"--plot {path}: none of these runs has a metrics.csv to draw")
    names = [f"{name}{_seeds(group)}" for name, group in zip(names_of(drawn), drawn, strict=True)]
    with drawing(names) as plain:
        from matplotlib import pyplot as plt

        figure, (accuracy, loss) = plt.subplots(1, 2, figsize=(10, HEIGHT), layout="constrained")
        for index, (group, name) in enumerate(zip(drawn, names, strict=True)):
            for axes, column in ((accuracy, "accuracy"), (loss, "loss")):
                _draw(
                    axes, group, column, _Style(index), visible(plain(name)), training=len(drawn) <= MOST_WITH_TRAINING
                )
        for axes, column in ((accuracy, "accuracy"), (loss, "loss")):
            axes.set(xlabel="epoch", title=column)
            axes.locator_params(axis="x", integer=True)
            axes.grid(alpha=0.3)
            axes.spines[["top", "right"]].set_visible(False)
        lowest = _lowest(drawn)
        accuracy.set_ylim(lowest, None if lowest is None else 1 + PAST * (1 - lowest))
        loss.set_ylim(bottom=0)
        if losses := _losses(drawn):
            loss.set_title(plain(f"loss ({losses}: not on one scale)"))
        handles, labels = accuracy.get_legend_handles_labels()
        figure.legend(
            handles[:MOST],
            labels[:MOST],
            loc="outside lower center",
            title=_legend(drawn),
            frameon=False,
            handlelength=4,
        )
        figure.set_figheight(HEIGHT + LINE * (1 + min(len(labels), MOST)))
        write(figure, path)


def _last(group: Group) -> float:
    """The mean accuracy of its last epoch, on validation examples if there are any; those without any come last."""
    for column in ("val_accuracy", "accuracy"):
        if (values := by_epoch(group, column)[1]) and all(map(math.isfinite, values[-1])):
            return float(np.mean(values[-1]))
    return -1.0


def _seeds(group: Group) -> str:
    """How many runs a line is the mean of, and how many of them came to its end."""
    _, values = by_epoch(group, "epoch")
    most, last = max(map(len, values)), len(values[-1])
    if most == 1:
        return ""
    return f" ({most} seeds)" if most == last else f" ({most} seeds, {last} to the end)"


def _legend(groups: Sequence[Group]) -> str:
    training = len(groups) <= MOST_WITH_TRAINING
    validated = any(table.get("val_accuracy") for group in groups for table in group.tables)
    said = ["validation" if validated else "training"]
    if any(len(group.members) > 1 for group in groups):
        said.append("band: ± std over seeds")
    if any("to the end" in _seeds(group) for group in groups):
        said.append("thin: not all seeds came so far")
    if validated:
        said.append("dotted: training" if training else f"training: not drawn of more than {MOST_WITH_TRAINING}")
    more = f"\nand {len(groups) - MOST} more" if len(groups) > MOST else ""
    return f"{'; '.join(said)}\nfrom the best last epoch to the worst:{more}" if len(groups) > 1 else "; ".join(said)


def _losses(groups: Sequence[Group]) -> str:
    """The loss functions in words, where they differ."""
    for key, values in differing_keys([group.experiment.raw for group in groups]).items():
        if key.startswith("train.loss"):
            return " and ".join(dict.fromkeys(map(str, brief(key, values))))
    return ""


def _lowest(groups: Sequence[Group]) -> float | None:
    """Where the accuracy axis begins: a little below all but the first tenth of epochs, which would flatten it."""
    late = []
    for group in groups:
        for column in ("accuracy", "val_accuracy"):
            _, values = by_epoch(group, column)
            late += [min(some) for some in values[math.ceil(len(values) * EARLY) if len(values) > 1 else 0 :]]
    if not late or not all(map(math.isfinite, late)):
        return None
    return max(0.0, min(late) - MARGIN * (1 - min(late)))


def by_epoch(group: Group, column: str) -> tuple[list[float], list[list[float]]]:
    """The epochs of a group's tables, and for each the values of all runs that came to it."""
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
            training_means = [np.mean(some) for some in rows[1]]
            axes.plot(rows[0], training_means, color=f"C{style.index % MOST}", linestyle=":", linewidth=1, alpha=0.8)
    if not epochs:
        return
    means = np.array([np.mean(some) for some in values])
    count = max(map(len, values))
    whole = sum(len(some) == count for some in values)  # epochs to which all runs came
    line = style.line(len(epochs))
    axes.plot(epochs[:whole], means[:whole], label=label, **line)
    if whole < len(epochs):
        axes.plot(epochs[whole - 1 :], means[whole - 1 :], **{**line, "linewidth": 0.7, "markersize": 2})
    if count > 1:
        spread = np.array([np.std(some, ddof=1) for some in values[:whole]])
        low, high = means[:whole] - spread, means[:whole] + spread
        axes.fill_between(epochs[:whole], low, high, color=line["color"], alpha=0.2, linewidth=0)
