"""The initializer `whitening`: a first kernel from the training images. Jordan 2024, after Page 2019."""

from typing import Any

import keras
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from cnnlab.data import Examples
from cnnlab.experiment.initializers import Whitening
from cnnlab.experiment.layers.weighted import Conv2D
from cnnlab.experiment.schema import Experiment
from cnnlab.models.inference import to_input

LAYER = "conv2d_0"
IMAGES, PIXELS = 5_000, 1 << 24  # at most so many images, and so many pixels in all
VALUES = 1 << 23  # of windows at once
EPSILON = 5e-4
"""Added to each variance; from Jordan's `airbench94.py`."""


def kernel_for(model: keras.Model, experiment: Experiment, examples: Examples) -> NDArray[np.float32] | None:
    """The kernel (height, width, channels, filters) that whitens what the first layer of `model` sees of `examples`.

    None where the experiment does not ask for it. It does not depend on the seed.
    """
    first = experiment.model.layers[0]
    if not isinstance(first, Conv2D) or not isinstance(first.kernel_initializer, Whitening):
        return None
    height, width, channels = examples.images.shape[1:]
    count = min(len(examples), IMAGES, max(1, PIXELS // (height * width * channels)))
    chosen = np.sort(np.random.default_rng(0).permutation(len(examples))[:count])
    preprocess = keras.Model(model.input, model.get_layer(LAYER).input)
    size = int(np.prod(first.kernel_size)) * channels
    products, windows = np.zeros((size, size)), 0
    at_once = max(1, VALUES // (height * width * size))
    for begin in range(0, count, at_once):
        images = np.asarray(preprocess(to_input(examples.images[chosen[begin : begin + at_once]])), np.float64)
        # (images, rows, columns, channels, height, width)
        found = np.moveaxis(sliding_window_view(images, first.kernel_size, axis=(1, 2)), 3, -1).reshape(-1, size)
        products += found.T @ found
        windows += len(found)
    return _whitening(products / windows, first.filters).reshape(*first.kernel_size, channels, first.filters)


def _whitening(covariance: NDArray[np.float64], filters: int) -> NDArray[np.float32]:
    """The components of `covariance` (size, size), of largest variance first, then their negatives: (size, filters)."""
    variances, vectors = np.linalg.eigh(covariance)
    vectors = vectors[:, ::-1] / np.sqrt(np.maximum(variances[::-1], 0) + EPSILON)
    # Their signs are arbitrary: the largest value of each is positive, whatever the library.
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=0, keepdims=True), axis=0)
    vectors = vectors * np.sign(largest)
    return np.concatenate([vectors, -vectors], axis=1)[:, :filters].astype(np.float32)


def assign(model: Any, kernel: NDArray[np.float32]) -> None:
    """Have the first layer of `model` begin with `kernel`."""
    model.get_layer(LAYER).kernel.assign(kernel)
