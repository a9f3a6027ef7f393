"""Charts, networks and large confusion matrices as image files, by Matplotlib."""

import io
import math
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from cnnlab.plots import figure
from cnnlab.report import curves, parallel, texts
from cnnlab.report.axes import axes as axes_of
from cnnlab.report.axes import number
from cnnlab.report.blocks import Chart, Confusion, Diagram, Parallel, Picture, Series

COLOURS = ("#0072b2", "#d55e00", "#00805f", "#b04a8f", "#a36a00", "#2e8bc0", "#5b6570", "#8a2d2d")
MARKERS = ("o", "s", "^", "D", "v", "P")
"""Colours and markers of groups, as on the page in HTML."""
SIZE = (6.4, 3.9)  # inches of a chart
ROW = 0.42  # inches of a layer
MOST_LABELS = 40  # points with a written label
MOST_ENTRIES = 24  # of a legend
LONGEST = 40  # characters
ENLARGED = 3  # times, of images whose pixels are to be seen

Plain = Callable[[str], str]


def write_chart(chart: Chart, path: Path) -> None:
    """Draw the chart."""
    from matplotlib.figure import Figure

    with figure.drawing(_texts_of(chart)) as plain:
        drawn = Figure(figsize=SIZE, layout="constrained")
        axes = drawn.subplots()
        for series in chart.series:
            _add(axes, chart, series, plain)
        _finish(axes, chart, plain)
        figure.write(drawn, path)


def write_picture(picture: Picture, path: Path) -> None:
    """Write an image as PNG, whatever it is in, for what cannot show WebP; pixels are enlarged."""
    from PIL import Image

    with Image.open(io.BytesIO(picture.data)) as image:
        factor = ENLARGED if picture.is_pixels else 1
        larger = image.resize((factor * image.width, factor * image.height), Image.Resampling.NEAREST)
    larger.save(path, "PNG", optimize=True)


