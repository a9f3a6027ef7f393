"""The image files of a folder, with their splits and classes, found before any is decoded."""

import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cnnlab.data.dataset import Remark
from cnnlab.data.sources.layout import find_layout
from cnnlab.data.sources.scan import by_name, is_hidden, is_image, scan, subfolders
from cnnlab.errors import DataError
from cnnlab.images.decode import SUFFIXES
from cnnlab.messages import join_names

NAMED = 3  # files of a kind in a note
Order = Literal["numeric", "text"]


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
    """Entries among them that are not read, by reason."""
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
    layout = find_layout(root, num_classes)
    class_names = _sorted(layout.classes, order)
    lister = _Lister(class_names)
    lister.unread["folders beside the splits"] += map(str, layout.beside)
    if layout.splits:
        lister.note_loose_files(root)
    splits = {split: lister.add(split, place) for split, place in (layout.splits or {"": root}).items()}
    return lister.listing(root, splits if layout.splits else {})


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
        folders = by_name(subfolders(place))
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
        with scan(place) as entries:
            for entry in entries:
                if is_hidden(entry.name):
                    self._note_hidden(entry)
                elif not entry.is_dir() and is_image(entry.name):
                    self.unread["images in no class folder"].append(entry.path)

    def _note_hidden(self, entry: "os.DirEntry[str]") -> None:
        if entry.is_dir() or is_image(entry.name):
            self.unread["hidden files or folders"].append(entry.path)

    def _add_class(self, place: Path, label: int, above: set[Path]) -> None:
        """The images in a folder and in those within it, by name; `above` are the folders that it is in."""
        with scan(place) as entries:
            for entry in entries:
                if is_hidden(entry.name):
                    self._note_hidden(entry)
                elif entry.is_dir():
                    if (inside := Path(entry.path).resolve()) in above:
                        self.unread["links to folders above"].append(entry.path)
                    else:
                        self._add_class(Path(entry.path), label, above | {inside})
                elif not is_image(entry.name):
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
