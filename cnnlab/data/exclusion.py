"""Examples that are left out, as a CSV file lists them."""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnnlab.data.dataset import Examples, Source
from cnnlab.errors import DataError
from cnnlab.messages import join_names, shorten

SPLITS = ("train", "validation", "test")
COLUMNS = ("split", "index", "file", "label", "sha256")
"""What identifies an example: its place in the split as it was read, from 0, or its file; and what it is checked by,
the name of its class and the SHA-256 of its pixels.
"""


@dataclass(frozen=True)
class _Row:
    """A line of the file; empty cells are None."""

    line: int
    split: str
    index: int | None
    file: str | None
    label: str | None
    sha256: str | None


def numbered(source: Source) -> Source:
    """The source, whose examples know their places in their splits."""
    return _with_parts(source, {name: _numbered(part) for name, part in _parts(source).items()})


def rows_of(split: str, examples: Examples, class_names: tuple[str, ...]) -> list[dict[str, object]]:
    """The columns that identify each of these examples, which have `indices`."""
    indices = np.arange(len(examples)) if examples.indices is None else examples.indices
    return [
        {
            "split": split,
            "index": int(index),
            "file": None if examples.files is None else str(examples.files[number]),
            "label": class_names[examples.labels[number]],
            "sha256": digest.tobytes().hex(),
        }
        for number, (index, digest) in enumerate(zip(indices, examples.digests, strict=True))
    ]


def without_excluded(source: Source, path: Path) -> Source:
    """The source without the examples that the file lists.

    Raises DataError where the file cannot be read, or lists examples that are not those of this source: other data.
    """
    rows, parts = _read(path), _parts(source)
    remaining: dict[str, Examples] = {}
    counts = []
    for split, examples in parts.items():
        of_split = [row for row in rows if row.split == split]
        if not of_split:
            continue
        excluded = _found(path, of_split, split, examples, source.class_names)
        kept = np.ones(len(examples), bool)
        kept[excluded] = False
        if not kept.any():
            raise DataError(f"data.exclude: {path}: lists all {len(examples):,} {split} examples; none would be left")
        remaining[split] = examples.take(np.flatnonzero(kept))
        counts.append(f"{len(examples) - kept.sum():,} of {len(examples):,} {split} examples")
    if missing := {row.split for row in rows} - {*parts}:
        raise DataError(f"data.exclude: {path}: lists {join_names(sorted(missing))} examples, and the data have none")
    notes = (
        *source.origin.notes,
        f"data.exclude: {join_names(counts) or 'no examples'} are left out, listed in {path}",
    )
    origin = replace(source.origin, notes=notes)
    return replace(_with_parts(source, {**parts, **remaining}), origin=origin)


def _parts(source: Source) -> Mapping[str, Examples]:
    parts = {"train": source.train, "validation": source.validation, "test": source.test}
    return {name: part for name, part in parts.items() if part is not None}


def _with_parts(source: Source, parts: Mapping[str, Examples]) -> Source:
    return replace(source, train=parts["train"], validation=parts.get("validation"), test=parts["test"])


def _numbered(examples: Examples) -> Examples:
    return replace(examples, indices=np.arange(len(examples)))


def _read(path: Path) -> list[_Row]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            table = csv.DictReader(file, strict=True)
            columns = table.fieldnames or ()
            if "split" not in columns or not {"index", "file"} & {*columns}:
                raise DataError(
                    f"data.exclude: {path}: has the columns {join_names(columns) or 'of an empty file'}; expected "
                    "split, and index or file"
                )
            return list(_rows(path, table))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"data.exclude: {path}: cannot be read: {error}") from None


def _rows(path: Path, table: "csv.DictReader[str]") -> Iterator[_Row]:
    for cells in table:
        split, index, file, label, sha256 = (cells.get(column) or None for column in COLUMNS)
        place = f"data.exclude: {path}:{table.line_num}"
        if split not in SPLITS:
            raise DataError(f"{place}: split: expected {join_names(SPLITS, conjunction='or')}, got {shorten(split)}")
        if index is not None and not (index.isascii() and index.isdecimal() and len(index) < 12):
            raise DataError(f"{place}: index: expected a number from 0, got {shorten(index)}")
        if file is None and (index is None or sha256 is None):
            raise DataError(
                f"{place}: expected a file, or an index and the sha256 of the pixels, by which an example is recognized"
            )
        yield _Row(table.line_num, split, None if index is None else int(index), file, label, sha256)


def _found(
    path: Path, rows: list[_Row], split: str, examples: Examples, class_names: tuple[str, ...]
) -> NDArray[np.intp]:
    """The places of the examples that the rows list, (rows,)."""
    by_file = {} if examples.files is None else {str(file): index for index, file in enumerate(examples.files)}
    places = np.empty(len(rows), np.intp)
    for number, row in enumerate(rows):
        place = f"data.exclude: {path}:{row.line}"
        index = row.index if row.file is None or examples.files is None else by_file.get(row.file)
        if index is None:
            raise DataError(f"{place}: {row.file}: no such file among the {split} examples; the list is of other data")
        if index >= len(examples):
            raise DataError(
                f"{place}: {split} example {index:,} of {len(examples):,}, counted from 0; the list is of other data"
            )
        label = class_names[examples.labels[index]]
        if row.label is not None and row.label != label:
            raise DataError(f"{place}: {split} example {index:,} is of class {label}, not {row.label}: other data")
        places[number] = index
    _check_pixels(path, rows, places, split, examples)
    return places


def _check_pixels(path: Path, rows: list[_Row], places: NDArray[np.intp], split: str, examples: Examples) -> None:
    order = np.unique(places)  # images on disk are read in their order
    digests = dict(zip(order.tolist(), examples.take(order).digests, strict=True))
    for row, place in zip(rows, places.tolist(), strict=True):
        if row.sha256 is not None and row.sha256.lower() != digests[place].tobytes().hex():
            advice = "" if row.file is None else "; without the column sha256 files are recognized by their names alone"
            raise DataError(
                f"data.exclude: {path}:{row.line}: {split} example {place:,} has other pixels: the list is of other "
                f"data, or of images of another size{advice}"
            )
