"""NumPy archives: read as numbers only, never as pickled objects."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnlab.data.dataset import Remark, Source
from cnnlab.data.locate import find
from cnnlab.data.sources import user_arrays
from cnnlab.errors import DataError
from cnnlab.experiment.data import Npz
from cnnlab.messages import join_names

Pair = tuple[tuple[str, str], tuple[NDArray[Any], NDArray[Any]]]
"""The names of images and labels, and their arrays."""
MAX_BYTES = 2**34  # of one array
MAX_NAMED = 8  # arrays in a note
PARTS = {"train": ("train",), "validation": ("val", "validation", "valid"), "test": ("test",)}


def load(data: Npz) -> Source:
    """Images (n, *image_shape) uint8 in [0, 255]; labels (n,) int32. Raises DataError naming file and array."""
    path = find(data.file, data.dir, "npz")
    with _Archive(path) as archive:
        pairs = {part: archive.pair(names) for part, names in PARTS.items()}
    splits = {
        part: user_arrays.Arrays(f"{path}: {names[0]}", arrays[0], f"{path}: {names[1]}", arrays[1])
        for part, pair in pairs.items()
        if pair
        for names, arrays in [pair]
    }
    if "train" not in splits:
        raise DataError(f"{path}: has no x_train and y_train (or train_images and train_labels)")
    unread = sorted({*archive.names} - {name for pair in pairs.values() if pair for name in pair[0]})
    remarks = (
        [Remark("ignored", len(unread), f"arrays that are not read: {join_names(unread, MAX_NAMED)}")] if unread else []
    )
    return user_arrays.from_arrays(data, path, splits, remarks)


def arrays(path: Path) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """The arrays x_train, y_train, x_test and y_test. Raises DataError where one is missing."""
    with _Archive(path) as archive:
        found = [archive.pair(names) for names in (PARTS["train"], PARTS["test"])]
    pairs = [pair for pair in found if pair is not None]
    if len(pairs) != len(found):
        raise DataError(f"{path}: expected the arrays x_train, y_train, x_test and y_test")
    return (*pairs[0][1], *pairs[1][1])


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

    @property
    def names(self) -> list[str]:
        """Of all arrays."""
        return list(self._members)

    def __enter__(self) -> "_Archive":
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def pair(self, parts: tuple[str, ...]) -> Pair | None:
        """A part, under the first of the names `parts` that it has; None where it has neither."""
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
            raise DataError(f"{self.path}: {name}: {member.file_size:,} bytes, more than the free memory") from None
        except Exception as error:  # whatever a damaged file leads NumPy and zipfile to
            reason = str(error)
            if "allow_pickle" in reason:
                reason = "contains pickled objects, which could run code and are never loaded; save it as numbers"
            raise DataError(f"{self.path}: {name}: {' '.join(reason.split())}") from None
        return array

    def _header(self, file: Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, kind = read(file)
        return shape, kind
