"""What is around the series of a chart in SVG: grid, ticks, labels of axes and of points."""

from collections.abc import Iterator

from markupsafe import Markup, escape

from cnnlab.report import curves, texts
from cnnlab.report.axes import MOST_NAMES, Axis
from cnnlab.report.blocks import Chart

WIDTH, HEIGHT = 560, 330
LEFT, RIGHT, TOP, BOTTOM = 62, 14, 32, 52  # around the axes
TURNED = 64  # higher, for names of categories that do not fit side by side
CHARACTER, LARGE_CHARACTER = 6.6, 8.2  # widths of one, in units; the latter in a small chart
LONGEST_TICK, LONGEST_TURNED, LONGEST_LABEL = 16, 11, 28  # characters
MOST_LEANING = 16  # names at an angle; more stand upright
MOST_LABELS = 40  # points with a written label

Box = tuple[float, float, float, float]


def is_turned(chart: Chart) -> bool:
    """Whether the names of categories do not fit side by side."""
    longest = max((min(len(name), LONGEST_TICK) for name in chart.x_names), default=0)
    return longest * LARGE_CHARACTER * min(len(chart.x_names), MOST_NAMES) > WIDTH - LEFT - RIGHT


def grid(chart: Chart, across: Axis, upright: Axis, height: int) -> Iterator[str]:
    """Lines, ticks and what the axes are called."""
    left, right, bottom, top = across.start, across.end, upright.start, upright.end
    lines = [f"M{left} {upright.place(value):.1f}H{right}" for value, _ in upright.ticks]
    if not chart.x_names:
        lines += [f"M{across.place(value):.1f} {bottom}V{top}" for value, _ in across.ticks]
    yield f'<path class="grid" d="{"".join(lines)}"/><path class="axis" d="M{left} {bottom}H{right}"/>'
    for index, (value, label) in enumerate(upright.ticks):
        yield f'<text class="end{_skipped(index)}" x="{left - 7}" y="{upright.place(value) + 4:.1f}">{label}</text>'
    yield from _turned_names(across, bottom) if is_turned(chart) else _ticks(chart, across, bottom)
    yield f'<text class="label" x="4" y="15">{_text(chart.y_label, 60)}</text>'
    yield f'<text class="label end" x="{right}" y="{height - 8}">{_text(chart.x_label, 60)}</text>'


def _ticks(chart: Chart, across: Axis, bottom: float) -> Iterator[str]:
    room = int((across.end - across.start) / LARGE_CHARACTER / max(1, len(across.ticks))) - 1
    for index, (value, label) in enumerate(across.ticks):
        x = across.place(value)
        # A number at the end of the axis would be cut off where letters are large beside the chart.
        anchor, x = (
            ("end", across.end + 10) if across.end - x < 24 and len(label) > 2 and not chart.x_names else ("mid", x)
        )
        shown = _text(label, max(LONGEST_TICK, room))
        yield f'<text class="{anchor}{_skipped(index)}" x="{x:.1f}" y="{bottom + 19}">{shown}</text>'


def _turned_names(across: Axis, bottom: float) -> Iterator[str]:
    lean, x, y = (-35, 4, 15) if len(across.ticks) <= MOST_LEANING else (-90, 5, 8)
    for value, label in across.ticks:
        place = f"translate({across.place(value) + x:.1f} {bottom + y})rotate({lean})"
        yield f'<text class="end turned" transform="{place}">{escape(_middle_left_out(label))}</text>'


def _middle_left_out(label: str) -> str:
    """Names of experiments often differ in their ends."""
    shown = texts.name(label)
    return shown if len(shown) <= LONGEST_TURNED else f"{shown[:5]}…{shown[5 - LONGEST_TURNED + 1 :]}"


def _skipped(index: int) -> str:
    """Every second tick has no label where letters are large beside the chart."""
    return " odd" if index % 2 else ""


def _text(text: str, most: int) -> Markup:
    return escape(texts.name(text, most))


def labels(chart: Chart, across: Axis, upright: Axis) -> Iterator[str]:
    """Labels beside points, where there is room; the others are read under the pointer."""
    if not chart.names_points:
        return
    points = [
        (across.place(series.x[index]), upright.place(series.y[index]), series.labels[index], series.group)
        for series in chart.series
        for index in curves.drawn(series, log_x=across.is_log, log_y=upright.is_log)
        if index < len(series.labels) and series.labels[index]
    ]
    if len(points) > MOST_LABELS or chart.x_names:  # points of one category would hide each other's
        return
    taken: list[Box] = [(x - 4, y - 4, x + 4, y + 4) for x, y, _, _ in points]
    taken += _error_bars(chart, across, upright)
    for x, y, label, group in points:
        shown = texts.name(label, LONGEST_LABEL)
        width = len(shown) * LARGE_CHARACTER
        sides = (
            ("", x + 9, y + 4, x + 9),
            ("end ", x - 9, y + 4, x - 9 - width),
            ("mid ", x, y - 9, x - width / 2),
            ("mid ", x, y + 18, x - width / 2),
        )
        for anchor, at, base, left in sides:
            box = (left, base - 12, left + width, base + 3)
            inside = box[0] >= LEFT and box[2] <= WIDTH - 2 and box[1] >= TOP - 8 and box[3] <= upright.start
            if inside and not any(_overlap(box, other) for other in taken):
                taken.append(box)
                where = f'data-group="{group}" x="{at:.1f}" y="{base:.1f}"'
                yield f'<text class="{anchor}tag" {where}>{escape(shown)}</text>'
                break


def _error_bars(chart: Chart, across: Axis, upright: Axis) -> Iterator[Box]:
    for series in chart.series:
        if series.kind == "points" and len(series.low) == len(series.high) == len(series.x):
            for x, low, high in zip(series.x, series.low, series.high, strict=True):
                if across.shows(x) and upright.shows(low) and upright.shows(high):
                    place = across.place(x)
                    yield place - 4, upright.place(high), place + 4, upright.place(low)


def _overlap(one: Box, two: Box) -> bool:
    return one[0] < two[2] and two[0] < one[2] and one[1] < two[3] and two[1] < one[3]
