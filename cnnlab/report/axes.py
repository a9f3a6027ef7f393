"""Axes of a chart: from values to places, with ticks at round numbers."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cnnlab.report.blocks import Chart, Series

LARGEST = 1e300  # beyond it, the width of a range could overflow
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
MOST_NAMES = 30  # names of categories that are written; of more, every second, third, …


@dataclass(frozen=True)
class Axis:
    """Values from `low` to `high` at places from `start` to `end`, with the ticks inside."""

    low: float
    high: float
    start: float
    end: float
    is_log: bool
    ticks: Sequence[tuple[float, str]]

    def shows(self, value: float) -> bool:
        """Whether the value has a place."""
        return is_drawn(value, self.is_log)

    def place(self, value: float) -> float:
        """Where the value is, perhaps beyond the ends; within a few lengths of the axis."""
        low, high = (math.log10(self.low), math.log10(self.high)) if self.is_log else (self.low, self.high)
        share = ((math.log10(value) if self.is_log else value) - low) / (high - low)
        return self.start + min(3.0, max(-2.0, share)) * (self.end - self.start)


def is_drawn(value: float, is_log: bool) -> bool:
    """Whether it is a number that a linear or a logarithmic axis has a place for."""
    return math.isfinite(value) and abs(value) <= LARGEST and (value > 0 or not is_log)


def axes(chart: Chart, x_ends: tuple[float, float], y_ends: tuple[float, float]) -> tuple[Axis, Axis]:
    """The axes of x and of y, which lie between these places."""
    if chart.x_names:
        count = len(chart.x_names)
        step = math.ceil(count / MOST_NAMES)
        ticks = [(float(index), chart.x_names[index]) for index in range(0, count, step)]
        across = Axis(-0.5, count - 0.5, *x_ends, False, ticks)
    else:
        values = [value for series in chart.series for value in series.x]
        has_points = any(series.kind == "points" for series in chart.series)
        across = axis(values, x_ends, is_log=chart.log_x, pad=0.05 if has_points else 0.0, is_whole=True)
    upright = [value for series in chart.series for value in _heights(series)]
    return across, axis(upright, y_ends, is_log=chart.log_y, fixed=chart.y_range, pad=0.05)


def axis(
    values: Iterable[float],
    ends: tuple[float, float],
    *,
    is_log: bool = False,
    fixed: tuple[float | None, float | None] = (None, None),
    pad: float = 0.0,
    is_whole: bool = False,
) -> Axis:
    """An axis for these values, wider by `pad` of them where an end is not fixed.

    Whole numbers have ticks only at such ones if `is_whole`.
    """
    drawn = [value for value in values if is_drawn(value, is_log)]
    default = 1.0 if is_log else 0.0
    low, high = min(drawn, default=default), max(drawn, default=1.0)
    low, high = _wider(low, high, is_log, pad)
    given = [end if end is not None and is_drawn(end, is_log) else None for end in fixed]
    low, high = (found if end is None else end for found, end in zip((low, high), given, strict=True))
    if not low < high:
        low, high = _wider(low, low, is_log, pad)
    whole = is_whole and all(value == int(value) for value in drawn)
    ticks = _log_ticks(low, high) if is_log else _ticks(low, high, whole=whole)
    return Axis(low, high, *ends, is_log, ticks)


def _wider(low: float, high: float, is_log: bool, pad: float) -> tuple[float, float]:
    if is_log:
        ratio = high / low
        factor = ratio**pad if 1 + 1e-9 < ratio < math.inf else 2.0
        return max(low / factor, 1e-300), min(high * factor, LARGEST)
    space = pad * (high - low) if high > low else 0.1 * abs(low) or 1.0
    return low - space, high + space


def _heights(series: Series) -> Iterable[float]:
    yield from series.y
    yield from series.low
    yield from series.high


def _ticks(low: float, high: float, *, whole: bool, count: int = 6) -> list[tuple[float, str]]:
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next((factor * power for factor in (1.0, 2.0, 5.0) if factor * power >= rough), 10.0 * power)
    step = max(step, 1.0) if whole else step
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    if last - first > 2 * count:  # `step` is lost beside large numbers that are almost equal
        return [(low, number(low))]
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return [(index * step, _label(index * step, digits, step)) for index in range(first, last + 1)]


def _label(value: float, digits: int, step: float) -> str:
    if value == 0:
        return "0"
    if abs(value) >= 10_000 or digits > 5:
        return number(value)
    return f"{value:.{digits}f}".replace("-", "−") if step < 1 else f"{value:,.0f}".replace("-", "−")


def _log_ticks(low: float, high: float) -> list[tuple[float, str]]:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    step = max(1, math.ceil((last - first) / 7))
    factors = (1, 2, 5) if last - first <= 2 else (1,)
    ticks = [factor * 10.0**power for power in range(first, last + 1, step) for factor in factors if abs(power) <= 300]
    inside = [(tick, number(tick)) for tick in ticks if low * (1 - 1e-9) <= tick <= high * (1 + 1e-9)]
    return inside if len(inside) > 1 else _ticks(low, high, whole=False, count=3)


def number(value: float) -> str:
    """A short form with three digits: 0.05, 12.5k, 2·10⁻⁵."""
    size = abs(value)
    sign = "−" if value < 0 else ""
    if size >= 1e15 or 0 < size < 1e-3:
        power = math.floor(math.log10(size) + 1e-9)
        factor = f"{size / 10.0**power:.3g}"
        return f"{sign}{'' if factor == '1' else factor + '·'}10{str(power).translate(SUPERSCRIPTS)}"
    if size >= 10_000:
        unit, prefix = next((unit, prefix) for unit, prefix in PREFIXES if size >= unit * 0.9999)
        return f"{sign}{size / unit:.4g}{prefix}"
    return f"{sign}{size:,.0f}" if size >= 100 else f"{sign}{size:.3g}"
