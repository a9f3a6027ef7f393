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
    x_train, y_train, x_test, y_test = arrays
    for name, images in (("x_train", x_train), ("x_test", x_test)):
        if images.dtype != np.uint8 or images.ndim not in (3, 4):
            raise DataError(
                f"{data.name}: {name}: {images.ndim} dimensions of {images.dtype}; expected images, uint8 in [0, 255]"
            )
    train, test = (
        checks.examples(
            images, labels, data.image_shape, data.num_classes, (f"{data.name}: x_{part}", f"{data.name}: y_{part}")
        )
        for part, images, labels in (("train", x_train, y_train), ("test", x_test, y_test))
    )
    remarks = [
        remark
        for remark in (
            ranges.darkness(f"{data.name}: {name}", images)
            for name, images in (("x_train", x_train), ("x_test", x_test))
        )
        if remark
    ]
    return Source(train, test, data.class_names, origin=Origin(type(data).__module__, warnings=tuple(remarks)))


LOADER = Loader(load, place=lambda _: "read by its package")
