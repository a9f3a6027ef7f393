"""A folder of pictures, a folder a class: decoded once into a file of pixels, and read from there."""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnnlab.data.dataset import Examples, Source
from cnnlab.data.decoded import DecodedPictures
from cnnlab.data.locate import find
from cnnlab.data.sources import own
from cnnlab.errors import DataError
from cnnlab.experiment.data import Folder
from cnnlab.pictures import SUFFIXES, Size
from cnnlab.terminal import warn

SPLITS = {"train": ("train",), "validation": ("validation", "val", "valid"), "test": ("test",)}


@dataclass(frozen=True)
class Listing:
    """The picture files of a folder, in the order of their names within class within split.

    `splits` are the places of each split's files in the list; without any, it is a folder of nothing but classes.
    """

    root: Path
    class_names: tuple[str, ...]
    files: tuple[str, ...]
    labels: NDArray[np.int32]
    splits: dict[str, slice]
    ignored: tuple[str, ...]
    """What lies among them and is no picture by its name, or in no class."""
    state: str
    """SHA-256 over names, sizes and times: equal where nothing was changed."""


def load(data: Folder) -> Source:
    """Images (n, *image_shape) uint8 in [0, 255], on disk; labels (n,) int32, the place of the class among the sorted.

    Raises DataError naming the file or folder that cannot be used.
    """
    listing = list_files(data)
    examples = Examples(_pictures(data, listing).images(), listing.labels, np.array(listing.files, np.object_))
    if not listing.splits:
        return own.source(data, examples, None, listing.class_names)
    parts = {name: examples.take(where) for name, where in listing.splits.items()}
    return own.source(data, parts["train"], parts.get("test"), listing.class_names, parts.get("validation"))


def list_files(data: Folder) -> Listing:
    """The folder's files. Raises DataError where it lacks classes, or a class has no pictures."""
    root = find(data.path, data.dir, "folder")
    if not root.is_dir():
        raise DataError(f"{root}: is a file; expected a folder of pictures")
    inside = {path.name for path in _subfolders(root)}
    places = {split: next((root / name for name in names if name in inside), None) for split, names in SPLITS.items()}
    roots = {split: place for split, place in places.items() if place is not None}
    if "train" not in roots and (inside - {path.name for path in roots.values()} or not roots):
        roots = {}  # classes, one of which may be called `test`
    elif "train" not in roots:
        raise DataError(f"{root}: has {', '.join(sorted(path.name for path in roots.values()))}, but no train")
    class_names = tuple(path.name for path in _subfolders(roots.get("train", root)))
    if len(class_names) != data.num_classes:
        named = f" ({', '.join(class_names[:8])}{', …' if len(class_names) > 8 else ''})" if class_names else ""
        raise DataError(
            f"{roots.get('train', root)}: {len(class_names)} class folders{named}, but data.num_classes is "
            f"{data.num_classes}; splits are folders called train, validation and test"
        )
    lister = _Lister(root, class_names)
    splits = {split: lister.add(place) for split, place in (roots or {"": root}).items()}
    left_out = sorted(inside - {path.name for path in roots.values()}) if roots else []
    if left_out:
        warn(f"{root}: {', '.join(left_out)} left out: splits are folders called train, validation and test")
        lister.ignored.extend(str(root / name) for name in left_out)
    return lister.listing(splits if roots else {})


class _Lister:
    """Collects the files of one split after another."""

    def __init__(self, root: Path, class_names: tuple[str, ...]) -> None:
        self._root, self._class_names = root, class_names
        self._files: list[str] = []
        self._labels: list[int] = []
        self.ignored: list[str] = []
        self._state = hashlib.sha256(json.dumps(class_names).encode())

    def add(self, place: Path) -> slice:
        unknown = {path.name for path in _subfolders(place)} - {*self._class_names}
        if unknown:
            raise DataError(f"{place / min(unknown)}: a class that train does not have")
        first = len(self._files)
        for label, name in enumerate(self._class_names):
            before = len(self._files)
            if not (place / name).is_dir():
                raise DataError(f"{place / name}: no such folder, though it is a class of train")
            self._add_class(place / name, label)
            if len(self._files) == before:
                raise DataError(f"{place / name}: no pictures ({', '.join(sorted(SUFFIXES))}) in it")
        return slice(first, len(self._files))

    def _add_class(self, place: Path, label: int) -> None:
        try:
            with os.scandir(place) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
            for entry in found:
                if entry.name.startswith("."):
                    continue
                if entry.name[entry.name.rfind(".") :].lower() not in SUFFIXES:
                    self.ignored.append(entry.path)
                    continue
                if not entry.is_file():
                    raise DataError(f"{entry.path}: not a file")
                status = entry.stat()
                self._files.append(entry.path)
                self._labels.append(label)
                self._state.update(f"{entry.path}\0{status.st_size}\0{status.st_mtime_ns}\n".encode(errors="replace"))
        except OSError as error:
            raise DataError(f"{error.filename or place}: cannot be read: {error.strerror}") from None

    def listing(self, splits: dict[str, slice]) -> Listing:
        labels = np.array(self._labels, np.int32)
        state = self._state.hexdigest()
        return Listing(self._root, self._class_names, tuple(self._files), labels, splits, tuple(self.ignored), state)


def faults(data: Folder) -> tuple[list[tuple[str, str]], Listing]:
    """Every file that cannot be decoded, and why, and what was looked at; all are decoded anew."""
    listing = list_files(data)
    return _pictures(data, listing).faults(), listing


def _pictures(data: Folder, listing: Listing) -> DecodedPictures:
    size = Size(*data.image_size, data.channels, data.fit)
    return DecodedPictures(listing.root, listing.files, listing.state, size)


def _subfolders(folder: Path) -> Iterator[Path]:
    """The folders in `folder` by name, hidden ones left out."""
    try:
        yield from sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError as error:
        raise DataError(f"{folder}: cannot be read: {error.strerror}") from None
