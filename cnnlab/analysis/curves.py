"""Learning curves as a picture."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnlab.analysis.differences import brief, differing_keys
from cnnlab.errors import RequestError, RunError
from cnnlab.runs import Run, files

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot(records: Sequence[tuple[Run, dict[str, Any]]], picture: Path) -> None:
    """Draw accuracy and loss by epoch, one line a run: solid validation, dotted training.

    `records` are runs with what their run.json says; those that differ in nothing but their seeds share a colour.
    Raises RequestError for a picture of another kind, RunError where no run has a table or `picture` cannot be written.
    """
    if picture.suffix not in (".png", ".svg", ".pdf"):
        raise RequestError(f"--plot {picture}: expected a file name that ends in .png, .svg or .pdf")
    import matplotlib as mpl

    mpl.use("agg")  # files only: needs no screen
    from matplotlib import pyplot as plt

    drawn = [(run, record.get("experiment", {})) for run, record in records if run.metrics.is_file()]
    if not drawn:
        raise RunError(f"--plot {picture}: none of these runs has a metrics.csv to draw")
    runs, experiments = [run for run, _ in drawn], [experiment for _, experiment in drawn]
    figure, (accuracy, loss) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for run, (color, label) in zip(runs, _styles(runs, experiments), strict=True):
        _draw(accuracy, run, "accuracy", color, label)
        _draw(loss, run, "loss", color, label)
    accuracy.legend(loc="lower right", title="solid: validation, dotted: training", frameon=False)
    loss.set_ylim(bottom=0)
    for key, values in differing_keys(experiments).items():
        if key.startswith("train.loss"):
            names = dict.fromkeys(map(str, brief(key, values)))
            loss.set_title(_plain(f"loss ({' and '.join(names)}: not on one scale)"))
    try:
        files.write(picture, lambda path: figure.savefig(path, dpi=110))
    finally:
        plt.close(figure)


def _styles(runs: Sequence[Run], experiments: Sequence[dict[str, Any]]) -> list[tuple[str, str | None]]:
    """Each run's colour, and for the first run of a colour its name in the legend.

    That is the experiment's name, or the run folder's where another experiment has the same.
    """
    groups = [json.dumps({**experiment, "seed": None}, sort_keys=True) for experiment in experiments]
    order = list(dict.fromkeys(groups))
    names = [_plain(str(experiment.get("name"))) for experiment in experiments]
    styles = []
    for index, (run, group, name) in enumerate(zip(runs, groups, names, strict=True)):
        shared = any(other == name and group != groups[i] for i, other in enumerate(names))
        first = groups.index(group) == index
        styles.append((f"C{order.index(group) % 10}", (_plain(run.path.name) if shared else name) if first else None))
    return styles


def _plain(name: str) -> str:
    """`name` as text that matplotlib takes as it is: no TeX between dollars, no half characters."""
    return name.encode("utf-8", "replace").decode().replace("$", r"\$")


def _draw(axes: "Axes", run: Run, column: str, color: str, label: str | None) -> None:
    import pandas as pd

    try:
        table = pd.read_csv(run.metrics)
        marker = "o" if len(table) == 1 else ""  # a line through one point cannot be seen
        axes.plot(table["epoch"], table[column], color=color, linestyle=":", alpha=0.8, marker=marker, fillstyle="none")
        axes.plot(table["epoch"], table[f"val_{column}"], color=color, label=label, marker=marker)
    except (ValueError, KeyError, TypeError, OverflowError, OSError) as error:
        raise RunError(f"{run.metrics}: not a table of epochs: {error}") from None
    axes.set(xlabel="epoch", title=column)
    axes.locator_params(axis="x", integer=True)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
