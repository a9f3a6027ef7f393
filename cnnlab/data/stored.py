"""Images in a file of pixels, read on demand."""

import hashlib
import os
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnnlab.errors import DataError

CHUNK_BYTES = 1 << 25  # of images looked at together: 32 MiB


def chunks(count: int, image_bytes: int, multiple: int = 1) -> Iterator[slice]:
    """`count` images in parts small enough to be in memory, whose sizes are multiples of `multiple`, but the last."""
    size = max(1, CHUNK_BYTES // max(1, image_bytes) // multiple) * multiple
    for first in range(0, count, size):
        yield slice(first, min(first + size, count))


def digests_of(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """SHA-256 of every image's pixels, (n, 32)."""
    sha256 = hashlib.sha256
    joined = b"".join([sha256(image).digest() for image in np.ascontiguousarray(images)])
    return np.frombuffer(joined, np.uint8).reshape(-1, 32)


class StoredImages:
    """Images (n, height, width, channels) uint8 of which only those in use take memory.

    `rows` (n,) are their indices in the file; `digests` (n, 32) are the SHA-256 of each.
    Read by position, not mapped into memory, so that what was read does not stay there. The file stays open: it may be
    deleted since.
    """

    dtype = np.dtype(np.uint8)

    def __init__(
        self, path: Path, image_shape: tuple[int, int, int], rows: NDArray[np.int64], digests: NDArray[np.uint8]
    ) -> None:
        """Open the file. Raises DataError where it cannot be."""
        try:
            file = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror}") from None
        self._open = _OpenFile(path, file)
        self.path = path
        self._set(image_shape, rows, digests)

    def _set(self, image_shape: tuple[int, int, int], rows: NDArray[np.int64], digests: NDArray[np.uint8]) -> None:
        self.shape = (len(rows), *image_shape)
        self.digests = digests
        self._rows = rows
        self.image_bytes = int(np.prod(image_shape))

    def check(self) -> None:
        """Raise DataError where the file does not have the images whose SHA-256 these are."""
        if self.digests.dtype != np.uint8 or self.digests.shape != (len(self), 32):
            raise DataError(f"{self.path}: is for other images")
        if self.path.stat().st_size != self.nbytes:
            raise DataError(f"{self.path}: {self.path.stat().st_size:,} bytes, expected {self.nbytes:,}")
        for part in chunks(len(self), self.image_bytes):
            if not np.array_equal(digests_of(self[part]), self.digests[part]):
                raise DataError(f"{self.path}: damaged")

    @property
    def nbytes(self) -> int:
        """What all of them would take."""
        return len(self) * self.image_bytes

    def __len__(self) -> int:
        """The number of images."""
        return self.shape[0]

    def take(self, which: NDArray[np.integer] | slice) -> "StoredImages":
        """These images of the same file, in the order of `which`; nothing is read."""
        taken = object.__new__(StoredImages)
        taken._open, taken.path = self._open, self.path
        taken._set(self.shape[1:], self._rows[which], self.digests[which])
        return taken

    def __getitem__(self, which: NDArray[np.integer] | slice) -> NDArray[np.uint8]:
        """These images. Raises DataError where the file has become shorter or cannot be read."""
        rows = self._rows[which]
        images = np.empty((len(rows), *self.shape[1:]), np.uint8)
        flat = images.reshape(len(rows), self.image_bytes)
        # Images that follow one another are read at once.
        ends = np.flatnonzero(np.diff(rows) != 1) + 1
        for first, last in zip([0, *ends.tolist()], [*ends.tolist(), len(rows)], strict=True):
            if first < last:
                self._open.read_into(flat[first:last], int(rows[first]) * self.image_bytes)
        return images


class _OpenFile:
    """A file that is closed when it is no longer referenced."""

    def __init__(self, path: Path, file: int) -> None:
        self._path, self._file = path, file
        weakref.finalize(self, os.close, file)

    def read_into(self, target: NDArray[np.uint8], offset: int) -> None:
        """Fill `target`, contiguous, with the bytes from `offset` on."""
        view = target.data.cast("B")
        while view:
            try:
                count = os.preadv(self._file, [view], offset)
            except OSError as error:
                raise DataError(f"{self._path}: cannot be read: {error.strerror}") from None
            if count == 0:
                raise DataError(f"{self._path}: became shorter while it was read; delete it to have it created again")
            view, offset = view[count:], offset + count
