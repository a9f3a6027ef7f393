"""Parallel coordinates as SVG: an upright axis per key, a line per trial, the better the darker."""

import math
from collections.abc import Iterator, Sequence

from markupsafe import Markup, escape

from cnnlab.report import texts
from cnnlab.report.axes import Axis, axis, is_drawn, number
from cnnlab.report.blocks import Parallel, Scale

CAPTION = (
    "The stronger the colour of a line, the better its trial ranks; the bold one is the best. Lines through one "
    "category are spread, the better the higher. A line at “none” has no such key."
)
TOP, BOTTOM, HEIGHT = 44, 306, 350
NONE = -0.12
"""Where a line without a value crosses an axis that reaches from 0 to 1."""
NONE_SPREAD = 0.06
LEFT, RIGHT = 100, 66
NARROW, WIDE, WHOLE = 128, 220, 720  # between axes, and between the first and the last of few
SHADES = 6  # as in report.css
SPREAD = 0.6  # of the height of a category
MOST_NAMES = 30  # of categories of an axis
MOST_TITLES = 150  # lines whose values can be read, of the best ones
LONGEST_NAME, LONGEST_TICK = 18, 14  # characters


def parallel(block: Parallel) -> Markup:
    """The axes and lines."""
    step = min(WIDE, max(NARROW, WHOLE // max(1, len(block.scales) - 1)))
    places = [LEFT + step * index for index in range(len(block.scales))]
    width = LEFT + step * max(0, len(places) - 1) + RIGHT
    axes = uprights(block, (BOTTOM, TOP))
    parts = [
        f'<svg width="{width}" height="{HEIGHT}" viewBox="0 0 {width} {HEIGHT}" role="img" '
        f'aria-label="{escape(_described(block))}">'
    ]
    for index in range(len(block.lines)):
        parts.append(_line(block, axes, places, index))
    for index, (x, upright) in enumerate(zip(places, axes, strict=True)):
        parts += _axis(block.scales[index], x, upright, has_none=has_gaps(block, index))
    if not block.lines:
        parts.append(f'<text class="mid" x="{width / 2}" y="{HEIGHT - 12}">no values</text>')
    return Markup("".join([*parts, "</svg>"]))


def uprights(block: Parallel, ends: tuple[float, float]) -> list[Axis]:
    """The axes, which lie between these places, the lower one first."""
    return [_upright(scale, [line[index] for line in block.lines], ends) for index, scale in enumerate(block.scales)]


def heights(block: Parallel, axes: Sequence[Axis], index: int) -> list[float]:
    """Where a line crosses the axes."""
    share = (index + 0.5) / len(block.lines) - 0.5
    found = []
    for scale, upright, value in zip(block.scales, axes, block.lines[index], strict=False):
        if not is_drawn(value, scale.is_log):
            found.append(upright.start + (NONE + NONE_SPREAD * share) * (upright.end - upright.start))
        else:
            found.append(upright.place(value + SPREAD * share if scale.names else value))
    return found


def has_gaps(block: Parallel, index: int) -> bool:
    """Whether a line has no value on this axis."""
    return any(not is_drawn(line[index], block.scales[index].is_log) for line in block.lines)


def _upright(scale: Scale, values: Sequence[float], ends: tuple[float, float]) -> Axis:
    if scale.names:
        step = math.ceil(len(scale.names) / MOST_NAMES)
        ticks = [(float(index), scale.names[index]) for index in range(0, len(scale.names), step)]
        return Axis(-0.5, len(scale.names) - 0.5, *ends, False, ticks)
    return axis([*values, *(scale.ends or ())], ends, is_log=scale.is_log, is_whole=True)


def _line(block: Parallel, axes: Sequence[Axis], places: Sequence[float], index: int) -> str:
    points = zip(places, heights(block, axes, index), strict=False)
    path = "L".join(f"{x} {y:.1f}" for x, y in points)
    left = len(block.lines) - 1 - index
    shade = "best" if left == 0 else f"t{SHADES * index // len(block.lines)}"
    title = f"<title>{escape(_read(block, index))}</title>" if left < MOST_TITLES else ""
    return f'<path class="line {shade}" d="M{path}">{title}</path>'


def _axis(scale: Scale, x: float, upright: Axis, *, has_none: bool) -> Iterator[str]:
    yield f'<path class="axis" d="M{x} {upright.start}V{upright.end}"/>'
    yield f'<text class="name mid" x="{x}" y="18">{escape(_ends(scale.name, LONGEST_NAME))}'
    yield f"<title>{escape(texts.name(scale.name))}</title></text>"
    marks = [(upright.place(value), label) for value, label in upright.ticks]
    if has_none:
        marks.append((upright.start + NONE * (upright.end - upright.start), "none"))
    for y, label in marks:
        shown = texts.name(label, LONGEST_TICK)
        title = f"<title>{escape(texts.name(label))}</title>" if shown != label else ""
        yield f'<path class="axis" d="M{x} {y:.1f}h-4"/>'
        yield f'<text class="tick end" x="{x - 7}" y="{y + 4:.1f}">{escape(shown)}{title}</text>'


def _ends(name: str, most: int) -> str:
    """The beginning and the end of a name."""
    shown = texts.name(name)
    return shown if len(shown) <= most else f"{shown[: most // 3]}…{shown[most // 3 + 1 - most :]}"


def _read(block: Parallel, index: int) -> str:
    label = texts.name(block.labels[index], 60) if index < len(block.labels) else ""
    pairs = zip(block.scales, block.lines[index], strict=False)
    values = [f"{texts.name(scale.name, 60)} {_value(scale, value)}" for scale, value in pairs if value == value]
    return f"{label}: {', '.join(values)}"


def _value(scale: Scale, value: float) -> str:
    if scale.names and 0 <= value < len(scale.names):
        return texts.name(scale.names[int(value)], 60)
    return number(value) if math.isfinite(value) else ""


def _described(block: Parallel) -> str:
    title = f"{texts.name(block.title)}: {len(block.lines):,} lines across {len(block.scales)} axes."
    return f"{title} The best is {_read(block, len(block.lines) - 1)}." if block.lines else title
