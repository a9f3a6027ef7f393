"""Convolution, ReLU and pooling of one image, in Keras's order of axes.

An image is (height, width, channels), kernels are (height, width, input channels, output channels), all float64.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnlab.errors import RequestError
from cnnlab.lessons.pools import Pool

Array = NDArray[np.float64]
Padding = str | int
"""`valid` (none), `same` as TensorFlow pads, or the number of zeros on each side."""


def amounts(size: int, window: int, stride: int, padding: Padding) -> tuple[int, int]:
    """Zeros before and after an axis. An odd number has the additional one at the end (TensorFlow's `SAME`)."""
    if padding == "valid":
        return 0, 0
    if padding == "same":
        total = max(0, (-(-size // stride) - 1) * stride + window - size)
        return total // 2, total - total // 2
    return int(padding), int(padding)


def pad(image: Array, window: tuple[int, int], stride: int, padding: Padding, value: float = 0.0) -> Array:
    """The image with its border. Raises RequestError where the window is larger than that."""
    sides = [amounts(image.shape[axis], window[axis], stride, padding) for axis in (0, 1)]
    padded = np.pad(image, [*sides, (0, 0)], constant_values=value)
    if window[0] > padded.shape[0] or window[1] > padded.shape[1]:
        border = "" if padded.shape == image.shape else f", {padded.shape[0]}×{padded.shape[1]} with its padding"
        raise RequestError(
            f"a window of {window[0]}×{window[1]} does not fit into the input of {image.shape[0]}×{image.shape[1]}"
            f"{border}; expected a smaller window, or more padding"
        )
    return padded


def correlate(
    image: Array, kernels: Array, bias: Array | None = None, stride: int = 1, padding: Padding = "valid"
) -> Array:
    """Sums of products, (rows, columns, output channels), plus the bias (output channels,).

    Cross-correlation, which networks call convolution; true convolution is that of `flipped` kernels. Raises
    RequestError where shapes do not fit.
    """
    if image.shape[2] != kernels.shape[2]:
        raise RequestError(
            f"the kernel has {kernels.shape[2]} input channels and the input {image.shape[2]}; expected equally many"
        )
    padded = pad(image, kernels.shape[:2], stride, padding)
    rows, columns = output_size(padded, kernels.shape[:2], stride)
    total = np.zeros((rows, columns, kernels.shape[3]))
    # One place of the kernel after the other: all windows of a photograph at once would take gigabytes.
    for row, column in np.ndindex(*kernels.shape[:2]):
        total += _every(padded, row, column, stride, rows, columns) @ kernels[row, column]
    return total if bias is None else total + bias


def output_size(padded: Array, window: tuple[int, int] | tuple[Any, ...], stride: int) -> tuple[int, int]:
    """Rows and columns of windows."""
    return (padded.shape[0] - window[0]) // stride + 1, (padded.shape[1] - window[1]) // stride + 1


def _every(padded: Array, row: int, column: int, stride: int, rows: int, columns: int) -> Array:
    """What one place of the kernel meets, (rows, columns, channels)."""
    return padded[row : row + stride * (rows - 1) + 1 : stride, column : column + stride * (columns - 1) + 1 : stride]


def windows(padded: Array, window: tuple[int, int], stride: int) -> Array:
    """All windows, (rows, columns, height, width, channels); a view."""
    views = np.lib.stride_tricks.sliding_window_view(padded, window, axis=(0, 1))[::stride, ::stride]
    return np.moveaxis(views, 2, -1)


def products(image: Array, kernels: Array, stride: int = 1, padding: Padding = "valid") -> Array:
    """Every product of `correlate`, (rows, columns, height, width, input channels, output channels)."""
    padded = pad(image, kernels.shape[:2], stride, padding)
    return np.asarray(windows(padded, kernels.shape[:2], stride)[..., None] * kernels)


def flipped(kernels: Array) -> Array:
    """Turned by 180 degrees: cross-correlation with these is convolution with `kernels`."""
    return kernels[::-1, ::-1]


def relu(image: Array) -> Array:
    """Without its negative values."""
    return np.maximum(image, 0.0)


def pool(
    image: Array, kind: Pool, size: int | None = None, stride: int | None = None, padding: Padding = "valid"
) -> Array:
    """One value per window; windows of 2×2 that do not overlap by default.

    `channels` takes the maximum of each `size` neighbouring channels, of all by default. Averages of padded windows are
    of the image's values only, as in TensorFlow. Raises RequestError where a window does not fit.
    """
    match kind:
        case Pool.GLOBAL_MAX:
            return np.asarray(image.max(axis=(0, 1), keepdims=True))
        case Pool.GLOBAL_AVERAGE:
            return np.asarray(image.mean(axis=(0, 1), keepdims=True))
        case Pool.CHANNELS:
            return _pool_channels(image, size or image.shape[2])
    size = size or 2
    stride = stride or size
    if isinstance(padding, int) and padding >= size:
        raise RequestError(f"padding of {padding} around windows of {size}×{size}; expected less than {size}")
    if kind is Pool.MAX:
        padded = pad(image, (size, size), stride, padding, value=-np.inf)
        return np.asarray(windows(padded, (size, size), stride).max(axis=(2, 3)))
    total, count = (
        windows(pad(values, (size, size), stride, padding), (size, size), stride).sum(axis=(2, 3))
        for values in (image, np.ones_like(image))
    )
    return np.asarray(total / count)


def _pool_channels(image: Array, size: int) -> Array:
    if image.shape[2] % size:
        raise RequestError(f"pooling across {size} channels; expected a divisor of the input's {image.shape[2]}")
    return np.asarray(image.reshape(*image.shape[:2], -1, size).max(axis=-1))
