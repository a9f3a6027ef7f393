"""Lines of thousands of values by a few hundred, and where the markers on them go."""

import math
from collections.abc import Iterator, Sequence
from itertools import groupby

from cnnlab.report.axes import is_drawn
from cnnlab.report.blocks import Series

MOST_POINTS = 200  # of a line, and of the values that can be read from it
MOST_MARKERS = 15  # on a line; on one with more values, a few tell it from others
FEW_MARKERS = 5
MOST_SCATTERED = 2000  # points of a chart


def drawn(series: Series, *, log_x: bool, log_y: bool) -> list[int]:
    """The indices of points that have a place."""
    pairs = enumerate(zip(series.x, series.y, strict=False))
    return [index for index, (x, y) in pairs if is_drawn(x, log_x) and is_drawn(y, log_y)]


def stretches(indices: Sequence[int]) -> Iterator[list[int]]:
    """Indices that follow one another, without the gaps between."""
    for _, stretch in groupby(enumerate(indices), key=lambda pair: pair[1] - pair[0]):
        yield [index for _, index in stretch]


def simplified(indices: list[int], values: Sequence[float], most: int = MOST_POINTS) -> list[int]:
    """About `most` of the indices: of equal parts of them, where `values` are smallest and largest."""
    if len(indices) <= most:
        return indices
    size = math.ceil(2 * len(indices) / most)
    kept = {indices[0], indices[-1]}
    for start in range(0, len(indices), size):
        part = indices[start : start + size]
        kept |= {min(part, key=lambda index: values[index]), max(part, key=lambda index: values[index])}
    return sorted(kept)


def thinned(indices: Sequence[int], most: int = MOST_POINTS) -> list[int]:
    """At most `most` + 1 of the indices, equally far from one another, and the last."""
    step = math.ceil(len(indices) / most) or 1
    kept = list(indices[::step])
    return kept if not indices or kept[-1] == indices[-1] else [*kept, indices[-1]]


def marked(series: Series, indices: list[int], number: int, count: int) -> list[int]:
    """The points with a marker, of the series with this number out of `count`: not where others have theirs."""
    if series.kind == "points":
        return thinned(indices, max(1, MOST_SCATTERED // count))
    if len(indices) <= MOST_MARKERS and count <= 2 * MOST_MARKERS:
        return indices
    few = FEW_MARKERS if count <= MOST_MARKERS else 2
    alone = {stretch[0] for stretch in stretches(indices) if len(stretch) == 1}
    spread = {indices[int((part + (number % 6 + 0.5) / 6) / few * len(indices))] for part in range(few) if indices}
    return sorted({*spread, *thinned(sorted(alone), MOST_MARKERS), *(set(series.emphasized) & set(indices))})
