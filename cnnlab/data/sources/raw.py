"""Headerless files of pixels and of labels."""

from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from cnnlab.data.dataset import Source
from cnnlab.data.locate import find
from cnnlab.data.sources import user_arrays
from cnnlab.errors import DataError
from cnnlab.experiment.data import Raw

Number = TypeVar("Number", np.uint8, np.float32)


def load(data: Raw) -> Source:
    """Images (n, *image_shape) uint8 in [0, 255]; labels (n,) int32. Raises DataError."""

    def read_images(name: str) -> tuple[Path, NDArray[Any]]:
        path = find(name, data.dir, "raw")
        images = _table(path, np.uint8, int(np.prod(data.image_shape)), "images of this shape")
        return path, images.reshape(-1, *data.image_shape)

    def read_labels(name: str) -> tuple[Path, NDArray[Any]]:
        path = find(name, data.dir, "raw")
        if data.label_format == "uint8":
            return path, _table(path, np.uint8, 1, "labels")
        return path, _table(path, np.float32, data.num_classes, f"labels of {data.num_classes} float32")

    return user_arrays.from_files(data, read_images, read_labels)


def _table(path: Path, kind: type[Number], columns: int, what: str) -> NDArray[Number]:
    """The file's numbers, little-endian, (n, columns)."""
    row = columns * np.dtype(kind).itemsize
    try:
        size = path.stat().st_size
        if size == 0 or size % row:
            raise DataError(f"{path}: {size:,} bytes; {what} take a multiple of {row:,}")
        return np.fromfile(path, kind).reshape(-1, columns)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
