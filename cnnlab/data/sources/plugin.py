"""Examples that the class of another package reads: an entry point of the group `cnnlab.data`."""

import numpy as np

from cnnlab.data.dataset import Loader, Origin, Source
from cnnlab.data.sources import checks, ranges
from cnnlab.errors import CnnlabError, DataError
from cnnlab.experiment.data import PluginData


def load(data: PluginData) -> Source:
    """What its `read` returns, checked like every other source. Raises DataError naming the data set."""
    try:
        arrays = tuple(map(np.asarray, data.read()))
    except CnnlabError:
        raise
    except Exception as error:  # whatever the plugin raises
        reason = " ".join(str(error).split())
        raise DataError(f"{data.name}: reading it failed: {type(error).__name__}: {reason}") from error
    if len(arrays) != 4:
        raise DataError(f"{data.name}: read() returns {len(arrays)} values; expected x_train, y_train, x_test, y_test")
    splits, remarks = [], []
    for split, images, labels in (("train", *arrays[:2]), ("test", *arrays[2:])):
        images_from, labels_from = f"{data.name}: x_{split}", f"{data.name}: y_{split}"
        if images.dtype != np.uint8 or images.ndim not in (3, 4):
            got = f"{images.ndim} dimensions of {images.dtype}"
            raise DataError(f"{images_from}: {got}; expected images, uint8 in [0, 255]")
        where = images_from, labels_from
        splits.append(checks.examples(images, labels, data.image_shape, data.num_classes, where))
        if remark := ranges.darkness(images_from, images):
            remarks.append(remark)
    train, test = splits
    return Source(train, test, data.class_names, origin=Origin(type(data).__module__, warnings=tuple(remarks)))


LOADER = Loader(load, place=lambda _: "read by its package")
