"""Which folders are splits, which are classes, and which files are images, found before any is decoded."""

import hashlib
import json
import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cnnlab.data.dataset import Remark
from cnnlab.errors import DataError
from cnnlab.images.decode import SUFFIXES
from cnnlab.messages import join_names, pluralize

SPLIT_NAMES = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing"),
}
"""What folders of splits are called, in upper or lower case."""
EXPECTED = "splits are folders called train, validation and test"
NAMED = 3  # files of a kind in a note
MAX_NAMED = 8  # folders in an error
Order = Literal["numeric", "text"]
Places = dict[str, list[Path]]
"""The folders of each class, by its name in Unicode's NFC: two that look the same are one class."""


@dataclass(frozen=True)
class Listing:
    """The image files of a folder, in the order of their names within class within split.

    `splits` are the places of each split's files in the list; without any, it is a folder of nothing but classes.
    `state` is SHA-256 over names, sizes, times and inodes: equal where no file was changed, the last time at `newest`.
    """

    root: Path
    class_names: tuple[str, ...]
    files: tuple[str, ...]
    labels: NDArray[np.int32]
    splits: dict[str, slice]
    unread: dict[str, list[str]]
    """What lies among them and is not read, by the reason."""
    state: str
    newest: float

    def names(self) -> list[str]:
        """The files relative to the root."""
        skipped = len(os.path.join(self.root, ""))
        return [file[skipped:] for file in self.files]

    def remarks(self) -> Iterator[Remark]:
        """What is not read, counted and named."""
        for reason, paths in self.unread.items():
            named = join_names([os.path.relpath(path, self.root) for path in paths], NAMED)
            yield Remark("ignored", len(paths), f"not read: {reason} ({len(paths):,}: {named})")


def list_files(root: Path, num_classes: int, order: Order) -> Listing:
    """The files of the folder `root`. Raises DataError where it lacks classes, or a class has no images."""
    layout = _layout(root, num_classes)
    class_names = _sorted(layout.classes, order)
    lister = _Lister(class_names)
    lister.unread["folders beside the splits"] += map(str, layout.beside)
    if layout.splits:
        lister.note_loose_files(root)
    splits = {split: lister.add(split, place) for split, place in (layout.splits or {"": root}).items()}
    return lister.listing(root, splits if layout.splits else {})


@dataclass(frozen=True)
class _Layout:
    """How a folder is read: its splits, none where it has classes only; its classes; folders that are neither."""

    splits: dict[str, Path]
    classes: tuple[str, ...]
    beside: list[Path] = field(default_factory=list)


def _layout(root: Path, num_classes: int) -> _Layout:
    """Folders called as splits are may be classes too; how many classes there are to be decides."""
    folders = list(_subfolders(root))
    by_split: dict[str, list[Path]] = {split: [] for split in SPLIT_NAMES}
    for folder in folders:
        for split, spellings in SPLIT_NAMES.items():
            if folder.name.casefold() in spellings:
                by_split[split].append(folder)
    beside = [folder for folder in folders if not any(folder in found for found in by_split.values())]
    as_classes = _Layout({}, tuple(_by_name(folders)))
    as_splits = None
    if len(train := by_split["train"]) == 1:
        splits = {split: found[0] for split, found in by_split.items() if found}
        as_splits = _Layout(splits, tuple(_by_name(_subfolders(train[0]))), beside)
    possible = [as_splits, as_classes]
    if as_splits and as_splits.classes and (not beside or _hold_the_same(list(as_splits.splits.values()))):
        possible = [as_splits]  # whatever the number of classes
    fitting = [layout for layout in possible if layout and len(layout.classes) == num_classes]
    if not fitting:
        raise DataError(_misfit(root, as_splits, as_classes, by_split, num_classes))
    chosen = fitting[0]
    if len(fitting) == 2 and any(_has_images(folder) for folder in beside):
        raise DataError(
            f"{root}: {join_names(as_classes.classes, MAX_NAMED)} may be {num_classes} classes, and {train[0].name} "
            f"a split of {num_classes} classes; rename the one, or move {beside[0].name} away"
        )
    if chosen.splits and (several := next((found for found in by_split.values() if len(found) > 1), None)):
        names = " and ".join(folder.name for folder in several)
        raise DataError(f"{root}: {names} are the same split; expected one of them")
    if not chosen.splits and _hold_the_same(folders):
        inside = [folder.name for folder in _subfolders(folders[0])]
        if any(map(_is_like_a_split, [*as_classes.classes, *inside])):
            raise DataError(
                f"{root}: {join_names(as_classes.classes, MAX_NAMED)} each hold the folders "
                f"{join_names(inside, MAX_NAMED)}; {EXPECTED}, with the classes in each"
            )
    return chosen


