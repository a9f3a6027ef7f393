"""Backpropagation through one convolution."""

from dataclasses import dataclass

import numpy as np

from cnnlab.errors import RequestError
from cnnlab.lessons.convolution import Array, Padding, amounts, every, output_size, pad


@dataclass(frozen=True)
class Gradients:
    """Gradients of an error E that is known by its gradient with respect to the sums."""

    kernels: Array
    """dE/dw, (height, width, input channels, output channels)."""
    image: Array
    """dE/dx, (height, width, channels)."""
    bias: Array
    """dE/db, (output channels,)."""


def gradients(image: Array, kernels: Array, upstream: Array, stride: int = 1, padding: Padding = "valid") -> Gradients:
    """By the chain rule from `upstream`, dE/dh of the sums h (rows, columns, output channels).

    Raises RequestError where shapes do not fit.
    """
    size = kernels.shape[:2]
    padded = pad(image, size, stride, padding)
    expected = (*output_size(padded, size, stride), kernels.shape[3])
    if upstream.shape != expected:
        raise RequestError(
            f"--backward: dE/dh has the shape {_typed(upstream.shape)}; expected that of the sums, {_typed(expected)}"
        )
    of_kernels, of_padded = np.zeros_like(kernels), np.zeros_like(padded)
    for row, column in np.ndindex(*size):  # one place of the kernel after the other, as in `correlate`
        of_kernels[row, column] = np.einsum("ijc,ijk->ck", every(padded, row, column, stride, *expected[:2]), upstream)
        every(of_padded, row, column, stride, *expected[:2])[...] += upstream @ kernels[row, column].T
    top, left = (amounts(image.shape[axis], size[axis], stride, padding)[0] for axis in (0, 1))
    of_image = of_padded[top : top + image.shape[0], left : left + image.shape[1]]
    return Gradients(of_kernels, of_image, upstream.sum(axis=(0, 1)))


def _typed(shape: tuple[int, ...]) -> list[int]:
    """As one types it: without the axis of a single channel."""
    return list(shape[:2] if shape[2] == 1 else shape)
