"""The image files that a table lists, with their classes and splits."""

import os
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cnnlab.data.locate import find
from cnnlab.data.sources.layout import SPLIT_NAMES, split_of
from cnnlab.data.sources.listing import FileStates, Listing, Order, sorted_classes
from cnnlab.data.sources.table_file import Rows, read_rows
from cnnlab.errors import DataError
from cnnlab.experiment.data import Table
from cnnlab.experiment.data.group import ByColumn
from cnnlab.messages import join_names, pluralize
from cnnlab.terminal import image_progress

MAX_NAMED = 8  # classes in a message
NAMED = 3  # rows in a message
ORDER = {split: place for place, split in enumerate(SPLIT_NAMES)}
PER_STEP = 1000  # files between two steps of the progress bar


@dataclass(frozen=True)
class Reading:
    """The columns of a table, and how it is read; `num_classes` is None where any number of classes is right."""

    image: str
    label: str
    split: str | None = None
    group: str | None = None
    num_classes: int | None = None
    class_order: Order = "numeric"
    on_error: Literal["fail", "skip"] = "fail"

    @property
    def columns(self) -> list[str]:
        """Those that are read, each once."""
        return list(dict.fromkeys(filter(None, [self.image, self.label, self.split, self.group])))


def listing_of(data: Table) -> Listing:
    """The table's files. Raises DataError where a row lacks its file or its class, or contradicts another."""
    path = Path(find(data.file, data.dir, "table")).absolute()
    if not path.is_file():
        raise DataError(f"{path}: is a folder; expected a table such as labels.csv")
    group = data.group.name if isinstance(data.group, ByColumn) else None
    reading = Reading(data.image, data.label, data.split, group, data.num_classes, data.class_order, data.on_error)
    return list_rows(path, reading)


def list_rows(path: Path, reading: Reading) -> Listing:
    """The files of the table at an absolute path. Raises DataError as `listing_of` does."""
    rows = read_rows(path, reading.columns)
    if not len(rows):
        raise DataError(f"{path}: has no rows below its first, which names the columns")
    return _Selection(reading, rows).listing()


