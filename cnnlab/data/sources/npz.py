"""NumPy archives: read as numbers only, never as pickled objects."""

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnlab.data.dataset import Examples, Source
from cnnlab.data.locate import find
from cnnlab.data.sources import checks, own
from cnnlab.errors import DataError
from cnnlab.experiment.data import Npz

Pair = tuple[tuple[str, str], tuple[NDArray[Any], NDArray[Any]]]
"""The names of images and labels, and their arrays."""
MAX_BYTES = 2**34  # of one array
PARTS = {"train": ("train",), "validation": ("val", "validation"), "test": ("test",)}


def load(data: Npz) -> Source:
    """Images (n, *image_shape) uint8 in [0, 255]; labels (n,) int32. Raises DataError naming file and array."""
    path = find(data.file, data.dir, "npz")
    with _Archive(path) as archive:
        pairs = [archive.pair(PARTS[part]) for part in ("train", "validation", "test")]
    scale = _scale([(f"{path}: {pair[0][0]}", pair[1][0]) for pair in pairs if pair])
    train, validation, test = (_examples(path, data, pair, scale) for pair in pairs)
    if train is None:
        raise DataError(f"{path}: has no x_train and y_train (or train_images and train_labels)")
    return own.source(data, train, test, checks.numbered(data.num_classes), validation)


def arrays(path: Path) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """The arrays x_train, y_train, x_test and y_test. Raises DataError where one is missing."""
    with _Archive(path) as archive:
        found = [archive.pair(names) for names in (PARTS["train"], PARTS["test"])]
    pairs = [pair for pair in found if pair is not None]
    if len(pairs) != len(found):
        raise DataError(f"{path}: expected the arrays x_train, y_train, x_test and y_test")
    return (*pairs[0][1], *pairs[1][1])


def _examples(path: Path, data: Npz, pair: Pair | None, scale: int) -> Examples | None:
    if pair is None:
        return None
    (images_name, labels_name), (images, labels) = pair
    if np.issubdtype(images.dtype, np.floating):
        images = np.rint(images * scale)
    images = images.astype(np.uint8, copy=False)
    where = f"{path}: {images_name}", f"{path}: {labels_name}"
    return checks.examples(images, labels, data.image_shape, data.num_classes, where)


def _scale(images: Sequence[tuple[str, NDArray[Any]]]) -> int:
    """What the floats among an archive's pictures are multiplied with: 255 where they are fractions, else 1.

    Decided for all parts together, since one alone may be dark. Raises DataError where a value is out of range.
    """
    for where, array in images:
        _check_range(where, array)
    floats = [array for _, array in images if np.issubdtype(array.dtype, np.floating) and array.size]
    return 255 if all(array.max() <= 1 for array in floats) else 1


def _check_range(where: str, images: NDArray[Any]) -> None:
    if images.ndim not in (3, 4):
        raise DataError(f"{where}: {images.ndim} dimensions; expected pictures, 3 or 4")
    if images.dtype == np.uint8 or not images.size:
        return
    if not np.issubdtype(images.dtype, np.number) or np.issubdtype(images.dtype, np.complexfloating):
        raise DataError(f"{where}: {images.dtype}; expected uint8, or floats in [0, 1]")
    if not np.isfinite(images).all():
        count = int(images.size - np.isfinite(images).sum())
        raise DataError(f"{where}: {count:,} values are NaN or infinite; expected numbers in [0, 1] or [0, 255]")
    low, high = images.min(), images.max()
    if low < 0 or high > 255:
        raise DataError(f"{where}: values from {low:g} to {high:g}; expected [0, 1] or [0, 255]")


class _Archive:
    """The arrays of an .npz, each checked before it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            if not path.is_file():
                raise DataError(f"{path}: not a file")
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, EOFError, ValueError, RuntimeError) as error:
            raise DataError(f"{path}: truncated, damaged or no NumPy archive ({error})") from None
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
        self._members = {member.filename.removesuffix(".npy"): member for member in self._zip.infolist()}

    def __enter__(self) -> "_Archive":
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def pair(self, parts: tuple[str, ...]) -> Pair | None:
        """A part, under the first of the names `parts` that it has; None where there is none."""
        for part in parts:
            for names in ((f"x_{part}", f"y_{part}"), (f"{part}_images", f"{part}_labels")):
                present = [name in self._members for name in names]
                if all(present):
                    return names, (self._array(names[0]), self._array(names[1]))
                if any(present):
                    missing = names[present.index(False)]
                    raise DataError(f"{self.path}: has {names[present.index(True)]}, but no {missing}")
        return None

    def _array(self, name: str) -> NDArray[Any]:
        member = self._members[name]
        if member.file_size > MAX_BYTES:
            raise DataError(f"{self.path}: {name}: {member.file_size:,} bytes; expected at most {MAX_BYTES:,}")
        try:
            with self._zip.open(member) as file:
                shape, kind = self._header(file)
            expected = int(np.prod([int(side) for side in shape], dtype=object)) * kind.itemsize
            if not kind.hasobject and expected > member.file_size:
                raise DataError(
                    f"{self.path}: {name}: its header promises {expected:,} bytes, it has {member.file_size:,}"
                )
            with self._zip.open(member) as file:
                array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
        except MemoryError:
            raise DataError(f"{self.path}: {name}: {member.file_size:,} bytes, more than there is memory for") from None
        except Exception as error:  # whatever a damaged file leads NumPy and zipfile to
            reason = str(error)
            if "allow_pickle" in reason:
                reason = "holds pickled objects, which could run code and are never loaded; save it as numbers"
            raise DataError(f"{self.path}: {name}: {' '.join(reason.split())}") from None
        return array

    def _header(self, file: Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, kind = read(file)
        return shape, kind
