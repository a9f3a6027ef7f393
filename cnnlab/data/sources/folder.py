"""The image files of a folder, with one folder per class, with or without folders of splits above them."""

import os
from collections import defaultdict
from pathlib import Path

import numpy as np

from cnnlab.data.locate import find
from cnnlab.data.sources.layout import find_layout
from cnnlab.data.sources.listing import FileStates, Listing, Order, sorted_classes
from cnnlab.data.sources.scan import (
    PHOTOGRAPHS,
    VIDEOS,
    by_name,
    is_hidden,
    is_image,
    is_system_file,
    reason_unread,
    scan,
    subfolders,
)
from cnnlab.errors import DataError
from cnnlab.experiment.data import Folder
from cnnlab.images.decode import SUFFIXES


def listing_of(data: Folder) -> Listing:
    """The folder's files. Raises DataError where it lacks classes, or a class has no images."""
    root = find(data.path, data.dir, "folder")
    if not root.is_dir():
        raise DataError(f"{root}: is a file; expected a folder of images")
    return list_files(Path(root), data.num_classes, data.class_order)


def list_files(root: Path, num_classes: int | None, order: Order = "numeric") -> Listing:
    """The files of the folder `root`, whose layout decides where `num_classes` is None.

    Raises DataError where it lacks classes, or a class has no images.
    """
    layout = find_layout(root, num_classes)
    class_names = sorted_classes(layout.classes, order)
    lister = _Lister(class_names)
    lister.unread["folders beside the splits"] += map(str, layout.beside)
    if layout.splits:
        lister.note_loose_files(root)
    splits = {split: lister.add(split, place) for split, place in (layout.splits or {"": root}).items()}
    return lister.listing(root, splits if layout.splits else {})


class _Lister:
    """Collects the files of one split after another."""

    def __init__(self, class_names: tuple[str, ...]) -> None:
        self._class_names = class_names
        self._files: list[str] = []
        self._labels: list[int] = []
        self._states = FileStates(class_names)
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
                elif not entry.is_dir():
                    self._note_loose(entry)

    def _note_loose(self, entry: "os.DirEntry[str]") -> None:
        if is_image(entry.name):
            self.unread["images in no class folder"].append(entry.path)
        elif os.path.splitext(entry.name)[1].lower() in PHOTOGRAPHS | VIDEOS:
            self.unread[reason_unread(entry.name)].append(entry.path)

    def _note_hidden(self, entry: "os.DirEntry[str]") -> None:
        if is_system_file(entry.name):
            self.unread[reason_unread(entry.name)].append(entry.path)
        elif entry.is_dir() or is_image(entry.name):
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
                    self.unread[reason_unread(entry.name)].append(entry.path)
                else:
                    self._add_file(entry, label)

    def _add_file(self, entry: "os.DirEntry[str]", label: int) -> None:
        self._files.append(entry.path)
        self._labels.append(label)
        # A link to nothing is reported when it is decoded.
        self._states.add(entry.path, entry.stat(follow_symlinks=entry.is_file()))

    def listing(self, root: Path, splits: dict[str, slice]) -> Listing:
        """All of it."""
        skipped = len(os.path.join(root, ""))
        return Listing(
            root,
            self._class_names,
            tuple(self._files),
            tuple(file[skipped:] for file in self._files),
            np.array(self._labels, np.int32),
            splits,
            {reason: [os.path.relpath(path, root) for path in paths] for reason, paths in self.unread.items() if paths},
            self._states.state(),
            self._states.newest,
        )
