"""metrics.csv, the table of epochs, and the other tables of a run."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cnnlab.runs import files

MAX_BYTES = 1 << 28  # of the most epochs that there can be, and as much again


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Write a table; a value of None is an empty cell. Raises RunError."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    files.write_text(path, text.getvalue())


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a table by column. Raises OSError, and ValueError where it is damaged."""
    columns, rows = _read(path)
    return [dict(zip(columns, row, strict=True)) for row in rows]


def read_numbers(path: Path) -> dict[str, list[float]]:
    """The columns of a table of epochs that are finite numbers throughout; empty where it cannot be read."""
    try:
        columns, rows = _read(path)
    except (OSError, ValueError):
        return {}
    table = {name: _numbers([row[index] for row in rows]) for index, name in enumerate(columns)}
    return {name: numbers for name, numbers in table.items() if numbers} if table.get("epoch") else {}


def count_epochs(path: Path) -> int:
    """How many epochs a table has; 0 where it cannot be read."""
    try:
        return len(_read(path)[1])
    except (OSError, ValueError):
        return 0


def _read(path: Path) -> tuple[list[str], list[list[str]]]:
    try:
        rows = [row for row in csv.reader(io.StringIO(files.read(path, MAX_BYTES).decode())) if row]
    except csv.Error as error:
        raise ValueError(f"{path.name}: {error}") from None
    columns, rows = (rows[0], rows[1:]) if rows else ([], [])
    if any(len(row) != len(columns) for row in rows):
        raise ValueError(f"{path.name}: its rows are not equally long")
    return columns, rows


def _numbers(cells: Sequence[str]) -> list[float]:
    """Empty if one is not a number."""
    try:
        numbers = [float(cell) for cell in cells]
    except ValueError:
        return []
    return numbers if all(map(math.isfinite, numbers)) else []
