"""MNIST: 70,000 handwritten digits, 28×28 grey."""

from pathlib import Path

import numpy as np

from cnnlab.data import idx
from cnnlab.data.dataset import Examples, Source
from cnnlab.data.download import data_folders, fetch
from cnnlab.errors import DataError, DownloadError
from cnnlab.terminal import warn

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
SHA256 = {  # of the decompressed files; the .gz wrappers differ from mirror to mirror
    "train-images-idx3-ubyte.gz": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte.gz": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte.gz": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte.gz": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
CLASSES = tuple("0123456789")


def load() -> Source:
    """60,000 training and 10,000 test images (n, 28, 28, 1) uint8 in [0, 255]; labels (n,) int32, 0 to 9.

    LeCun, Cortes and Burges 1998, CC BY-SA 3.0. The four IDX .gz files are taken from `$CNNLAB_DATA_DIR/mnist`
    or the cache, else downloaded; `SHA256` tells the genuine ones.
    Raises DataError where a file is damaged, DownloadError where one is missing and cannot be fetched.
    """
    return Source(_examples("train"), _examples("t10k"), CLASSES)


def _examples(prefix: str) -> Examples:
    images_path = _locate(f"{prefix}-images-idx3-ubyte.gz")
    labels_path = _locate(f"{prefix}-labels-idx1-ubyte.gz")
    images, images_sha256 = idx.read(images_path, 3)
    labels, labels_sha256 = idx.read(labels_path, 1)
    if len(images) != len(labels):
        raise DataError(f"{labels_path}: {len(labels):,} labels for the {len(images):,} images of {images_path.name}")
    if images.shape[1:] != (28, 28):
        raise DataError(f"{images_path}: images of {images.shape[1]}×{images.shape[2]}; MNIST's are 28×28")
    if not len(labels) or labels.max() >= len(CLASSES):
        got = f"a label {labels.max()}" if len(labels) else "no examples"
        raise DataError(f"{labels_path}: has {got}; MNIST's labels are 0 to 9")
    for path, sha256 in ((images_path, images_sha256), (labels_path, labels_sha256)):
        if sha256 != SHA256[path.name]:
            warn(f"{path}: not the genuine MNIST (its SHA-256 differs); used as it is")
    return Examples(images[..., np.newaxis], labels.astype(np.int32))


def _locate(name: str) -> Path:
    folders = [folder / "mnist" for folder in data_folders()]
    for folder in folders:
        if (folder / name).exists():
            return folder / name
    try:
        fetch([mirror + name for mirror in MIRRORS], folders[0] / name, SHA256[name])
    except DownloadError as error:
        raise DownloadError(
            f"mnist: {error}; --data digits works now, or put MNIST's four .gz files into {folders[0]}"
        ) from None
    return folders[0] / name
