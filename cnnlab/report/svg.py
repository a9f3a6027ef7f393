"""Charts as SVG: classes for all colours, and the values for a script that shows them."""

import json
import math
from collections.abc import Iterator, Sequence

from markupsafe import Markup, escape

from cnnlab.report import curves, texts
from cnnlab.report.axes import Axis, axes
from cnnlab.report.blocks import Chart, Series

WIDTH, HEIGHT = 560, 330
LEFT, RIGHT, TOP, BOTTOM = 62, 14, 32, 52  # around the axes
ROTATED = 44  # more below, for names of categories that stand on end
COLOURS = 8  # as in report.css
CHARACTER, LARGE_CHARACTER = 6.6, 8.2  # widths of one, in units; the latter in a small chart
LONGEST_LABEL, LONGEST_TICK = 28, 16  # characters
MOST_LABELS, MOST_TITLES = 40, 150  # points with a written label, and with a value to read without a script
MARKERS = (
    "m-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0-7 0z",
    "m-3.2-3.2h6.4v6.4h-6.4z",
    "m0-4.4l4.2 7.4h-8.4z",
    "m0-4.8l4.8 4.8l-4.8 4.8l-4.8-4.8z",
    "m0 4.4l4.2-7.4h-8.4z",
    "m-1.3-4.2h2.6v2.9h2.9v2.6h-2.9v2.9h-2.6v-2.9h-2.9v-2.6h2.9z",
)
"""Paths around the point of a group: circle, square, triangle, diamond, turned triangle, cross."""


def chart(chart: Chart, key: str) -> Markup:
    """The chart; `key` is an id that no other has."""
    is_rotated = _is_rotated(chart)
    bottom = HEIGHT - BOTTOM - (ROTATED if is_rotated else 0)
    across, upright = axes(chart, (LEFT, WIDTH - RIGHT), (bottom, TOP))
    parts = [
        f'<svg class="plot" id="{escape(key)}" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-labelledby="{escape(key)}-t {escape(key)}-d" data-axes="{escape(_axes_data(chart, across, upright))}">'
        f'<title id="{escape(key)}-t">{_text(chart.title)}</title>'
        f'<desc id="{escape(key)}-d">{_text(_described(chart), 400)}</desc>'
        f'<clipPath id="{escape(key)}-c"><path d="M{LEFT - 6} {TOP - 6}H{WIDTH}V{bottom + 6}H{LEFT - 6}z"/></clipPath>',
        *_grid(chart, across, upright, is_rotated),
        f'<g clip-path="url(#{escape(key)}-c)">',
    ]
    if chart.diagonal:
        parts.append(_diagonal(across, upright))
    has_titles = sum(min(len(series.x), curves.MOST_MARKERS) for series in chart.series) <= MOST_TITLES
    for index, series in enumerate(chart.series):
        parts += _series(chart, series, index, (across, upright), has_titles)
    parts += ["</g>", *_labels(chart, across, upright), "</svg>"]
    return Markup("".join(parts))


def classes(group: int) -> str:
    """The class that gives a group its colour."""
    return f"series-{group % COLOURS}"


def swatch(series: Series) -> Markup:
    """A short piece of the series, for a legend."""
    line = "" if series.kind == "points" else f'<path class="{_line_class(series)}" d="M1 7H27"/>'
    marker = "" if series.kind == "dotted" else f'<path class="marker" d="M14 7{_shape(series.group)}"/>'
    return Markup(
        f'<svg class="swatch {classes(series.group)}" viewBox="0 0 28 14" aria-hidden="true">{line}{marker}</svg>'
    )


def point_name(chart: Chart, series: Series, index: int) -> str:
    """What a point is called: its label, its category, or its x."""
    if index < len(series.labels) and series.labels[index]:
        return series.labels[index]
    x = series.x[index]
    if chart.x_names and x == int(x) and 0 <= x < len(chart.x_names):
        return chart.x_names[int(x)]
    return f"{chart.x_label} {x:.6g}"


def _text(text: str, most: int = texts.LONGEST_NAME) -> Markup:
    return escape(texts.name(text, most))


