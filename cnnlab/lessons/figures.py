"""Input, kernel and result side by side, with their ranges; small arrays with their numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cnnlab.errors import RequestError, RunError
from cnnlab.lessons import texts
from cnnlab.lessons.convolution import Array
from cnnlab.messages import pluralize
from cnnlab.plots.figure import drawing, write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.patches import Patch

LARGEST_GRID = 12  # rows and columns of an array whose numbers are drawn
PANEL = 2.6  # inches
BARS = 0.6  # height of bars, of PANEL
FEWEST_BARS = 5  # that fill the width
LOWEST = 0.35  # inches, of an array of one row
TITLE = 0.75  # inches above a panel
TEXT = 8
IN_A_ROW = 4  # panels of steps of one panel each
ROUNDING = 1e-6
MOST_BEYOND = 1 / 3  # of the values beyond [0, 1], which are cut off; a quarter for sharpen and emboss on china.jpg
SIGNED, UNSIGNED = "RdBu_r", "gray"  # distinguishable to the colour-blind; signed values have 0 in the middle


@dataclass(frozen=True)
class Panel:
    """One array: (height, width), (height, width, 3) of an image in colour, or a list (values,), drawn as bars."""

    title: str
    values: Array
    is_image: bool = False
    """Whether 0 is black and 1 is white, rather than the largest value."""
    keeps_brightness: bool = False
    """Whether values beyond [0, 1] are cut off where they are few, rather than all values scaled."""
    cut: bool = False
    """Whether numbers are cut to two digits."""


def panels(
    title: str, values: Array, most: int, *, as_image: bool = False, keeps_brightness: bool = False, cut: bool = False
) -> list[Panel]:
    """One per channel of (height, width, channels), `most` at most; a single one in colour, or of a list."""
    if values.ndim == 1:
        return [Panel(title, values, cut=cut)]
    if as_image and values.shape[2] == 3:
        return [Panel(title, values, True, keeps_brightness)]
    count = values.shape[2]
    names = [title if count == 1 else f"{title}, channel {channel}" for channel in range(min(count, most))]
    return [Panel(name, values[:, :, index], as_image, keeps_brightness, cut) for index, name in enumerate(names)]


def in_rows(groups: Sequence[Sequence[Panel]]) -> list[list[Panel]]:
    """A row for each group of several panels; single ones share rows."""
    rows: list[list[Panel]] = []
    shared = False
    for group in groups:
        if len(group) == 1 and shared and len(rows[-1]) < IN_A_ROW:
            rows[-1] += group
        else:
            rows.append(list(group))
        shared = len(group) == 1
    return rows


def draw(rows: Sequence[Sequence[Panel]], path: Path) -> Path:
    """Write rows of panels as a figure. Raises RequestError where it cannot be written."""
    columns = max(map(len, rows))
    with drawing() as plain:
        from matplotlib import pyplot as plt

        width = PANEL * max(_aspect(panel) for row in rows for panel in row)
        heights = [TITLE + max(_height(panel, width) for panel in row) for row in rows]
        figure, axes = plt.subplots(
            len(rows),
            columns,
            figsize=(columns * width, sum(heights)),
            squeeze=False,
            layout="constrained",
            height_ratios=heights,
        )
        for row, places in zip(rows, axes, strict=True):
            for place in places:
                place.axis("off")
            for panel, place in zip(row, places, strict=False):
                _draw(panel, place, plain(panel.title), int(width * 72 / (0.62 * TEXT)))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return write(figure, path)
        except (OSError, RunError) as error:
            reason = error if isinstance(error, RunError) else f"{path}: cannot be written: {error.strerror or error}"
            raise RequestError(f"--out {reason}") from None


def _aspect(panel: Panel) -> float:
    """Width by height, within what a page can show."""
    if panel.values.ndim == 1:
        return 1.0
    height, width = panel.values.shape[:2]
    return float(min(2.0, max(1.0, width / height)))


def _height(panel: Panel, width: float) -> float:
    """In inches: that of the array where its width is `width`, within PANEL."""
    if panel.values.ndim == 1:
        return PANEL * BARS
    return float(max(LOWEST, min(PANEL, width * panel.values.shape[0] / panel.values.shape[1])))


def _draw(panel: Panel, axes: "Axes", title: str, characters: int) -> None:
    from textwrap import wrap

    values = panel.values
    low, high = float(values.min()), float(values.max())
    text = texts.cut_number if panel.cut else _short
    how = _show_bars(panel, axes) if values.ndim == 1 else _show(panel, axes, low, high)
    shape = pluralize(values.size, "value") if values.ndim == 1 else "×".join(map(str, values.shape))
    caption = [*wrap(title, characters), f"{shape}, {text(low + 0.0)} to {text(high + 0.0)}", *how]
    axes.set_title("\n".join(caption), fontsize=TEXT)
    if values.ndim == 2 and max(values.shape) <= LARGEST_GRID:
        _write_numbers(panel, axes, max(abs(low), abs(high)), signed=low < 0)
    if values.ndim > 1:
        axes.add_patch(_frame(-0.5, -0.5, values.shape[0], values.shape[1]))


def _show(panel: Panel, axes: "Axes", low: float, high: float) -> list[str]:
    """Draw the values; what was done to them, where that is not their usual scale."""
    values, largest = panel.values, max(abs(low), abs(high)) or 1.0
    smoothing = "nearest" if max(values.shape[:2]) <= 64 else "auto"
    beyond = float(((values < -ROUNDING) | (values > 1 + ROUNDING)).mean())
    if panel.is_image and (beyond == 0 or (panel.keeps_brightness and beyond <= MOST_BEYOND)):
        axes.imshow(np.clip(values, 0, 1), cmap=UNSIGNED, vmin=0, vmax=1, interpolation=smoothing)
        return [f"cut to [0, 1], {beyond:.1%} are beyond" if beyond else "black 0, white 1"]
    if values.ndim == 3:
        axes.imshow(values / largest if low >= 0 else 0.5 + values / (2 * largest), interpolation=smoothing)
        return ["0 is black"] if low >= 0 else ["0 is mid-grey"]
    if low < 0:
        axes.imshow(values, cmap=SIGNED, vmin=-largest, vmax=largest, interpolation=smoothing)
        return ["red > 0, white 0, blue < 0"]
    axes.imshow(values, cmap=UNSIGNED, vmin=0, vmax=largest, interpolation=smoothing)
    return ["black 0, white the largest"]


def _show_bars(panel: Panel, axes: "Axes") -> list[str]:
    """Draw a list; few values with their numbers, many with axes."""
    values, count = panel.values, panel.values.size
    axes.stairs(values, np.arange(count + 1) - 0.5, fill=True, color="0.7")
    axes.stairs(values, np.arange(count + 1) - 0.5, color="0.4", linewidth=0.6)
    axes.axhline(0, color="0.4", linewidth=0.6)
    axes.margins(y=0.2)
    half = 0.52 * max(count, FEWEST_BARS)
    axes.set_xlim((count - 1) / 2 - half, (count - 1) / 2 + half)
    if count > LARGEST_GRID:
        axes.axis("on")
        axes.tick_params(labelsize=TEXT)
        axes.set_xlabel("index", fontsize=TEXT)
        axes.spines[["top", "right"]].set_visible(False)
        return []
    text = texts.cut_number if panel.cut else _short
    for index, value in enumerate(values):
        side = "bottom" if value >= 0 else "top"
        axes.text(index, value, text(value + 0.0), ha="center", va=side, fontsize=TEXT)
    return []


def _write_numbers(panel: Panel, axes: "Axes", largest: float, *, signed: bool) -> None:
    text = texts.cut_number if panel.cut else _short
    longest = max(len(text(value + 0.0)) for value in panel.values.flat)
    size = min(12.0, PANEL * 72 / max(panel.values.shape) / (0.7 * max(2, longest)))
    for (row, column), value in np.ndenumerate(panel.values):
        share = value / (largest or 1.0)
        is_dark = abs(share) > 0.6 if signed else share < 0.5
        color = "white" if is_dark else "black"
        axes.add_patch(_frame(row - 0.5, column - 0.5, 1, 1))
        axes.text(column, row, text(value + 0.0), ha="center", va="center", fontsize=size, color=color)


def _short(value: float) -> str:
    """Whole numbers as they are, others with three digits."""
    return texts.number(value) if value == round(value) else f"{value:.3g}"


def _frame(top: float, left: float, height: float, width: float) -> "Patch":
    """A thin line around an array or a cell: white on white would have no edge."""
    from matplotlib.patches import Rectangle

    return Rectangle((left, top), width, height, fill=False, edgecolor="0.6", linewidth=0.6, clip_on=False)
