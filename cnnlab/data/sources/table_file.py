"""The rows of a CSV, TSV or Parquet file, as text."""

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from cnnlab.errors import DataError
from cnnlab.messages import did_you_mean, join_names, pluralize

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
PARQUET = (".parquet", ".pq")
MAX_NAMED = 12  # columns in a message


@dataclass(frozen=True)
class Rows:
    """Some columns of a table, by name: a value for each row, without spaces around it, empty where it has none."""

    path: Path
    columns: dict[str, list[str]]
    numbers: Sequence[int]
    """The place of each row: its line in a text file, else its number from 1."""
    separator: str | None = None

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.numbers)

    def place(self, index: int) -> str:
        """Where a row is, such as `line 7`."""
        return f"{'row' if self.separator is None else 'line'} {self.numbers[index]:,}"


def column_names(path: Path) -> list[str]:
    """The columns of a table. Raises DataError where it cannot be read."""
    if path.suffix.lower() in PARQUET:
        with _parquet(path) as parquet:
            return list(parquet.read_schema(path).names)
    with _text(path) as lines:
        return lines.header


def read_rows(path: Path, wanted: Sequence[str], limit: int | None = None) -> Rows:
    """The columns `wanted`, of the first `limit` rows or of all.

    Raises DataError where the table cannot be read, lacks a column or has a row of another length.
    """
    if path.suffix.lower() in PARQUET:
        return _read_parquet(path, wanted, limit)
    with _text(path) as lines:
        places = [_place_of(path, name, lines.header) for name in wanted]
        columns: list[list[str]] = [[] for _ in wanted]
        numbers: list[int] = []
        for number, row in islice(lines, limit):
            numbers.append(number)
            for values, place in zip(columns, places, strict=True):
                values.append(row[place].strip())
        return Rows(path, dict(zip(wanted, columns, strict=True)), numbers, lines.separator)


def _place_of(path: Path, name: str, header: Sequence[str]) -> int:
    count = header.count(name)
    if count == 0:
        has = f"it has {join_names(header, MAX_NAMED)}"
        raise DataError(f"{path}: no column '{name}'; {has}; {did_you_mean(name, header)}")
    if count > 1:
        raise DataError(f"{path}: {count} columns are called '{name}'; expected one")
    return header.index(name)


class _Lines:
    """The rows of a text file after its header, each with the number of its line; empty lines are left out."""

    def __init__(self, path: Path, file: Iterator[str]) -> None:
        self._path = path
        self._above, first = 1, next(file, "")
        while first and not first.strip():
            self._above, first = self._above + 1, next(file, "")
        if not first:
            raise DataError(f"{path}: is empty; expected a first row with the names of columns")
        self.separator = max(SEPARATORS, key=first.count)
        if path.suffix.lower() in (".tsv", ".tab"):
            self.separator = "\t"
        self.header = [name.strip() for name in next(csv.reader([first], delimiter=self.separator))]
        while len(self.header) > 1 and not self.header[-1]:
            self.header.pop()  # separators at the end of lines
        self._reader = csv.reader(file, delimiter=self.separator, strict=True)

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        width = len(self.header)
        for row in self._reader:
            if not any(value.strip() for value in row):
                continue
            if len(row) < width or any(row[width:]):
                raise DataError(
                    f"{self._path}: line {self.number:,}: {pluralize(len(row), 'value')}, and the first row names "
                    f"{pluralize(width, 'column')}; put values that contain {SEPARATORS[self.separator]} in quotes"
                )
            yield self.number, row

    @property
    def number(self) -> int:
        """Of the line that was read last, from 1."""
        return self._reader.line_num + self._above


@contextmanager
def _text(path: Path) -> Iterator[_Lines]:
    """The rows of a text file. Raises DataError where it is not text in UTF-8, or its quotes are not closed."""
    lines: _Lines | None = None
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = _Lines(path, file)
            yield lines
    except UnicodeDecodeError:
        where = _first_undecodable(path)
        raise DataError(f"{path}: {where}: not UTF-8; save the table as `CSV UTF-8`") from None
    except csv.Error as error:
        where = f"line {lines.number:,}: " if lines else ""
        raise DataError(f"{path}: {where}{error}; is a quote missing?") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None


def _first_undecodable(path: Path) -> str:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                return f"line {number:,}, byte {error.start + 1:,} ({line[error.start]:#04x})"
    return "its end"


@contextmanager
def _parquet(path: Path) -> Iterator[Any]:
    """PyArrow's module. Raises DataError where it is not installed, or the file is damaged."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise DataError(
            f"{path}: reading Parquet needs pyarrow, which is not installed; `pip install 'cnnlab[parquet]'`, or save "
            "the table as CSV"
        ) from None
    try:
        yield parquet
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{path}: cannot be read as Parquet: {' '.join(str(error).split())}") from None


def _read_parquet(path: Path, wanted: Sequence[str], limit: int | None) -> Rows:
    with _parquet(path) as parquet:
        header = list(parquet.read_schema(path).names)
        for name in wanted:
            _place_of(path, name, header)
        table = parquet.read_table(path, columns=list(dict.fromkeys(wanted))).slice(0, limit)
        columns = {name: [_as_text(path, name, value) for value in table[name].to_pylist()] for name in wanted}
        return Rows(path, columns, range(1, table.num_rows + 1))


def _as_text(path: Path, name: str, value: Any) -> str:
    """A value as a CSV file would have it: integers that are floats only because others are missing as integers."""
    if value is None or value != value:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, str | int | float | bool):
        return str(value).strip()
    raise DataError(f"{path}: column '{name}' has values of the type {type(value).__name__}; expected text or numbers")
