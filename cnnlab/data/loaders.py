"""The loader of every data set."""

from typing import Any

from cnnlab.data.dataset import Loader
from cnnlab.data.sources import (
    cifar10,
    cifar100,
    digits,
    fashion_mnist,
    idx,
    image_files,
    mnist,
    npz,
    plugin,
    raw,
    synthetic,
)
from cnnlab.experiment.data import Data

LOADERS: dict[str, Loader[Any]] = {
    "digits": digits.LOADER,
    "mnist": mnist.LOADER,
    "fashion_mnist": fashion_mnist.LOADER,
    "cifar10": cifar10.LOADER,
    "cifar100": cifar100.LOADER,
    "folder": Loader(image_files.load),
    "table": Loader(image_files.load),
    "idx": Loader(idx.load),
    "npz": Loader(npz.load),
    "raw": Loader(raw.load),
    "synthetic": synthetic.LOADER,
}


def loader_of(data: Data) -> Loader[Any]:
    """The loader of a data set, also of one that a plugin brings."""
    return LOADERS.get(data.name, plugin.LOADER)
