"""Learning curves by the number of training examples."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cnnlab.analysis.groups import METRICS, Group, Metric
from cnnlab.analysis.labels import display_names, visible
from cnnlab.analysis.significance import estimate
from cnnlab.errors import RunError
from cnnlab.plots.figure import drawing, write

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIZES = "data.train_sizes"
OFFSET = 0.03  # relative shift of each line, so that error bars do not overlap
MARKERS = "os^Dv*<P>X"


def sizes_differ(groups: Sequence[Group]) -> bool:
    """Whether these groups were trained on different numbers of examples by `data.train_sizes`."""
    return len({str(group.experiment.data.get("train_sizes")) for group in groups if size_of(group) is not None}) > 1


def plot(groups: Sequence[Group], path: Path) -> None:
    """Draw accuracy and loss by the number of training examples, a line for each experiment that has several.

    On the test set, or validation examples where not all measured that; with 95 % intervals of the mean over seeds.
    Raises RunError if nothing can be drawn or `path` cannot be written.
    """
    split = next(
        (split for split in ("test", "val") if all(group.values(METRICS[f"{split}_accuracy"]) for group in groups)),
        None,
    )
    if split is None:
        raise RunError(f"--plot {path}: these runs have no metric in common")
    lines = lines_of_sizes(groups)
    names = display_names([replace(line[0], name=line[0].experiment.name) for line in lines], SIZES)
    with drawing(names) as plain:
        from matplotlib import pyplot as plt

        figure, axes = plt.subplots(1, 2, figsize=(10, 5), layout="constrained")
        for metric, panel in zip(("accuracy", "loss"), axes, strict=True):
            for index, (line, name) in enumerate(zip(lines, names, strict=True)):
                offset = 1 + OFFSET * (index - (len(lines) - 1) / 2)
                _draw(panel, line, METRICS[f"{split}_{metric}"], index, visible(plain(name)), offset)
            panel.set(xscale="log", xlabel="training examples", title=f"{METRICS[f'{split}_{metric}'].split} {metric}")
            ticks = sorted({size for group in groups if (size := size_of(group)) is not None})
            panel.set_xticks(ticks, [f"{size:,}" for size in ticks], rotation=45 if len(ticks) > 5 else 0)
            panel.minorticks_off()
            panel.grid(alpha=0.3)
            panel.spines[["top", "right"]].set_visible(False)
        axes[1].set_ylim(bottom=0)
        handles, labels = axes[0].get_legend_handles_labels()
        title = "mean; bars: its 95 % interval over seeds" if any(len(group.members) > 1 for group in groups) else None
        figure.legend(handles, labels, loc="outside lower center", title=title, frameon=False)
        write(figure, path)


def lines_of_sizes(groups: Sequence[Group]) -> list[list[Group]]:
    """Groups that differ in the number of examples alone, from the smallest."""
    lines: dict[str, list[Group]] = {}
    for group in groups:
        if size_of(group) is not None:
            experiment = group.experiment.shared("data")
            experiment["data"] = {**group.experiment.shared()["data"], "train_sizes": None}
            lines.setdefault(json.dumps(experiment, sort_keys=True), []).append(group)
    return [sorted(line, key=lambda group: size_of(group) or 0) for line in lines.values()]


def size_of(group: Group) -> int | None:
    """The number of training examples; None where run.json does not say."""
    split = group.split("train")
    return split.examples if split else None


def _draw(axes: "Axes", line: Sequence[Group], metric: Metric, index: int, label: str, offset: float) -> None:
    found = [estimate(group.values(metric), metric.bounds, folds=group.folds) for group in line]
    means = [one.mean for one in found]
    low = [0.0 if one.low is None else one.mean - one.low for one in found]
    high = [0.0 if one.high is None else one.high - one.mean for one in found]
    axes.errorbar(
        [offset * (size_of(group) or 0) for group in line],
        means,
        [low, high],
        label=label,
        color=f"C{index % 10}",
        marker=MARKERS[index % len(MARKERS)],
        capsize=3,
    )