def write_confusion(confusion: Confusion, path: Path) -> None:
    """Draw the matrix as an image: the root of each cell's share of its row."""
    import numpy as np
    from matplotlib.figure import Figure

    labels = [texts.name(label, 24) for label in confusion.labels]
    with figure.drawing(labels) as plain:
        side = min(16.0, 2.5 + 0.12 * len(labels))
        drawn = Figure(figsize=(side, side), layout="constrained")
        axes = drawn.subplots()
        counts = np.array(confusion.counts, dtype=np.float64).reshape(len(labels), len(labels))
        shares = np.sqrt(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        names = [plain(label) for label in labels]
        axes.set_xticks(range(len(names)), names, rotation=90, fontsize=6)
        axes.set_yticks(range(len(names)), names, fontsize=6)
        axes.set(xlabel="predicted class", ylabel="true class")
        figure.write(drawn, path)


def write_parallel(block: Parallel, path: Path) -> None:
    """Draw the lines across their axes, the better the darker, the best in bold."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    uprights = parallel.uprights(block, (0.0, 1.0))
    names = [texts.name(scale.name, parallel.LONGEST_NAME) for scale in block.scales]
    ticks = [[texts.name(label, parallel.LONGEST_TICK) for _, label in axis.ticks] for axis in uprights]
    with figure.drawing([*names, *(label for some in ticks for label in some), texts.name(block.title)]) as plain:
        drawn = Figure(figsize=(max(SIZE[0], 1.35 * len(names)), SIZE[1]), layout="constrained")
        axes = drawn.subplots()
        axes.set(xlim=(-0.5, max(1, len(names)) - 0.5), ylim=(1.05 * parallel.NONE, 1.12))
        axes.axis("off")
        for index in range(len(block.lines)):
            is_best, share = index == len(block.lines) - 1, (index + 1) / len(block.lines)
            style = {"color": COLOURS[1]} if is_best else {"color": colormaps["Blues"](0.2 + 0.7 * share)}
            axes.plot(parallel.heights(block, uprights, index), linewidth=2.6 if is_best else 0.9, **style)
        for x, (axis, labels, name) in enumerate(zip(uprights, ticks, names, strict=True)):
            axes.plot([x, x], [0, 1], color="0.4", linewidth=1)
            axes.text(x, 1.06, plain(name), fontsize=8, weight="bold", ha="center")
            marks = [*((axis.place(value), label) for (value, _), label in zip(axis.ticks, labels, strict=True))]
            for y, label in [*marks, *([(parallel.NONE, "none")] if parallel.has_gaps(block, x) else [])]:
                box = {"fc": "white", "ec": "none", "alpha": 0.75, "pad": 0.6}
                axes.text(x - 0.04, y, plain(label), fontsize=7, ha="right", va="center", bbox=box)
        figure.write(drawn, path)


def write_diagram(diagram: Diagram, path: Path) -> None:
    """Draw the layers below one another."""
    from matplotlib.figure import Figure
    from matplotlib.patches import FancyBboxPatch

    rows = [(node, [texts.name(text, LONGEST) for text in _words(node)]) for node in diagram.nodes]
    with figure.drawing([text for _, words in rows for text in words]) as plain:
        drawn = Figure(figsize=(7.5, ROW * (len(rows) + 1)), layout="constrained")
        axes = drawn.subplots()
        axes.set(xlim=(0, 10), ylim=(len(rows), -1))
        axes.axis("off")
        for x, head in ((0.1, "Layer"), (5.1, "Output"), (7.2, "Parameters"), (8.7, "Multiplications")):
            axes.text(x, -0.4, head, fontsize=8, color="0.35")
        for row, (node, (name, about, shape)) in enumerate(rows):
            left = 0.1 + 0.15 * min(max(node.depth, 0), 6)
            colour = ("#e6effa", "#1a5fa5") if node.parameters else ("#f5f6f8", "#8a939e")
            box = FancyBboxPatch(
                (left, row + 0.1), 4.9 - left, 0.7, boxstyle="round,pad=0,rounding_size=.08", fc=colour[0], ec=colour[1]
            )
            axes.add_patch(box)
            axes.text(left + 0.12, row + 0.36, plain(name), fontsize=8, weight="bold", va="center")
            axes.text(left + 0.12, row + 0.63, plain(about), fontsize=6.5, color="0.35", va="center")
            axes.text(5.1, row + 0.47, plain(shape), fontsize=8, va="center")
            for x, value in ((7.2, node.parameters), (8.7, node.multiplications)):
                axes.text(x, row + 0.47, number(float(value)) if value else "", fontsize=8, va="center")
            if row:
                axes.annotate("", (2.5, row + 0.1), (2.5, row - 0.2), arrowprops={"arrowstyle": "->", "color": "0.5"})
        figure.write(drawn, path)


def _words(node: Any) -> tuple[str, str, str]:
    return node.name, " · ".join(part for part in (node.kind, node.details) if part), node.shape


def _texts_of(chart: Chart) -> Iterator[str]:
    yield from (texts.name(text) for text in (chart.title, chart.x_label, chart.y_label, *chart.x_names))
    for series in chart.series:
        yield from (texts.name(text) for text in (series.name, *islice(series.labels, MOST_LABELS)))


def _add(axes: Any, chart: Chart, series: Series, plain: Plain) -> None:
    colour = COLOURS[series.group % len(COLOURS)]
    marker = MARKERS[(series.group + series.group // len(COLOURS)) % len(MARKERS)]
    drawn = set(curves.drawn(series, log_x=chart.log_x, log_y=chart.log_y))
    x, y = ([v if i in drawn else math.nan for i, v in enumerate(values)] for values in (series.x, series.y))
    ends = [[*map(_finite, values)] for values in (series.low, series.high)]
    has_range = len(series.low) == len(series.high) == len(x)
    label = plain(texts.name(series.name, LONGEST))
    style = {"color": colour, "label": label if not label.startswith("_") else f" {label}"}
    if series.kind == "points":
        axes.plot(x, y, marker, markersize=5, **style)
        if has_range:
            axes.vlines(x, *ends, color=colour, linewidth=1.2)
    else:
        every = 1 if len(drawn) <= curves.MOST_MARKERS else max(1, len(x) // curves.FEW_MARKERS)
        dotted = series.kind == "dotted"
        axes.plot(x, y, ":" if dotted else "-", marker="" if dotted else marker, markersize=4, markevery=every, **style)
        if has_range:
            axes.fill_between(x, *ends, color=colour, alpha=0.16)
    bold = [index for index in series.emphasized if index in drawn]
    axes.plot([x[i] for i in bold], [y[i] for i in bold], marker, markersize=8, mfc="none", mec="0.1")
    if chart.names_points and not chart.x_names and len(series.labels) <= MOST_LABELS:
        for index in sorted(drawn & set(range(len(series.labels)))):
            text = plain(texts.name(series.labels[index], 28))
            axes.annotate(text, (x[index], y[index]), (5, 3), textcoords="offset points", fontsize=7)


def _finite(value: float) -> float:
    return value if math.isfinite(value) and abs(value) < 1e300 else math.nan


def _finish(axes: Any, chart: Chart, plain: Plain) -> None:
    axes.set(xlabel=plain(texts.name(chart.x_label, 60)), ylabel=plain(texts.name(chart.y_label, 60)))
    if chart.x_names:
        step = math.ceil(len(chart.x_names) / 30)
        names = [plain(texts.name(name, 24)) for name in chart.x_names]
        rotation = 40 if sum(map(len, names)) > 60 else 0
        places = range(0, len(names), step)
        axes.set_xticks(places, [names[i] for i in places], rotation=rotation, ha="right" if rotation else "center")
    if chart.log_x:
        axes.set_xscale("log")
    if chart.log_y:
        axes.set_yscale("log")
    across, upright = axes_of(chart, (0, 1), (0, 1))
    axes.set(xlim=(across.low, across.high), ylim=(upright.low, upright.high))
    if chart.diagonal:
        axes.axline((0, 0), slope=1, color="0.6", linestyle="--", linewidth=1)
    axes.grid(color="0.92")
    axes.spines[["top", "right"]].set_visible(False)
    handles, labels = axes.get_legend_handles_labels()
    kept = dict(islice(zip(labels, handles, strict=True), MOST_ENTRIES))
    if kept:
        axes.legend(kept.values(), kept.keys(), fontsize=7, frameon=False, ncols=1 + len(kept) // 12)
