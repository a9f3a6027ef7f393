"""One way to print a table, for people and for scripts."""

import csv
import html
import io
import json
import re
import shutil
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from itertools import zip_longest
from typing import Any

from rich.cells import cell_len

from cnnlab.config.differences import short
from cnnlab.errors import printable
from cnnlab.quantities import Bytes, Change

Row = Mapping[str, Any]
FIT = 0  # a width: that of the output
NARROWEST = 20  # characters of a wrapped text
GAP = 2  # between columns
_PAGE = """\
<!doctype html>
<meta charset="utf-8">
<title>cnnlab</title>
<style>
  body { font: 15px/1.4 system-ui, sans-serif; margin: 2em; }
  table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin-bottom: 1em; }
  th, td { border-bottom: 1px solid #ddd; padding: 0.3em 0.8em; text-align: left; }
  p { color: #444; margin: 0.2em 0; max-width: 60em; }
</style>"""


class Format(StrEnum):
    """How a table is printed."""

    TABLE = "table"
    MD = "md"
    CSV = "csv"
    JSON = "json"
    HTML = "html"
    LATEX = "latex"


def width_of_output() -> int:
    """Characters in a line: `$COLUMNS`, else those of the terminal, else 80."""
    return shutil.get_terminal_size().columns


def render(
    rows: Sequence[Row],
    columns: Sequence[str],
    format: Format,
    notes: Sequence[str] = (),
    width: int | None = FIT,
) -> str:
    """The table as text; None is an empty cell or null. `notes` are sentences below it, for people only.

    csv and json have whole numbers and keys; for people, numbers are rounded and keys shortened to what tells them
    apart. A table of text that is wider than the output, or than `width` if that is given, has its texts wrapped, and
    then its columns in several tables below one another, each led by the first column, or the first two where that
    one does not tell rows apart; with None it never is.
    """
    match format:
        case Format.JSON:
            return json.dumps([{column: row[column] for column in columns} for row in rows], indent=2)
        case Format.CSV:
            text = io.StringIO()
            writer = csv.DictWriter(text, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows({column: _as_json(row[column]) for column in columns} for row in rows)
            return text.getvalue().rstrip("\n")
        case Format.HTML:
            return _html(rows, columns, notes)
        case Format.LATEX:
            return _latex(rows, columns, notes)
        case Format.MD:
            return _markdown(rows, columns) + "".join(f"\n\n{printable(note)}" for note in notes)
        case Format.TABLE:
            lines = [f"\n{printable(note)}" for note in notes]
            limit = width_of_output() if width == FIT else width
            return _fitted(rows, columns, limit) + ("\n" if notes else "") + "".join(lines)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _as_json(value: Any) -> Any:
    """A map or list as one cell."""
    return json.dumps(value) if isinstance(value, dict | list) else value


def _html(rows: Sequence[Row], columns: Sequence[str], notes: Sequence[str]) -> str:
    """A page, numbers to the right."""
    lines = []
    laid_out = [_cells([row[column] for row in rows]) for column in columns]
    numbers = [_are_numbers([row[column] for row in rows]) for column in columns]
    aligned = [' style="text-align: right"' if is_number else "" for is_number in numbers]
    for tag, cells in [("th", short(columns)), *(("td", line) for line in zip(*laid_out, strict=True))]:
        inside = "".join(
            f"<{tag}{style}>{html.escape(printable(cell))}</{tag}>" for style, cell in zip(aligned, cells, strict=True)
        )
        lines.append(f"<tr>{inside}</tr>")
    below = [f"<p>{html.escape(printable(note))}</p>" for note in notes]
    return "\n".join([_PAGE, "<table>", *lines, "</table>", *below])


_LATEX = {
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "[": "{[}",  # after a line break it would be a length
    "±": r"$\pm$",
    "×": r"$\times$",
    **{sign: f"\\{sign}" for sign in "#$%&_{}"},
}
"""What LaTeX does not print as it is, outside of mathematics."""


def _latex(rows: Sequence[Row], columns: Sequence[str], notes: Sequence[str]) -> str:
    """A `tabular` with the rules of the package booktabs, and the notes below it."""
    laid_out = _columns(rows, columns)
    heading, *body = (
        " & ".join(map(_in_latex, line)) + r" \\" for line in zip(*(column.cells for column in laid_out), strict=True)
    )
    alignment = "".join("r" if column.is_number else "l" for column in laid_out)
    table = [
        r"% \usepackage{booktabs}",
        rf"\begin{{tabular}}{{{alignment}}}",
        *(r"\toprule", heading, r"\midrule", *body, r"\bottomrule"),
        r"\end{tabular}",
    ]
    return "\n".join([*table, *(rf"\par\smallskip\noindent{{\footnotesize {_in_latex(note)}}}" for note in notes)])


def _in_latex(text: str) -> str:
    """`text` as LaTeX prints it; what is between backticks as code."""
    escaped = "".join(_LATEX.get(sign, sign) for sign in printable(text))
    return re.sub("`([^`]*)`", r"\\texttt{\1}", escaped)


def _are_numbers(values: Sequence[Any]) -> bool:
    return all(value is None or _is_number(value) for value in values)


@dataclass(frozen=True)
class _Column:
    """A column as text: its heading, then its cells."""

    cells: list[str]
    is_number: bool

    @classmethod
    def from_rows(cls, rows: Sequence[Row], column: str, heading: str) -> "_Column":
        values = [row[column] for row in rows]
        return cls([printable(heading), *_cells(values)], _are_numbers(values))

    @cached_property
    def width(self) -> int:
        return max(map(cell_len, self.cells))

    @cached_property
    def narrowest(self) -> int:
        """To which it can be wrapped without breaking words."""
        if self.is_number:
            return self.width
        words = [word for cell in self.cells for word in cell.split(" ")]
        return min(self.width, max(NARROWEST, *map(cell_len, words)))

    def padded(self) -> list[str]:
        """All equally wide, numbers to the right."""
        width = self.width
        spaces = [" " * (width - cell_len(cell)) for cell in self.cells]
        pairs = zip(self.cells, spaces, strict=True)
        return [space + cell if self.is_number else cell + space for cell, space in pairs]


def _columns(rows: Sequence[Row], columns: Sequence[str]) -> list[_Column]:
    return [_Column.from_rows(rows, column, name) for column, name in zip(columns, short(columns), strict=True)]


def _markdown(rows: Sequence[Row], columns: Sequence[str]) -> str:
    laid_out = [
        _Column([cell.replace("|", "\\|").replace("<", "&lt;") for cell in column.cells], column.is_number)
        for column in _columns(rows, columns)
    ]
    rule = "".join("-" * (column.width + 1) + (":|" if column.is_number else "-|") for column in laid_out)
    lines = zip(*(column.padded() for column in laid_out), strict=True)
    heading, *body = (f"| {' | '.join(line)} |" for line in lines)
    return "\n".join([heading, f"|{rule}", *body])


def _fitted(rows: Sequence[Row], columns: Sequence[str], width: int | None) -> str:
    """Columns as wide as their widest cell; wrapped, and below one another, where that is more than `width`."""
    laid_out = _columns(rows, columns)
    if width is None or _total(column.width for column in laid_out) <= width:
        return _text(laid_out)
    is_key = len(set(laid_out[0].cells)) == len(laid_out[0].cells)
    lead, others = (laid_out[:1], laid_out[1:]) if is_key else (laid_out[:2], laid_out[2:])
    blocks = [lead]
    for column in others:
        if len(blocks[-1]) > len(lead) and _total(one.narrowest for one in [*blocks[-1], column]) > width:
            blocks.append(lead)
        blocks[-1] = [*blocks[-1], column]
    return "\n\n".join(_text(_wrapped(block, width)) for block in blocks)


def _total(widths: Iterable[int]) -> int:
    """With the gaps between them."""
    return sum(width + GAP for width in widths) - GAP


def _wrapped(columns: list[_Column], width: int) -> list[_Column]:
    """With the widest texts wrapped, as far as words allow, until all fit."""
    widths = [column.width for column in columns]
    while (excess := _total(widths) - width) > 0:
        room = [now - column.narrowest for now, column in zip(widths, columns, strict=True)]
        if max(room) == 0:
            break
        widest = max((index for index, more in enumerate(room) if more), key=lambda index: widths[index])
        widths[widest] -= min(excess, room[widest])
    return [
        column if now == column.width else _Column([_wrap(cell, now) for cell in column.cells], column.is_number)
        for column, now in zip(columns, widths, strict=True)
    ]


def _wrap(cell: str, width: int) -> str:
    return textwrap.fill(cell, width, break_long_words=False, break_on_hyphens=False)


def _text(columns: Sequence[_Column]) -> str:
    """A line for each row, or several where cells are wrapped. rich's table takes a second for 2,000 rows."""
    lines = []
    widths = [max(cell_len(part) for cell in column.cells for part in cell.split("\n")) for column in columns]
    for cells in zip(*(column.cells for column in columns), strict=True):
        for parts in zip_longest(*(cell.split("\n") for cell in cells), fillvalue=""):
            spaces = [" " * (width - cell_len(part)) for part, width in zip(parts, widths, strict=True)]
            line = [
                space + part if column.is_number else part + space
                for part, space, column in zip(parts, spaces, columns, strict=True)
            ]
            lines.append((" " * GAP).join(line).rstrip())
    return "\n".join(lines)


def _cells(values: Sequence[Any]) -> list[str]:
    """A column as people read it: counts with separators, all fractions with the same digits, four at most."""
    decimals = max((_decimals(value) for value in values if isinstance(value, float)), default=0)
    return [_cell(value, decimals) for value in values]


def _cell(value: Any, decimals: int) -> str:
    match value:
        case None:
            return ""
        case Bytes() | Change():
            return f"{value}"
        case bool():
            return str(value).lower()
        case int():
            return f"{value:,}"
        case float():
            return f"{value:.{decimals}f}" if value == 0 or 1e-3 <= abs(value) < 1e6 else f"{value:.3g}"
    return printable(str(value))


def _decimals(value: float) -> int:
    return min(4, len(f"{value:.4f}".rstrip("0").partition(".")[2]))
