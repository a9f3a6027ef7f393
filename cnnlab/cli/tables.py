"""One way to print a table, for people and for scripts."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

Row = Mapping[str, Any]


class Format(StrEnum):
    """How a table is printed."""

    TABLE = "table"
    MD = "md"
    CSV = "csv"
    JSON = "json"


def render(rows: Sequence[Row], columns: Sequence[str], format: Format) -> str:
    """The table as text. Numbers are whole in csv and json, rounded for people; None is an empty cell or null."""
    match format:
        case Format.JSON:
            return json.dumps([{column: row[column] for column in columns} for row in rows], indent=2)
        case Format.CSV:
            text = io.StringIO()
            writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
            return text.getvalue().rstrip("\n")
        case Format.MD:
            return _markdown(rows, columns)
        case Format.TABLE:
            return _plain(rows, columns)


def _aligned(rows: Sequence[Row], columns: Sequence[str]) -> list[tuple[bool, list[str]]]:
    """Each column's cells padded to one width, the heading first, and whether it holds numbers."""
    result = []
    for column in columns:
        values = [row[column] for row in rows]
        is_number = all(value is None or type(value) in (int, float) for value in values)
        cells = [column, *_cells(values)]
        width = max(map(len, cells))
        result.append((is_number, [text.rjust(width) if is_number else text.ljust(width) for text in cells]))
    return result


def _cells(values: Sequence[Any]) -> list[str]:
    """A column as people read it: counts with separators, all fractions with the same digits, four at most."""
    decimals = max((_decimals(value) for value in values if isinstance(value, float)), default=0)
    return [_cell(value, decimals) for value in values]


def _cell(value: Any, decimals: int) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case int():
            return f"{value:,}"
        case float():
            return f"{value:.{decimals}f}" if value == 0 or 1e-3 <= abs(value) < 1e6 else f"{value:.3g}"
    return str(value)


def _decimals(value: float) -> int:
    return min(4, len(f"{value:.4f}".rstrip("0").partition(".")[2]))


def _plain(rows: Sequence[Row], columns: Sequence[str]) -> str:
    aligned = [cells for _, cells in _aligned(rows, columns)]
    return "\n".join("  ".join(line).rstrip() for line in zip(*aligned, strict=True))


def _markdown(rows: Sequence[Row], columns: Sequence[str]) -> str:
    aligned = _aligned(rows, columns)
    rule = ["-" * (len(cells[0]) - 1) + (":" if is_number else "-") for is_number, cells in aligned]
    heading, *body = zip(*[[text.replace("|", "\\|") for text in cells] for _, cells in aligned], strict=True)
    return "\n".join(f"| {' | '.join(line)} |" for line in (heading, rule, *body))
