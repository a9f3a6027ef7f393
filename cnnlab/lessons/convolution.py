"""Convolution, ReLU and pooling of one image, in Keras's order of axes.

An image is (height, width, channels), kernels are (height, width, input channels, output channels), all float64.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnlab.errors import RequestError
from cnnlab.lessons.pools import Pool

MOST_DIRECT = 10**8  # products that are added one place after the other: half a second
MOST_EXACT = 2.0**40  # sums up to which the error of a transform is far below 1/2
ROUNDING = 1e-15  # error of a transform by the largest possible sum; below 1e-16 for a kernel of size 101 on 2000 rows

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


def pad(
    image: Array,
    window: tuple[int, int],
    stride: int,
    padding: Padding,
    value: float = 0.0,
    name: str = "--kernel: a window",
) -> Array:
    """The image with its border. Raises RequestError where the window, which is called `name`, is larger than that."""
    sides = [amounts(image.shape[axis], window[axis], stride, padding) for axis in (0, 1)]
    padded = np.pad(image, [*sides, (0, 0)], constant_values=value)
    if window[0] > padded.shape[0] or window[1] > padded.shape[1]:
        border = "" if padded.shape == image.shape else f", {padded.shape[0]}×{padded.shape[1]} with its padding"
        raise RequestError(
            f"{name} of {window[0]}×{window[1]} does not fit into the input of {image.shape[0]}×{image.shape[1]}"
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
            f"--kernel: has {kernels.shape[2]} input channels and the input {image.shape[2]}; expected equally many"
        )
    padded = pad(image, kernels.shape[:2], stride, padding)
    rows, columns = output_size(padded, kernels.shape[:2], stride)
    if rows * columns * kernels.size > MOST_DIRECT:
        total = _by_fourier(padded, kernels)[::stride, ::stride]
        return total if bias is None else total + bias
    total = np.zeros((rows, columns, kernels.shape[3]))
    # One place of the kernel after the other: all windows of a photograph at once would take gigabytes.
    for row, column in np.ndindex(*kernels.shape[:2]):
        total += every(padded, row, column, stride, rows, columns) @ kernels[row, column]
    return total if bias is None else total + bias


def _by_fourier(padded: Array, kernels: Array) -> Array:
    """The same at stride 1, as products of discrete Fourier transforms; exact where all numbers are whole."""
    height, width = padded.shape[:2]
    spectrum = np.fft.rfft2(padded, axes=(0, 1))
    total = np.zeros((height, width, kernels.shape[3]))
    for source, output in np.argwhere(kernels.any(axis=(0, 1))):
        factor = np.fft.rfft2(kernels[:, :, source, output], s=(height, width)).conj()
        total[:, :, output] += np.fft.irfft2(spectrum[:, :, source] * factor, s=(height, width))
    # What goes around the edge is below and on the right of these.
    total = total[: height - kernels.shape[0] + 1, : width - kernels.shape[1] + 1]
    largest = float(np.abs(padded).max() * np.abs(kernels).sum(axis=(0, 1, 2)).max())
    if largest < MOST_EXACT and all((values == np.rint(values)).all() for values in (padded, kernels)):
        return np.rint(total)
    total[np.abs(total) < ROUNDING * largest] = 0.0
    return total


def output_size(padded: Array, window: tuple[int, int] | tuple[Any, ...], stride: int) -> tuple[int, int]:
    """Rows and columns of windows."""
    return (padded.shape[0] - window[0]) // stride + 1, (padded.shape[1] - window[1]) // stride + 1


def every(padded: Array, row: int, column: int, stride: int, rows: int, columns: int) -> Array:
    """What one place of the kernel meets, (rows, columns, channels); a view."""
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
        raise RequestError(f"--pool-padding {padding}: is around windows of {size}×{size}; expected less than {size}")
    name = "--pool-size: a window"
    if kind is Pool.MAX:
        padded = pad(image, (size, size), stride, padding, -np.inf, name)
        return _over_windows(np.max, padded, size, stride)
    total, count = (
        _over_windows(np.sum, pad(values, (size, size), stride, padding, name=name), size, stride)
        for values in (image, np.ones_like(image))
    )
    return np.asarray(total / count)


def _over_windows(reduce: Callable[..., Array], padded: Array, size: int, stride: int) -> Array:
    """First over the rows of each window, then over its columns: large windows would take hours otherwise."""
    for axis in (0, 1):
        views = np.lib.stride_tricks.sliding_window_view(padded, size, axis=axis)
        padded = reduce(views[::stride] if axis == 0 else views[:, ::stride], axis=-1)
    return padded


def _pool_channels(image: Array, size: int) -> Array:
    if image.shape[2] % size:
        raise RequestError(f"--pool-size {size}: of channels; expected a divisor of the input's {image.shape[2]}")
    return np.asarray(image.reshape(*image.shape[:2], -1, size).max(axis=-1))
