"""Images side by side, each with what it is called."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cnnlab.errors import RequestError, RunError
from cnnlab.plots.figure import DPI, check_target, drawing, write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TILE = 220  # pixels that a small image is enlarged to, about
GAP, BORDER = 20, 30  # pixels
TEXT, LINE = 8, 1.25 * 8 / 72 * DPI  # points of a text; pixels of a line of it
MOST_LINES = 5  # of a caption
INK, BACKGROUND = "0.15", 255
RIGHT, WRONG = "#0072B2", "#D55E00"  # blue and orange, distinguishable without colour vision (Okabe and Ito 2008)

Measure = Callable[[str], float]
"""How many pixels wide a text is."""


@dataclass(frozen=True)
class _Layout:
    """Where everything is, in pixels."""

    tile: tuple[int, int]
    """Height and width of an image."""
    columns: int
    heading: list[str]
    captions: list[list[str]]

    @cached_property
    def tops(self) -> list[int]:
        """Of every row of images, and of what would come below them: each has room for its longest caption."""
        rows = [self.captions[first : first + self.columns] for first in range(0, len(self.captions), self.columns)]
        heights = (self.tile[0] + LINE * max(map(len, row)) + 2 * GAP for row in rows)
        return [int(top) for top in accumulate(heights, initial=BORDER + LINE * len(self.heading) + GAP)]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of all."""
        return self.tops[-1] - GAP + BORDER, 2 * BORDER + self.columns * (self.tile[1] + GAP) - GAP

    def place(self, index: int) -> tuple[int, int]:
        """The upper and left end of an image."""
        row, column = divmod(index, self.columns)
        return self.tops[row], BORDER + column * (self.tile[1] + GAP)


def draw(
    images: NDArray[np.uint8],
    titles: Sequence[str],
    heading: str,
    path: Path,
    columns: int,
    option: str | None = None,
    colors: Sequence[str] | None = None,
) -> Path:
    """Write `images` (n, height, width, channels), enlarged by whole factors so that pixels show, as a figure.

    Captions are wrapped, and have `colors`, one per image, if given. Raises RequestError where the file cannot be
    written or, if an `option` names it, something else than a figure would be replaced.
    """
    if option is not None:
        check_target(path, option)
    with drawing([heading, *titles]) as plain:
        from matplotlib import pyplot as plt

        figure = plt.figure(dpi=DPI)
        layout = _layout(figure, images.shape, [plain(title) for title in titles], plain(heading), columns)
        height, width = layout.size
        figure.set_size_inches(width / DPI, height / DPI)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.axis("off")
        axes.imshow(_canvas(images, layout), extent=(0, width, height, 0), interpolation="none", aspect="auto")
        _write(axes, layout.heading, BORDER, BORDER)
        for index, caption in enumerate(layout.captions):
            y, x = layout.place(index)
            _write(axes, caption, x, y + layout.tile[0], colors[index] if colors else INK)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return write(figure, path)
        except (OSError, RunError) as error:
            reason = error if isinstance(error, RunError) else f"{path}: cannot be written: {error.strerror or error}"
            raise RequestError(str(reason)) from None


def _write(axes: "Axes", lines: Sequence[str], x: float, y: float, color: str = INK) -> None:
    """Lines of text below `y`; each by itself, so that those of neighbours are on one height."""
    for number, line in enumerate(lines, start=1):
        axes.text(x, y + number * LINE, line, size=TEXT, color=color, va="baseline")


def _layout(figure: "Figure", shape: tuple[int, ...], titles: list[str], heading: str, columns: int) -> _Layout:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.font_manager import FontProperties

    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    font = FontProperties(size=TEXT)

    def measure(text: str) -> float:
        return float(renderer.get_text_width_height_descent(text, font, ismath=False)[0])

    count, height, width, _ = shape
    factor = max(1, -(-TILE // max(height, width)))
    columns = min(columns, count)
    captions = [_wrapped(title, factor * width, measure) for title in titles]
    heading_lines = _wrapped(heading, columns * (factor * width + GAP) - GAP, measure)
    return _Layout((factor * height, factor * width), columns, heading_lines, captions)


def _canvas(images: NDArray[np.uint8], layout: _Layout) -> NDArray[np.uint8]:
    """All images on white; of two channels the first, of more than three the first three."""
    canvas = np.full((*layout.size, 3), BACKGROUND, np.uint8)
    factor = layout.tile[0] // images.shape[1]
    for index, image in enumerate(images):
        y, x = layout.place(index)
        colours = image[..., :3] if image.shape[-1] > 2 else image[..., :1]
        canvas[y : y + layout.tile[0], x : x + layout.tile[1]] = colours.repeat(factor, axis=0).repeat(factor, axis=1)
    return canvas


def _wrapped(text: str, width: float, measure: Measure) -> list[str]:
    """`text` in lines of at most `width` pixels, between words where possible; a very long one is cut."""
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if measure(longer) <= width:
            lines[-1] = longer
            continue
        if lines[-1]:
            lines.append("")
        for character in word:  # mostly one line; what has no spaces is broken anywhere
            if lines[-1] and measure(lines[-1] + character) > width:
                lines.append("")
            lines[-1] += character
    if len(lines) <= MOST_LINES:
        return lines
    last = lines[MOST_LINES - 1]
    while last and measure(f"{last}…") > width:
        last = last[:-1]
    return [*lines[: MOST_LINES - 1], f"{last}…"]
