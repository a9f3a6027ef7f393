"""One way to print a table, for people and for scripts."""

import csv
import html
import io
import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from rich.cells import cell_len

from cnnlab.analysis.differences import short
from cnnlab.errors import printable
from cnnlab.quantities import Bytes, Change

Row = Mapping[str, Any]
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


def render(rows: Sequence[Row], columns: Sequence[str], format: Format, notes: Sequence[str] = ()) -> str:
    """The table as text; None is an empty cell or null. `notes` are sentences below it, for people only.

    csv and json have whole numbers and keys; for people, numbers are rounded and keys shortened to what tells them
    apart.
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
        case Format.MD:
            return _laid_out(rows, columns, markdown=True) + "".join(f"\n\n{printable(note)}" for note in notes)
        case Format.TABLE:
            lines = [f"\n{printable(note)}" for note in notes]
            return _laid_out(rows, columns, markdown=False) + ("\n" if notes else "") + "".join(lines)


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


def _are_numbers(values: Sequence[Any]) -> bool:
    return all(value is None or _is_number(value) for value in values)


def _laid_out(rows: Sequence[Row], columns: Sequence[str], *, markdown: bool) -> str:
    """Columns as wide as their widest cell, numbers to the right. rich's table takes a second for 2,000 rows."""
    laid_out, rule = [], "|"
    for column, heading in zip(columns, short(columns), strict=True):
        values = [row[column] for row in rows]
        is_number = _are_numbers(values)
        cells = [printable(heading), *_cells(values)]
        if markdown:
            cells = [cell.replace("|", "\\|").replace("<", "&lt;") for cell in cells]
        width = max(map(cell_len, cells))
        spaces = [" " * (width - cell_len(cell)) for cell in cells]
        laid_out.append(
            [space + cell if is_number else cell + space for cell, space in zip(cells, spaces, strict=True)]
        )
        rule += "-" * (width + 1) + (":|" if is_number else "-|")
    lines = list(zip(*laid_out, strict=True))
    if not markdown:
        return "\n".join("  ".join(line).rstrip() for line in lines)
    heading, *body = (f"| {' | '.join(line)} |" for line in lines)
    return "\n".join([heading, rule, *body])


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
