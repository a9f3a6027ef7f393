"""CIFAR-10: 60,000 colour pictures of ten kinds of things, 32×32."""

from pathlib import Path

import numpy as np

from cnnlab.data.dataset import Examples, Source
from cnnlab.data.download import data_folders
from cnnlab.errors import DataError

FOLDER = "cifar-10-batches-bin"
TRAIN_FILES = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
TEST_FILES = ("test_batch.bin",)
SHAPE = (3, 32, 32)  # in the files: a byte of label, then the red, the green and the blue plane, row by row
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
ORIGIN = "https://www.cs.toronto.edu/~kriz/cifar.html"


def load() -> Source:
    """50,000 training and 10,000 test images (n, 32, 32, 3) uint8 in [0, 255]; labels (n,) int32, 0 to 9.

    Krizhevsky 2009, the binary version: six files of 10,000 pictures in `$CNNLAB_DATA_DIR/cifar-10-batches-bin`.
    Raises DataError where they are missing or damaged.
    """
    folder = _locate()
    return Source(_examples(folder, TRAIN_FILES), _examples(folder, TEST_FILES), CLASSES)


def _examples(folder: Path, names: tuple[str, ...]) -> Examples:
    records = np.concatenate([_records(folder / name) for name in names])
    images = records[:, 1:].reshape(-1, *SHAPE).transpose(0, 2, 3, 1)
    return Examples(np.ascontiguousarray(images), records[:, 0].astype(np.int32))


def _records(path: Path) -> np.ndarray:
    """(n, 1 + 3 * 32 * 32) uint8, a row a picture."""
    try:
        content = np.fromfile(path, np.uint8)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    size = 1 + int(np.prod(SHAPE))
    if len(content) == 0 or len(content) % size:
        raise DataError(f"{path}: damaged: {len(content):,} bytes, expected a multiple of {size:,}")
    records = content.reshape(-1, size)
    if records[:, 0].max() >= len(CLASSES):
        raise DataError(f"{path}: damaged: has a label {records[:, 0].max()}; CIFAR-10's are 0 to 9")
    return records


def _locate() -> Path:
    folders = [folder / FOLDER for folder in data_folders()]
    for folder in folders:
        if folder.is_dir():
            return folder
    raise DataError(
        f"cifar10: no folder {folders[0]}; unpack the binary version of {ORIGIN} there, "
        "or see whether all else works with --data synthetic"
    )
