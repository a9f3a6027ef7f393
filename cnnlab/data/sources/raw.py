"""Headerless files: pictures as nothing but pixels, labels as nothing but numbers."""

from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from cnnlab.data.dataset import Source
from cnnlab.data.locate import find
from cnnlab.data.sources import own
from cnnlab.errors import DataError
from cnnlab.experiment.data import Raw

Number = TypeVar("Number", np.uint8, np.float32)


def load(data: Raw) -> Source:
    """Images (n, *image_shape) uint8 in [0, 255]; labels (n,) int32. Raises DataError."""
    train = _read_pair(data, data.train_images, data.train_labels)
    splits = {"train": train}
    if data.test_images and data.test_labels:
        splits["test"] = _read_pair(data, data.test_images, data.test_labels)
    return own.from_arrays(data, Path(train.images_from).parent, splits)


def _read_pair(data: Raw, images_name: str, labels_name: str) -> own.Arrays:
    images_path, labels_path = (find(name, data.dir, "raw") for name in (images_name, labels_name))
    images = _table(images_path, np.uint8, int(np.prod(data.image_shape)), "images of this shape")
    if data.label_format == "uint8":
        labels: NDArray[np.uint8] | NDArray[np.float32] = _table(labels_path, np.uint8, 1, "labels")
    else:
        labels = _table(labels_path, np.float32, data.num_classes, f"labels of {data.num_classes} float32")
    return own.Arrays(images_path, images.reshape(-1, *data.image_shape), labels_path, labels)


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
