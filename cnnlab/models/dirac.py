"""The initializer `dirac`: kernels that pass on their input."""

import keras
import numpy as np

from cnnlab.experiment.initializers import Dirac
from cnnlab.experiment.layers.base import Weighted
from cnnlab.experiment.summary import Summary


def assign(model: keras.Model, summary: Summary) -> None:
    """Have the first filters of layers with this initializer pass on one input channel each."""
    for line in summary.lines:
        if isinstance(line.spec, Weighted) and isinstance(line.spec.kernel_initializer, Dirac):
            kernel = model.get_layer(line.place.name).kernel
            values = keras.ops.convert_to_numpy(kernel).copy()
            *window, channels, filters = values.shape
            count = min(channels, filters)
            values[..., :count] = 0
            center = tuple((side - 1) // 2 for side in window)
            values[center][np.arange(count), np.arange(count)] = 1
            kernel.assign(values)
