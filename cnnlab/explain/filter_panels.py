"""Filters, and the patches that activate each most strongly, as tiles."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cnnlab.explain.filters import Activity
from cnnlab.explain.layers import LayerView
from cnnlab.explain.panels import PAGE_ROOM, describe, first_weighted, weight_tiles
from cnnlab.messages import join_names
from cnnlab.plots.page import Section
from cnnlab.plots.tiles import Tiles, as_colours

DEAD, OPEN = "#D55E00", "#009E73"  # vermillion and bluish green, safe for the colour-blind (Okabe and Ito 2008)
SEPARATOR = 86, 180, 233  # sky blue, of the same, which no image of grey has
SIDE, LINE = 3, 1  # patches in a row of a filter's tile, and pixels between them
LARGEST, SMALLEST = 260, 48  # pixels of the page that such a tile is enlarged to, at most and at least
LISTED = 20  # filters that are named


def filter_sections(
    views: Sequence[LayerView], activities: Mapping[str, Activity], rectified: Mapping[str, bool]
) -> list[Section]:
    """The kernels of the layers in `activities`, which are framed where a filter is dead or always open."""
    sections = []
    for view in views:
        if view.name not in activities:
            continue
        activity = activities[view.name]
        on_image = view is first_weighted(list(views))
        panel = []
        for name, weight in view.weights.items():
            tiles = weight_tiles(name, weight.values, None, on_image, PAGE_ROOM)
            frames = _frames(activity, tiles) if rectified[view.name] and weight.values.ndim == 4 else {}
            panel.append(Tiles(tiles.title, tiles.images, tiles.columns, (), frames, tiles.largest))
        sections.append(Section(describe(view), [panel], _marks(activity, rectified[view.name])))
    return sections


def patch_section(
    view: LayerView, activity: Activity, patches: NDArray[np.uint8], *, is_rectified: bool, field: tuple[int, int]
) -> Section:
    """One tile per filter of its strongest patches (filters, n, height, width, channels), the strongest first."""
    tiles = np.stack([_mosaic(as_colours(one)) for one in patches])
    if is_rectified:
        tiles[activity.dead] = 200  # what activates a dead filter most does not activate it
    frames = _frames(activity) if is_rectified else {}
    count, (height, width) = patches.shape[1], field
    title = (
        f"the {count} patches of {height}×{width} pixels that activate each filter most, up to "
        f"{activity.largest.max():.3g}"
    )
    marks = _marks(activity, is_rectified)
    return Section(
        describe(view),
        [[Tiles(title, tiles, frames=frames, largest=LARGEST, smallest=SMALLEST, spacing=2 * LINE)]],
        marks,
    )


def _mosaic(patches: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Patches (n, height, width, 3) as one image."""
    count, height, width, _ = patches.shape
    rows = -(-count // SIDE)
    canvas = np.full((rows * SIDE, height + LINE, width + LINE, 3), SEPARATOR, np.uint8)
    canvas[:count, :height, :width] = patches
    grid = canvas.reshape(rows, SIDE, height + LINE, width + LINE, 3).swapaxes(1, 2)
    return grid.reshape(rows * (height + LINE), SIDE * (width + LINE), 3)[:-LINE, :-LINE]


def _frames(activity: Activity, tiles: Tiles | None = None) -> dict[int, str]:
    """The colours of filters, or of their rows of tiles."""
    per_filter = (tiles and tiles.columns) or 1
    colours = {**dict.fromkeys(activity.dead, DEAD), **dict.fromkeys(activity.always_open, OPEN)}
    frames = {n * per_filter + column: colour for n, colour in colours.items() for column in range(per_filter)}
    return {n: colour for n, colour in frames.items() if tiles is None or n < len(tiles.images)}


def _marks(activity: Activity, is_rectified: bool) -> str:
    """Which filters are dead or always open, in words."""
    if not is_rectified:
        return "no ReLU follows at once, so that no filter is called dead or always open"
    found = []
    for which, word in ((activity.dead, "dead, never above 0 (orange)"), (activity.always_open, "always open (green)")):
        names = f": {join_names(map(str, which), LISTED)}" if which else ""
        found.append(f"{len(which):,} of {len(activity.largest):,} {word}{names}")
    return "; ".join(found)