def _hold_the_same(folders: Sequence[Path]) -> bool:
    """Whether several folders hold no images, but folders of the same names: as splits do."""
    inside = [frozenset(_by_name(_subfolders(folder))) for folder in folders]
    return len(folders) > 1 and len(set(inside)) == 1 and bool(inside[0]) and not any(map(_has_images, folders))


def _is_like_a_split(name: str) -> bool:
    """Such as `train_set` or `Test `."""
    word = name.strip().casefold().replace("-", "_").replace(" ", "_").split("_")[0]
    return any(word in spellings for spellings in SPLIT_NAMES.values())


def _misfit(
    root: Path, as_splits: _Layout | None, as_classes: _Layout, by_split: dict[str, list[Path]], num_classes: int
) -> str:
    """Why a folder cannot be read either way."""
    names = as_classes.classes
    if len(by_split["train"]) > 1:
        return f"{root}: {' and '.join(path.name for path in by_split['train'])} are the same split; expected one"
    if as_splits and as_splits.classes:
        place, names = as_splits.splits["train"], as_splits.classes
    elif names and not by_split["train"] and len(names) == sum(map(len, by_split.values())):
        return f"{root}: has {', '.join(names)}, but no train"
    else:
        place = root
    found = pluralize(len(names), "class folder") + (f" ({join_names(names, MAX_NAMED)})" if names else "")
    inside = f"; its only folder is {root / names[0]}: set path to that" if len(names) == 1 and place == root else ""
    return f"{place}: {found}, but data.num_classes is {num_classes}; {EXPECTED}{inside}"


def _sorted(names: Sequence[str], order: Order) -> tuple[str, ...]:
    """By number where all are numbers and `order` is numeric, else as text."""
    if order == "numeric" and all(name.isascii() and name.isdecimal() for name in names):
        return tuple(sorted(names, key=lambda name: (int(name), name)))
    return tuple(sorted(names))