def _shape(group: int) -> str:
    return MARKERS[(group + group // COLOURS) % len(MARKERS)]


def _line_class(series: Series) -> str:
    return "line dotted" if series.kind == "dotted" else "line"


def _is_rotated(chart: Chart) -> bool:
    longest = max((min(len(name), LONGEST_TICK) for name in chart.x_names), default=0)
    return longest * LARGE_CHARACTER * min(len(chart.x_names), 30) > WIDTH - LEFT - RIGHT


def _described(chart: Chart) -> str:
    names = ", ".join(texts.name(series.name, 40) for series in chart.series[:8])
    more = f" and {len(chart.series) - 8} more" if len(chart.series) > 8 else ""
    return f"{chart.y_label} against {chart.x_label}: {names or 'no values'}{more}."


def _axes_data(chart: Chart, across: Axis, upright: Axis) -> str:
    """What the script needs to find the place of a value."""
    ends = [[axis.low, axis.high, axis.start, axis.end, int(axis.is_log)] for axis in (across, upright)]
    has_points = not chart.x_names and any(series.kind == "points" for series in chart.series)
    labels = [texts.name(label, 60) for label in (chart.x_label, chart.y_label)]
    names = [texts.name(name, 60) for name in chart.x_names]
    return json.dumps([*ends, *labels, names, int(has_points)], separators=(",", ":"), ensure_ascii=False)


def _grid(chart: Chart, across: Axis, upright: Axis, is_rotated: bool) -> Iterator[str]:
    left, right, bottom, top = across.start, across.end, upright.start, upright.end
    lines = [f"M{left} {upright.place(value):.1f}H{right}" for value, _ in upright.ticks]
    if not chart.x_names:
        lines += [f"M{across.place(value):.1f} {bottom}V{top}" for value, _ in across.ticks]
    yield f'<path class="grid" d="{"".join(lines)}"/><path class="axis" d="M{left} {bottom}H{right}"/>'
    for index, (value, label) in enumerate(upright.ticks):
        yield f'<text class="end{_skipped(index)}" x="{left - 7}" y="{upright.place(value) + 4:.1f}">{label}</text>'
    most = max(LONGEST_TICK, int((right - left) / LARGE_CHARACTER / max(1, len(across.ticks))) - 1)
    for index, (value, label) in enumerate(across.ticks):
        x = across.place(value)
        if is_rotated:
            shown = _text(label, LONGEST_TICK)
            yield f'<text class="end" transform="translate({x + 4:.1f} {bottom + 15})rotate(-35)">{shown}</text>'
        else:
            anchor, x = ("end", right + 10) if right - x < 24 and not chart.x_names else ("mid", x)
            shown = _text(label, most)
            yield f'<text class="{anchor}{_skipped(index)}" x="{x:.1f}" y="{bottom + 19}">{shown}</text>'
    yield f'<text class="label" x="4" y="15">{_text(chart.y_label, 60)}</text>'
    yield f'<text class="label end" x="{right}" y="{HEIGHT - 8}">{_text(chart.x_label, 60)}</text>'


def _skipped(index: int) -> str:
    """Every second tick has no label where letters are large beside the chart."""
    return " odd" if index % 2 else ""


def _diagonal(across: Axis, upright: Axis) -> str:
    low, high = max(across.low, upright.low), min(across.high, upright.high)
    if not low < high:
        return ""
    return (
        f'<path class="diagonal" d="M{across.place(low):.1f} {upright.place(low):.1f}'
        f'L{across.place(high):.1f} {upright.place(high):.1f}"/>'
    )


def _series(chart: Chart, series: Series, number_: int, both: tuple[Axis, Axis], has_titles: bool) -> Iterator[str]:
    across, upright = both
    indices = curves.drawn(series, log_x=across.is_log, log_y=upright.is_log)
    places = {index: (across.place(series.x[index]), upright.place(series.y[index])) for index in indices}
    yield f'<g class="series {classes(series.group)}" data-group="{series.group}"{_values(chart, series, indices)}>'
    has_range = len(series.low) == len(series.high) == len(series.x) == len(series.y)
    if has_range:
        yield _error_bars(series, indices, both) if series.kind == "points" else _band(series, indices, both)
    if series.kind != "points":
        kept = [curves.simplified(part, series.y, _most(part, indices)) for part in curves.stretches(indices)]
        path = "".join("M" + "L".join(_at(*places[index]) for index in part) for part in kept)
        yield f'<path class="{_line_class(series)}" d="{path}"/>'
    plain = series.kind == "dotted" and len(indices) > curves.MOST_MARKERS
    for index in [] if plain else curves.marked(series, indices, number_, len(chart.series)):
        title = f"<title>{_text(_read(chart, series, index))}</title>" if has_titles else ""
        bold = " bold" if index in series.emphasized else ""
        shape = f'class="marker{bold}" d="M{_at(*places[index])}{_shape(series.group)}"'
        yield f"<path {shape}>{title}</path>" if title else f"<path {shape}/>"
    yield "</g>"


def _most(stretch: Sequence[int], indices: Sequence[int]) -> int:
    """Points of a stretch of a line that is in pieces: its share."""
    return max(4, curves.MOST_POINTS * len(stretch) // max(1, len(indices)))


def _at(x: float, y: float) -> str:
    return f"{x:.1f} {y:.1f}"


def _read(chart: Chart, series: Series, index: int) -> str:
    return f"{texts.name(series.name, 60)}, {texts.name(point_name(chart, series, index), 60)}: {series.y[index]:.5g}"


def _values(chart: Chart, series: Series, indices: list[int]) -> str:
    """Attributes with what the script shows. A series has those x's of the first one that it does not name."""
    most = curves.MOST_SCATTERED // len(chart.series) if series.kind == "points" else curves.MOST_POINTS
    kept = curves.thinned(indices, max(1, most))
    columns: dict[str, str] = {
        "x": " ".join(f"{series.x[index]:.6g}" for index in kept),
        "y": " ".join(f"{series.y[index]:.6g}" for index in kept),
    }
    if len(series.low) == len(series.high) == len(series.y):
        columns["low"] = " ".join(f"{series.low[index]:.4g}" for index in kept)
        columns["high"] = " ".join(f"{series.high[index]:.4g}" for index in kept)
    if series.labels:
        columns["labels"] = json.dumps([texts.name(point_name(chart, series, index), 60) for index in kept])
    columns["name"] = texts.name(series.name, 60)
    return "".join(f' data-{name}="{escape(value)}"' for name, value in columns.items())


def _band(series: Series, indices: list[int], both: tuple[Axis, Axis]) -> str:
    across, upright = both
    inside = [index for index in indices if upright.shows(series.low[index]) and upright.shows(series.high[index])]
    paths = []
    for stretch in curves.stretches(inside):
        kept = curves.thinned(stretch, _most(stretch, inside))
        above = [_at(across.place(series.x[index]), upright.place(series.high[index])) for index in kept]
        below = [_at(across.place(series.x[index]), upright.place(series.low[index])) for index in reversed(kept)]
        paths.append(f"M{'L'.join([*above, *below])}z")
    return f'<path class="band" d="{"".join(paths)}"/>'


def _error_bars(series: Series, indices: list[int], both: tuple[Axis, Axis]) -> str:
    across, upright = both
    bars = []
    for index in indices:
        if math.isfinite(series.low[index]) and math.isfinite(series.high[index]):
            x, bounds = across.place(series.x[index]), (series.low[index], series.high[index])
            low, high = (upright.place(value) if upright.shows(value) else upright.start for value in bounds)
            bars.append(f"M{x:.1f} {low:.1f}V{high:.1f}m-4 0h8M{x - 4:.1f} {low:.1f}h8")
    return f'<path class="bar" d="{"".join(bars)}"/>'


def _labels(chart: Chart, across: Axis, upright: Axis) -> Iterator[str]:
    """Labels beside points, where there is room; the others are read under the pointer."""
    points = [
        (across.place(series.x[index]), upright.place(series.y[index]), series.labels[index], series.group)
        for series in chart.series
        for index in curves.drawn(series, log_x=across.is_log, log_y=upright.is_log)
        if index < len(series.labels) and series.labels[index]
    ]
    if len(points) > MOST_LABELS or chart.x_names:  # points of one category would hide each other's
        return
    taken = [(x - 4, y - 4, x + 4, y + 4) for x, y, _, _ in points]
    for x, y, label, group in points:
        shown = texts.name(label, LONGEST_LABEL)
        width = len(shown) * CHARACTER
        for left, base in ((x + 9, y + 4), (x - 9 - width, y + 4), (x - width / 2, y - 9), (x - width / 2, y + 18)):
            box = (left, base - 11, left + width, base + 3)
            inside = box[0] >= LEFT and box[2] <= WIDTH - 2 and box[1] >= TOP - 8 and box[3] <= upright.start
            if inside and not any(_overlap(box, other) for other in taken):
                taken.append(box)
                wide = " wide" if left + 1.45 * width > WIDTH else ""
                yield (
                    f'<text class="tag{wide}" data-group="{group}" x="{left:.1f}" y="{base:.1f}">{escape(shown)}</text>'
                )
                break


def _overlap(one: tuple[float, float, float, float], two: tuple[float, float, float, float]) -> bool:
    return one[0] < two[2] and two[0] < one[2] and one[1] < two[3] and two[1] < one[3]


def shown(value: float) -> str:
    """A value of a table of a chart's data."""
    return f"{value:.5g}" if math.isfinite(value) else ""
