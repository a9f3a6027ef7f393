"""What is done to one input: convolution, ReLU, pooling and flattening, in this order."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cnnlab.errors import RequestError
from cnnlab.lessons import texts
from cnnlab.lessons.convolution import Array, Padding, correlate, flipped, pool, relu
from cnnlab.lessons.lesson import Step
from cnnlab.lessons.pools import Pool


@dataclass(frozen=True)
class Operation:
    """The kernels, each (height, width, input channels, output channels), and what follows them."""

    kernels: Sequence[Array] = ()
    bias: Array | None = None
    """(output channels,)."""
    stride: int = 1
    padding: Padding = "valid"
    flip: bool = False
    """Whether kernels are turned by 180 degrees: true convolution."""
    relu: bool = False
    pool: Pool | None = None
    pool_size: int | None = None
    pool_stride: int | None = None
    pool_padding: Padding = "valid"
    flatten: bool = False

    def for_channels(self, channels: int) -> list[Array]:
        """The kernels that see `channels` input channels.

        A 2-D kernel is applied to each channel by itself, which gives as many outputs, one for each.
        """
        return [_on_each(kernel, channels) if kernel.shape[2] == 1 else kernel for kernel in self.kernels]

    def whole(self) -> Array:
        """All kernels as one, (height, width, channels, output channels). Raises RequestError where sizes differ."""
        kernels = self.kernels
        sizes = sorted({kernel.shape[:3] for kernel in kernels})
        if len(sizes) > 1:
            shown = ", ".join("×".join(map(str, size)) for size in sizes)
            raise RequestError(f"--backward: kernels of different sizes, {shown}; expected the same for all")
        return np.concatenate(kernels, axis=-1)

    def oriented(self, kernel: Array) -> Array:
        """The kernel whose cross-correlation is computed."""
        return flipped(kernel) if self.flip else kernel

    def sums(self, image: Array) -> Array:
        """The convolution's output. Raises RequestError where shapes do not fit."""
        kernels = self.for_channels(image.shape[2])
        count = sum(kernel.shape[3] for kernel in kernels)
        bias = np.zeros(count) if self.bias is None else self.bias
        if bias.shape != (count,):
            raise RequestError(f"--bias: {bias.size} numbers; expected {count}, one per output channel")
        outputs, first = [], 0
        for kernel in kernels:
            of_kernel = bias[first : first + kernel.shape[3]]
            outputs.append(correlate(image, self.oriented(kernel), of_kernel, self.stride, self.padding))
            first += kernel.shape[3]
        sizes = {output.shape[:2] for output in outputs}
        if len(sizes) > 1:
            shown = ", ".join(f"{height}×{width}" for height, width in sorted(sizes))
            raise RequestError(f"--kernel: different sizes give outputs of {shown}; pad with 'same', or give one size")
        return np.concatenate(outputs, axis=-1)

    def worked(self, image: Array) -> list[str]:
        """Every product and sum of `sums` as text; a 2-D kernel has those of its channel only."""
        lines: list[str] = []
        first = 0
        for kernel in self.kernels:
            oriented = self.oriented(kernel)
            separate = kernel.shape[2] == 1 and image.shape[2] > 1
            parts = [image[:, :, [channel]] for channel in range(image.shape[2])] if separate else [image]
            # In the order of _on_each: kernel by kernel, channel by channel.
            for filters in [oriented[..., [index]] for index in range(kernel.shape[3])] if separate else [oriented]:
                for part in parts:
                    bias = None if self.bias is None else self.bias[first : first + filters.shape[3]]
                    lines += texts.sums(part, filters, bias, self.stride, self.padding, first)
                    first += filters.shape[3]
        return lines

    def steps(self, image: Array) -> list[Step]:
        """Every result in order, without the input."""
        steps = []
        if self.kernels:
            image = self.sums(image)
            steps.append(Step("output", image))
        if self.relu:
            image = relu(image)
            steps.append(Step("after ReLU", image))
        if self.pool is not None:
            image = pool(image, self.pool, self.pool_size, self.pool_stride, self.pool_padding)
            steps.append(Step(f"after {self.pool} pooling", image))
        if self.flatten:
            steps.append(Step("flattened", image.ravel()))
        return steps


def _on_each(kernel: Array, channels: int) -> Array:
    """(height, width, 1, n) as (height, width, channels, channels × n): for each kernel one output per channel."""
    height, width, _, count = kernel.shape
    spread = np.zeros((height, width, channels, count, channels))
    for channel in range(channels):
        spread[:, :, channel, :, channel] = kernel[:, :, 0]
    return spread.reshape(height, width, channels, -1)
