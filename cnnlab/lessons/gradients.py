"""Backpropagation through one convolution."""

from dataclasses import dataclass

import numpy as np

from cnnlab.errors import RequestError
from cnnlab.lessons.convolution import Array, Padding, amounts, output_size, pad, windows


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
            f"dE/dh has the shape {list(upstream.shape)}; expected that of the convolution's output, {list(expected)}"
        )
    of_kernels = np.einsum("ijabc,ijk->abck", windows(padded, size, stride), upstream)
    of_padded = np.zeros_like(padded)
    for row, column, *_ in np.ndindex(*upstream.shape[:2]):
        place = np.s_[row * stride : row * stride + size[0], column * stride : column * stride + size[1]]
        of_padded[place] += kernels @ upstream[row, column]
    top, left = (amounts(image.shape[axis], size[axis], stride, padding)[0] for axis in (0, 1))
    of_image = of_padded[top : top + image.shape[0], left : left + image.shape[1]]
    return Gradients(of_kernels, of_image, upstream.sum(axis=(0, 1)))
