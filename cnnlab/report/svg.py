"""Charts as SVG: classes for all colours, and the values for a script that shows them."""

import json
import math
from collections.abc import Iterator, Sequence

from markupsafe import Markup, escape

from cnnlab.report import curves, texts
from cnnlab.report.axes import Axis, axes
from cnnlab.report.blocks import Chart, Series
from cnnlab.report.frame import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, TURNED, WIDTH, grid, is_turned, labels

COLOURS = 8  # as in report.css
MOST_TITLES = 150  # points with a value to read without a script
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
    height = HEIGHT + (TURNED if is_turned(chart) else 0)
    bottom = HEIGHT - BOTTOM
    across, upright = axes(chart, (LEFT, WIDTH - RIGHT), (bottom, TOP))
    parts = [
        f'<svg class="plot" id="{escape(key)}" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-labelledby="{escape(key)}-t {escape(key)}-d" data-axes="{escape(_axes_data(chart, across, upright))}">'
        f'<title id="{escape(key)}-t">{_text(chart.title)}</title>'
        f'<desc id="{escape(key)}-d">{_text(_described(chart), 400)}</desc>'
        f'<clipPath id="{escape(key)}-c"><path d="M{LEFT - 6} {TOP - 6}H{WIDTH}V{bottom + 6}H{LEFT - 6}z"/></clipPath>',
        *grid(chart, across, upright, height),
        f'<g clip-path="url(#{escape(key)}-c)">',
    ]
    if not any(curves.drawn(series, log_x=chart.log_x, log_y=chart.log_y) for series in chart.series):
        parts.append(f'<text class="mid" x="{(LEFT + WIDTH - RIGHT) / 2}" y="{(TOP + bottom) / 2}">no values</text>')
    if chart.diagonal:
        parts.append(_diagonal(across, upright))
    has_titles = sum(min(len(series.x), curves.MOST_MARKERS) for series in chart.series) <= MOST_TITLES
    for index, series in enumerate(chart.series):
        parts += _series(chart, series, index, (across, upright), has_titles)
    parts += ["</g>", *labels(chart, across, upright), "</svg>"]
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
    if chart.x_names and -0.5 < x < len(chart.x_names) - 0.5:  # points of a category are drawn beside one another
        return chart.x_names[round(x)]
    return f"{chart.x_label} {x:.6g}"


def _text(text: str, most: int = texts.LONGEST_NAME) -> Markup:
    return escape(texts.name(text, most))


def _shape(group: int) -> str:
    return MARKERS[(group + group // COLOURS) % len(MARKERS)]


def _line_class(series: Series) -> str:
    return "line dotted" if series.kind == "dotted" else "line"


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


def shown(value: float) -> str:
    """A value of a table of a chart's data."""
    return f"{value:.5g}" if math.isfinite(value) else ""