class _Lister:
    """Collects the files of one split after another."""

    def __init__(self, class_names: tuple[str, ...]) -> None:
        self._class_names = class_names
        self._files: list[str] = []
        self._labels: list[int] = []
        self._newest = 0.0
        self._state = hashlib.sha256(json.dumps(class_names).encode())
        self.unread: dict[str, list[str]] = defaultdict(list)

    def add(self, split: str, place: Path) -> slice:
        """The files of a split, in the order of the classes. One for testing need not have every class."""
        folders = _by_name(_subfolders(place))
        unknown = {*folders} - {*self._class_names}
        if unknown:
            raise DataError(f"{folders[min(unknown)][0]}: a class that train does not have")
        self.note_loose_files(place)
        first = len(self._files)
        for label, name in enumerate(self._class_names):
            before = len(self._files)
            for folder in folders.get(name, []):
                self._add_class(
                    folder, label, {folder.resolve(), *folder.resolve().parents, *(folder / "x").absolute().parents}
                )
            if len(self._files) == before and split in ("", "train"):
                raise self._no_images(place / name)
        if len(self._files) == first:
            raise self._no_images(place)
        return slice(first, len(self._files))

    def _no_images(self, place: Path) -> DataError:
        """A folder without images, and what it has instead."""
        unread = [f"{reason} ({len(paths):,})" for reason, paths in self.unread.items() if paths]
        others = f"; not read: {', '.join(unread)}" if unread else ""
        return DataError(f"{place}: no images ({', '.join(sorted(SUFFIXES))}) in it{others}")

    def note_loose_files(self, place: Path) -> None:
        """Files beside folders of classes or splits belong to none."""
        with _scan(place) as entries:
            for entry in entries:
                if _is_hidden(entry.name):
                    self._note_hidden(entry)
                elif not entry.is_dir() and _is_image(entry.name):
                    self.unread["images in no class folder"].append(entry.path)

    def _note_hidden(self, entry: "os.DirEntry[str]") -> None:
        if entry.is_dir() or _is_image(entry.name):
            self.unread["hidden files or folders"].append(entry.path)

    def _add_class(self, place: Path, label: int, above: set[Path]) -> None:
        """The images in a folder and in those within it, by name; `above` are the folders that it is in."""
        with _scan(place) as entries:
            for entry in entries:
                if _is_hidden(entry.name):
                    self._note_hidden(entry)
                elif entry.is_dir():
                    if (inside := Path(entry.path).resolve()) in above:
                        self.unread["links to folders above"].append(entry.path)
                    else:
                        self._add_class(Path(entry.path), label, above | {inside})
                elif not _is_image(entry.name):
                    self.unread["files that are no images by their names"].append(entry.path)
                else:
                    self._add_file(entry, label)

    def _add_file(self, entry: "os.DirEntry[str]", label: int) -> None:
        status = entry.stat(follow_symlinks=entry.is_file())  # a link to nothing is reported when it is decoded
        self._files.append(entry.path)
        self._labels.append(label)
        self._newest = max(self._newest, status.st_mtime, status.st_ctime)
        # Size and time of change can be set to anything; the time of the inode's change cannot.
        identity = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_dev, status.st_ino)
        self._state.update(f"{entry.path}\0{identity}\n".encode(errors="replace"))

    def listing(self, root: Path, splits: dict[str, slice]) -> Listing:
        """All of it."""
        labels = np.array(self._labels, np.int32)
        unread = {reason: paths for reason, paths in self.unread.items() if paths}
        state = self._state.hexdigest()
        return Listing(root, self._class_names, tuple(self._files), labels, splits, unread, state, self._newest)


class _scan:
    """The entries of a folder by name. Raises DataError where it, or what is done with an entry, cannot be read."""

    def __init__(self, place: Path) -> None:
        self._place = place

    def __enter__(self) -> "list[os.DirEntry[str]]":
        try:
            with os.scandir(self._place) as entries:
                return sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            raise self._error(error) from None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise self._error(error) from None

    def _error(self, error: OSError) -> DataError:
        return DataError(f"{error.filename or self._place}: cannot be read: {error.strerror}")


def _subfolders(folder: Path) -> Iterator[Path]:
    """The folders in `folder` by name, hidden ones left out."""
    with _scan(folder) as entries:
        yield from [Path(entry.path) for entry in entries if entry.is_dir() and not _is_hidden(entry.name)]


def _by_name(folders: Iterator[Path] | Sequence[Path]) -> Places:
    """Folders by their names, which are the same where they differ in nothing but Unicode's normalisation."""
    places: Places = defaultdict(list)
    for folder in folders:
        places[unicodedata.normalize("NFC", folder.name)].append(folder)
    return dict(places)


def _has_images(folder: Path) -> bool:
    with _scan(folder) as entries:
        return any(entry.is_file() and _is_image(entry.name) for entry in entries)


def _is_hidden(name: str) -> bool:
    """Also what archives made on a Mac hold beside the files."""
    return name.startswith(".") or name == "__MACOSX"


def _is_image(name: str) -> bool:
    """By its suffix, as everywhere."""
    return os.path.splitext(name)[1].lower() in SUFFIXES
