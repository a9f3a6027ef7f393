"""Headerless files: pictures as nothing but pixels, labels as nothing but numbers."""

from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from cnnlab.data.dataset import Examples, Source
from cnnlab.data.download import data_folders
from cnnlab.errors import DataError
from cnnlab.experiment.data import Raw

Number = TypeVar("Number", np.uint8, np.float32)


def load(data: Raw) -> Source:
    """Images (n, *image_shape) uint8 in [0, 255]; labels (n,) int32. Raises DataError."""
    train = _examples(data, data.train_images, data.train_labels)
    test = _examples(data, data.test_images, data.test_labels)
    return Source(train, test, tuple(str(label) for label in range(data.num_classes)))


def _examples(data: Raw, images_name: str, labels_name: str) -> Examples:
    images_path, labels_path = _locate(images_name), _locate(labels_name)
    images = _table(images_path, np.uint8, int(np.prod(data.image_shape)), "images of this shape")
    labels = _labels(data, labels_path)
    if len(images) != len(labels):
        raise DataError(f"{labels_path}: {len(labels):,} labels for the {len(images):,} images of {images_path.name}")
    return Examples(images.reshape(-1, *data.image_shape), labels)


def _labels(data: Raw, path: Path) -> NDArray[np.int32]:
    if data.label_format == "uint8":
        labels = _table(path, np.uint8, 1, "labels")[:, 0].astype(np.int32)
        if labels.max() >= data.num_classes:
            raise DataError(f"{path}: has a label {labels.max()}; with {data.num_classes} classes they end before that")
        return labels
    one_hot = _table(path, np.float32, data.num_classes, f"labels of {data.num_classes} float32")
    if not ((np.count_nonzero(one_hot, axis=1) == 1) & (one_hot.max(axis=1) == 1)).all():
        raise DataError(f"{path}: not one-hot: expected a single 1 among zeros for every label")
    best: NDArray[np.intp] = one_hot.argmax(axis=1)
    return best.astype(np.int32)


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


def _locate(name: str) -> Path:
    places = [folder / name for folder in (*data_folders(), Path())]
    for place in places:
        if place.is_file():
            return place
    raise DataError(
        f"raw: no file {name} in {places[0].parent} or here; set CNNLAB_DATA_DIR to where it is, "
        "or see whether all else works with --data synthetic"
    )
