"""Learning curves as a picture."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cnnlab.analysis.differences import brief, differing_keys, short
from cnnlab.analysis.groups import Group
from cnnlab.errors import RequestError, RunError
from cnnlab.runs import files

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST = 10  # groups that colours tell apart
LONGEST = 45  # characters of a name or of what differs in a label
EARLY = 0.1  # of the epochs
MARGIN, PAST = 0.1, 0.02  # below and above what is drawn, as parts of it
HEIGHT, LINE = 4.5, 0.22  # inches: of the picture without what its lines are called, and of one of those


def plot(groups: Sequence[Group], picture: Path) -> None:
    """Draw accuracy and loss by epoch, the mean of each group: solid validation, dotted training.

    The band is one standard deviation of validation to either side, where there are several runs. Raises RequestError
    for a picture of another kind, RunError where no run has a table or `picture` cannot be written.
    """
    if picture.suffix not in (".png", ".svg", ".pdf"):
        raise RequestError(f"--plot {picture}: expected a file name that ends in .png, .svg or .pdf")
    import matplotlib as mpl

    mpl.use("agg")  # files only: needs no screen
    from matplotlib import pyplot as plt

    drawn = [group for group in groups if any(group.tables)]
    if not drawn:
        raise RunError(f"--plot {picture}: none of these runs has a metrics.csv to draw")
    figure, (accuracy, loss) = plt.subplots(1, 2, figsize=(10, HEIGHT), layout="constrained")
    for index, (group, label) in enumerate(zip(drawn, _labels(drawn), strict=True)):
        for axes, column in ((accuracy, "accuracy"), (loss, "loss")):
            _draw(axes, group, column, f"C{index % MOST}", label)
    for axes, column in ((accuracy, "accuracy"), (loss, "loss")):
        axes.set(xlabel="epoch", title=column)
        axes.locator_params(axis="x", integer=True)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    several = any(len(group.members) > 1 for group in drawn)
    legend = "solid: validation" + (", band: ± std over seeds" if several else "") + "; dotted: training"
    handles, labels = accuracy.get_legend_handles_labels()
    more = f"\nand {len(labels) - MOST} more" if len(labels) > MOST else ""
    figure.legend(handles[:MOST], labels[:MOST], loc="outside lower center", title=legend + more, frameon=False)
    figure.set_figheight(HEIGHT + LINE * min(len(labels), MOST))
    lowest = _lowest(drawn)
    accuracy.set_ylim(lowest, None if lowest is None else 1 + PAST * (1 - lowest))
    loss.set_ylim(bottom=0)
    for key, values in differing_keys([group.experiment for group in drawn]).items():
        if key.startswith("train.loss"):
            names = dict.fromkeys(map(str, brief(key, values)))
            loss.set_title(plain(f"loss ({' and '.join(names)}: not on one scale)"))
    try:
        files.write(picture, lambda path: figure.savefig(path, dpi=110))
    finally:
        plt.close(figure)


def _labels(groups: Sequence[Group]) -> list[str]:
    """The name of each group, and what tells it from the others where that is short."""
    differing = differing_keys([{**group.experiment, "seed": None} for group in groups])
    words = [brief(key, values) for key, values in differing.items()]
    labels = []
    for index, group in enumerate(groups):
        told = ", ".join(f"{name} {own[index]}" for name, own in zip(short(list(differing)), words, strict=True))
        parts = [group.name if len(group.name) <= LONGEST else f"{group.name[: LONGEST - 1]}…"]
        parts += [told] if 0 < len(told) <= LONGEST else []
        label = ": ".join(parts) + (f" ({len(group.members)} seeds)" if len(group.members) > 1 else "")
        labels.append(plain(f" {label}" if label.startswith("_") else label))  # matplotlib hides what begins with one
    return labels


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


def plain(name: str) -> str:
    """`name` as text that matplotlib takes as it is: no TeX between dollars, no half characters."""
    return name.encode("utf-8", "replace").decode().replace("$", r"\$")


def by_epoch(group: Group, column: str) -> tuple[list[float], list[list[float]]]:
    """The epochs of a group's tables, and for each the values of all runs that came to it."""
    found: dict[float, list[float]] = {}
    for table in group.tables:
        for epoch, value in zip(table.get("epoch", []), table.get(column, []), strict=False):
            found.setdefault(epoch, []).append(value)
    epochs = sorted(found)
    return epochs, [found[epoch] for epoch in epochs]


def _draw(axes: "Axes", group: Group, column: str, color: str, label: str) -> None:
    for name, line in ((column, ":"), (f"val_{column}", "-")):
        epochs, values = by_epoch(group, name)
        if not epochs:
            continue
        means = np.array([np.mean(some) for some in values])
        marker = "o" if len(epochs) == 1 else ""  # a line through one point cannot be seen
        shown = label if line == "-" or not any(table.get(f"val_{column}") for table in group.tables) else None
        axes.plot(epochs, means, color=color, linestyle=line, marker=marker, label=shown, alpha=1 if shown else 0.8)
        if shown and line == "-" and max(map(len, values)) > 1:
            spread = np.array([np.std(some, ddof=1) if len(some) > 1 else 0.0 for some in values])
            axes.fill_between(epochs, means - spread, means + spread, color=color, alpha=0.2, linewidth=0)