class _Selection:
    """The rows of a table that are used, and their files."""

    def __init__(self, reading: Reading, rows: Rows) -> None:
        self._data, self._rows, self._path = reading, rows, rows.path
        self._labels = [unicodedata.normalize("NFC", label) for label in rows.columns[reading.label]]
        for name in reading.columns:
            self._refuse(f"no value in the column '{name}'", (not value for value in rows.columns[name]))
        self._notes: list[str] = []
        self._unread: dict[str, list[str]] = defaultdict(list)
        self._splits = self._read_splits()
        self._files = self._find_files(rows.columns[reading.image])

    def listing(self) -> Listing:
        """The rows by split, in their order."""
        chosen = self._without_duplicates()
        class_names = self._class_names(chosen)
        number = {name: label for label, name in enumerate(class_names)}
        splits, first = {}, 0
        if self._splits:
            counts = Counter(self._splits[row] for row in chosen)
            chosen.sort(key=lambda row: ORDER[self._splits[row]])
            for split in filter(counts.__contains__, ORDER):
                splits[split] = slice(first, first + counts[split])
                first += counts[split]
        states = self._states(chosen)
        return Listing(
            self._path,
            class_names,
            tuple(self._files[row] for row in chosen),
            tuple(self._written(row) for row in chosen),
            np.array([number[self._labels[row]] for row in chosen], np.int32),
            splits,
            dict(self._unread),
            states.state(),
            states.newest,
            {name: _taken(values, chosen) for name, values in self._rows.columns.items()},
            tuple(self._notes),
        )

    def _read_splits(self) -> list[str]:
        """The split of each row; nothing without a column of splits."""
        if not self._data.split:
            return []
        written = self._rows.columns[self._data.split]
        meaning = {word: split_of(word) for word in {*written}}
        self._refuse(
            f"other values in the column '{self._data.split}' than {join_names(SPLIT_NAMES)}",
            (meaning[word] is None for word in written),
            lambda row: f"'{written[row]}'",
        )
        splits = [meaning[word] or "" for word in written]
        if "train" not in splits:
            raise DataError(f"{self._path}: no row whose '{self._data.split}' is train")
        return splits

    def _find_files(self, written: list[str]) -> list[str]:
        """The path of each row's file, relative paths beginning at the table's folder."""
        base = str(self._path.parent)
        backslashes = os.sep == "/" and any("\\" in name for name in written)
        if backslashes and not os.path.exists(os.path.join(base, next(name for name in written if "\\" in name))):
            self._notes.append("paths with backslashes, read as slashes")
            written = [name.replace("\\", "/") for name in written]
        if absolute := sum(map(os.path.isabs, written)):
            self._notes.append(f"{pluralize(absolute, 'absolute path')}, which exist on this machine only")
        return [os.path.normpath(os.path.join(base, os.path.expanduser(name))) for name in written]

    def _without_duplicates(self) -> list[int]:
        """The rows, each file once. Raises DataError where two rows of a file contradict one another."""
        first: dict[str, int] = {}
        chosen, contradicting = [], []
        for row, file in enumerate(self._files):
            before = first.setdefault(file, row)
            if before == row:
                chosen.append(row)
            elif different := self._difference(before, row):
                contradicting.append((row, different))
            else:
                repeated = f"{self._written(row)} in {self._rows.place(row)}"
                self._unread["rows that repeat an earlier one"].append(repeated)
        if contradicting:
            row, different = contradicting[0]
            raise DataError(
                f"{self._path}: {pluralize(len(contradicting), 'row')} with another value for the same image, such as "
                f"{self._written(row)}, whose {different}; expected one row per image"
            )
        return chosen

    def _difference(self, row: int, other: int) -> str:
        """How two rows of one file contradict one another; empty where they do not."""
        for what, values in (("class", self._labels), ("split", self._splits)):
            if values and values[row] != values[other]:
                places = self._rows.place(row), self._rows.place(other)
                return f"{what} is {values[row]} in {places[0]} and {values[other]} in {places[1]}"
        return ""

    def _written(self, row: int) -> str:
        """The image as the table writes it."""
        return self._rows.columns[self._data.image][row]

    def _class_names(self, chosen: list[int]) -> tuple[str, ...]:
        """The classes of the training rows, in their order. Raises DataError where they are not as many as expected."""
        seen = {self._labels[row] for row in chosen if not self._splits or self._splits[row] == "train"}
        names = sorted_classes(sorted(seen), self._data.class_order)
        if self._data.num_classes not in (None, len(names)):
            raise DataError(
                f"{self._path}: {pluralize(len(names), 'different label')} in the column '{self._data.label}' "
                f"({join_names(names, MAX_NAMED)}), but data.num_classes is {self._data.num_classes}"
            )
        unknown = (label not in seen for label in self._labels)
        self._refuse("a class that train does not have", unknown, self._labels.__getitem__)
        alike = [names for names in _by(str.casefold, names).values() if len(names) > 1]
        if alike:
            self._notes.append(f"{' and '.join(alike[0])} are two classes, which differ in upper and lower case only")
        return names

    def _states(self, chosen: list[int]) -> FileStates:
        """What identifies the files. Raises DataError where some do not exist, unless they are to be skipped."""
        states, missing = FileStates(), []
        with image_progress() as progress:
            task = progress.add_task(f"listing {self._path.name}", total=len(chosen))
            for count, row in enumerate(chosen):
                try:
                    status = os.stat(self._files[row])
                except (OSError, ValueError):
                    status = None
                    missing.append(row)
                states.add(self._files[row], status)
                if count % PER_STEP == 0:
                    progress.update(task, completed=count)
            progress.update(task, completed=len(chosen))
        if missing and (self._data.on_error == "fail" or len(missing) == len(chosen)):
            named = join_names([f"{self._files[row]} ({self._rows.place(row)})" for row in missing], NAMED)
            advice = "" if len(missing) == len(chosen) else "; --set data.on_error=skip leaves such rows out"
            raise DataError(
                f"{self._path}: {len(missing):,} of {pluralize(len(chosen), 'file')} cannot be found: {named}; paths "
                f"are relative to the folder of the table{advice}"
            )
        return states

    def _refuse(self, what: str, faults: Iterable[bool], shown: Callable[[int], str] | None = None) -> None:
        """Raise DataError naming the rows that have a fault, if any."""
        rows = [row for row, is_fault in enumerate(faults) if is_fault]
        if rows:
            places = [self._rows.place(row) + (f": {shown(row)}" if shown else "") for row in rows]
            raise DataError(f"{self._path}: {pluralize(len(rows), 'row')} with {what} ({join_names(places, NAMED)})")


def _taken(values: list[str], rows: list[int]) -> NDArray[np.object_]:
    return np.array([values[row] for row in rows], np.object_)


def _by(key: Callable[[str], str], names: Iterable[str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for name in names:
        groups[key(name)].append(name)
    return groups
