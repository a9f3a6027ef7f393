"""Learning curves as a picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cnnlab.errors import RequestError, RunError
from cnnlab.runs import Run
from cnnlab.runs.folder import find

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot(paths: Sequence[Path], picture: Path) -> None:
    """Draw accuracy and loss by epoch, one colour an experiment, one line a run: solid validation, dotted training.

    Raises RequestError where `picture` cannot be written, RunError where no run has a table.
    """
    import matplotlib as mpl

    mpl.use("agg")  # files only: needs no screen
    from matplotlib import pyplot as plt

    runs = [run for run in find(paths) if run.metrics.is_file()]
    if not runs:
        raise RunError(f"{', '.join(map(str, paths))}: no run has a metrics.csv to draw")
    figure, (accuracy, loss) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for run, color, label in _styled(runs):
        _draw(accuracy, run, "accuracy", color, label)
        _draw(loss, run, "loss", color, label)
    accuracy.legend(loc="lower right", title="solid: validation, dotted: training", frameon=False)
    loss.set_ylim(bottom=0)
    try:
        figure.savefig(picture, dpi=110)
    except (OSError, ValueError) as error:
        raise RequestError(f"--plot {picture}: cannot be written: {error}") from None
    finally:
        plt.close(figure)


def _styled(runs: Sequence[Run]) -> list[tuple[Run, str, str | None]]:
    """Each run with its experiment's colour, and the first of an experiment with its name for the legend."""
    styled, seen = [], dict[str, int]()
    for run in runs:
        name = str(run.record().get("experiment", {}).get("name", run.path.name))
        label = None if name in seen else name
        styled.append((run, f"C{seen.setdefault(name, len(seen)) % 10}", label))
    return styled


def _draw(axes: "Axes", run: Run, column: str, color: str, label: str | None) -> None:
    import pandas as pd

    try:
        table = pd.read_csv(run.metrics)
        axes.plot(table["epoch"], table[column], color=color, linestyle=":", alpha=0.8)
        axes.plot(table["epoch"], table[f"val_{column}"], color=color, label=label)
    except (ValueError, KeyError, OSError) as error:
        raise RunError(f"{run.metrics}: not a table of epochs: {error}") from None
    axes.set(xlabel="epoch", title=column)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
