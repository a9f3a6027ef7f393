"""Many small images of one kind as tiles that share a scale of colours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIGNED, UNSIGNED = "RdBu_r", "cividis"  # both are safe for the colour-blind (ColorBrewer; Nuñez et al. 2018)
LARGEST, SMALLEST = 150, 16  # pixels that a tile is enlarged to, at most and at least
WIDE_GAP, NARROW_GAP, MANY = 4, 1, 256  # pixels between tiles; the number of tiles from which on they are close
DIGIT, LINE = 10, 20  # pixels: width of a digit, and height of a line, of the numbers beside tiles
ROUND = 8  # columns are a multiple of it where there are several rows, so that numbers are easy to count
NOT_FINITE, EDGE = 128, 165  # greys


@dataclass(frozen=True)
class Tiles:
    """Values (n, height, width), which get colours, or colours (n, height, width, 3) uint8.

    Tiles are numbered from 0 along their rows and columns; `columns` is how many are beside one another where that has
    a meaning. With `captions`, each has its own instead. `frames` are colours around some of the tiles.
    """

    title: str
    images: NDArray[Any]
    columns: int | None = None
    captions: Sequence[str] = ()
    frames: Mapping[int, str] = field(default_factory=dict)
    largest: int = LARGEST
    smallest: int = SMALLEST
    spacing: int = 0

    @property
    def are_colours(self) -> bool:
        """Whether the images are colours already."""
        return self.images.ndim == 4

    def range(self) -> str:
        """The smallest and the largest value, as text."""
        return f"{self.images.min():.3g} to {self.images.max():.3g}"


@dataclass(frozen=True)
class Layout:
    """How tiles are arranged: all in pixels of the page, but `columns` and `rows`.

    `factor` enlarges an image, `shrink` makes one smaller that is wider than the page.
    """

    factor: int
    shrink: int
    columns: int
    rows: int
    pitch: tuple[int, int]
    """Height and width from one tile to the next."""
    margin: int
    """Width of the numbers on the left."""


def arrange(tiles: Tiles, width: int, tallest: int) -> Layout:
    """The largest tiles that fit into `width` and `tallest`; where those would be too small, as tall as it takes."""
    count, height, tile_width = tiles.images.shape[:3]
    margin = 0 if count == 1 or tiles.captions else DIGIT * len(str(count)) + 6
    gap = NARROW_GAP if count >= MANY else WIDE_GAP
    text = max((DIGIT * len(caption) for caption in tiles.captions), default=0)
    room = width - margin
    shrink = max(1, -(-max(tile_width, height) // room))
    height, tile_width = -(-height // shrink), -(-tile_width // shrink)
    below = LINE if tiles.captions else 0
    side = max(height, tile_width)
    least = min(-(-tiles.smallest // side), max(1, room // tile_width))
    for factor in range(max(least, tiles.largest // side), 0, -1):
        between = gap + factor * tiles.spacing
        pitch = height * factor + between + below, max(tile_width * factor, text) + between
        fitting = max(1, (room + between) // pitch[1])
        forced = tiles.columns if tiles.columns and tiles.columns <= fitting else None
        columns = forced or _rounded(min(count, fitting), count)
        rows = -(-count // columns)
        fits = rows * pitch[0] <= tallest or factor <= least
        if fits and (forced or not tiles.columns):
            break
    return Layout(factor, shrink, columns, rows, pitch, margin)


def _rounded(columns: int, count: int) -> int:
    return columns - columns % ROUND if ROUND <= columns < count else columns


def paint(tiles: Tiles, layout: Layout) -> NDArray[np.uint8]:
    """The tiles on white, (height, width, 3)."""
    import matplotlib as mpl

    images = tiles.images if tiles.are_colours else colours(tiles.images)
    if layout.shrink > 1:
        images = _shrunk(images, layout.shrink)
    images = images.repeat(layout.factor, axis=1).repeat(layout.factor, axis=2)
    count, height, width, _ = images.shape
    canvas = np.full((layout.rows * layout.columns, *layout.pitch, 3), 255, np.uint8)
    canvas[:count, : height + 1, : width + 1] = EDGE  # white tiles end somewhere too
    canvas[:count, :height, :width] = images
    for index, name in tiles.frames.items():
        frame = np.array(mpl.colors.to_rgb(name)) * 255
        thick = max(1, min(3, height // 6))
        for part in (np.s_[:thick], np.s_[height - thick : height]):
            canvas[index, part, :width] = frame
        for part in (np.s_[:thick], np.s_[width - thick : width]):
            canvas[index, :height, part] = frame
    grid = canvas.reshape(layout.rows, layout.columns, *layout.pitch, 3).swapaxes(1, 2)
    return grid.reshape(layout.rows * layout.pitch[0], layout.columns * layout.pitch[1], 3)


def numbers(tiles: Tiles, layout: Layout) -> list[tuple[int, int, str]]:
    """(x, y, text) of the numbers above the columns and left of the rows; y = 0 is the top of the first row.

    The number of a tile is the sum of those of its row and its column; with `Tiles.columns`, both count from 0.
    """
    count = len(tiles.images)
    if count == 1 or tiles.captions:
        return []
    high, wide = layout.pitch
    step = -(-DIGIT * (len(str(layout.columns)) + 1) // wide)
    found = [(layout.margin + column * wide, -4, str(column)) for column in range(0, layout.columns, step)]
    if layout.rows == 1:
        return found
    step = -(-LINE // high)
    first = 1 if layout.columns == tiles.columns else layout.columns  # where columns have a meaning, rows have too
    return found + [(0, row * high + LINE - 6, str(row * first)) for row in range(0, layout.rows, step)]


def colours(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Values of any shape as colours (..., 3): white is zero where some are negative, else the darkest is zero."""
    import matplotlib as mpl

    finite = np.isfinite(values)
    known = np.where(finite, values, 0).astype(np.float32)
    largest = float(np.abs(known).max(initial=0)) or 1.0
    name, shares = (SIGNED, (known / largest + 1) / 2) if known.min(initial=0) < 0 else (UNSIGNED, known / largest)
    table = (mpl.colormaps[name](np.arange(256))[:, :3] * 255).round().astype(np.uint8)
    found = table[(shares * 255).round().astype(np.uint8)]
    found[~finite] = NOT_FINITE
    return found


def as_colours(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Images (..., channels) as (..., 3): of two channels the first, of more than three the first three."""
    return images[..., :3] if images.shape[-1] > 2 else images[..., :1].repeat(3, axis=-1)


def _shrunk(images: NDArray[np.uint8], by: int) -> NDArray[np.uint8]:
    """The means of squares of `by` pixels; those at the edges are repeated to fill the last ones."""
    count, height, width, _ = images.shape
    padded = np.pad(images, ((0, 0), (0, -height % by), (0, -width % by), (0, 0)), mode="edge")
    squares = padded.reshape(count, padded.shape[1] // by, by, padded.shape[2] // by, by, 3)
    means: NDArray[np.uint8] = squares.mean(axis=(2, 4)).round().astype(np.uint8)
    return means
