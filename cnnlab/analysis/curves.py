"""Learning curves as a picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cnnlab.analysis.differences import brief, differing_keys
from cnnlab.analysis.groups import Group
from cnnlab.errors import RequestError, RunError
from cnnlab.runs import files

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST = 10  # groups that colours tell apart


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
    figure, (accuracy, loss) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for index, group in enumerate(drawn):
        label = plain(group.name) + (f" ({len(group.members)} seeds)" if len(group.members) > 1 else "")
        for axes, column in ((accuracy, "accuracy"), (loss, "loss")):
            _draw(axes, group, column, f"C{index % MOST}", label)
    for axes, column in ((accuracy, "accuracy"), (loss, "loss")):
        axes.set(xlabel="epoch", title=column)
        axes.locator_params(axis="x", integer=True)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    accuracy.legend(loc="lower right", title="solid: validation, dotted: training", frameon=False)
    loss.set_ylim(bottom=0)
    for key, values in differing_keys([group.experiment for group in drawn]).items():
        if key.startswith("train.loss"):
            names = dict.fromkeys(map(str, brief(key, values)))
            loss.set_title(plain(f"loss ({' and '.join(names)}: not on one scale)"))
    try:
        files.write(picture, lambda path: figure.savefig(path, dpi=110))
    finally:
        plt.close(figure)


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
        shown = label if line == "-" else None
        axes.plot(epochs, means, color=color, linestyle=line, marker=marker, label=shown, alpha=1 if shown else 0.8)
        if shown and max(map(len, values)) > 1:
            spread = np.array([np.std(some, ddof=1) if len(some) > 1 else 0.0 for some in values])
            axes.fill_between(epochs, means - spread, means + spread, color=color, alpha=0.2, linewidth=0)
