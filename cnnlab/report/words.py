"""Numbers as a report prints them."""

import math

from cnnlab.errors import printable
from cnnlab.report.blocks import Cell


def percent(share: float, decimals: int = 2) -> str:
    """`98.36 %`."""
    return f"{100 * share:.{decimals}f} %"


def share_of(share: float | None) -> Cell:
    """A cell with a share between 0 and 1, as four digits after the point."""
    return number(share, ".4f")


def number(value: float | None, form: str = ",") -> Cell:
    """A cell with a number; empty where there is none."""
    if value is None or math.isnan(value):
        return Cell("")
    return Cell(f"{value:{form}}", value)


def text(value: object) -> Cell:
    """A cell with a text."""
    return Cell("" if value is None else printable(str(value)))


def duration(seconds: float | None) -> str:
    """`16.1 s`, `12 min 5 s`, `3 h 20 min`."""
    if seconds is None:
        return "not recorded"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """`1 run`, `3 runs`."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"
