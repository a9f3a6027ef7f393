"""Elementwise layers, and layers that rearrange values."""

from typing import Annotated, ClassVar

from pydantic import Field

from cnnlab.experiment.choice import Finite, Fraction, Positive
from cnnlab.experiment.layers import base
from cnnlab.experiment.layers.base import Cost, Leaf, PairOrZero, Shape, Window, as_image, values_in


class Activation(Leaf):
    """A function applied to every value; softmax, to the channels at every position."""

    kind: ClassVar[str] = "activation"
    keras: ClassVar[tuple[str, ...]] = ("Activation",)
    shorthand: ClassVar[str | None] = "activation"
    usage: ClassVar[tuple[str, ...]] = ("activation: relu",)
    activation: base.Activation
    """Name of the function."""


class Dropout(Leaf):
    """During training, sets a random fraction of the values to zero and scales up the others."""

    kind: ClassVar[str] = "dropout"
    keras: ClassVar[tuple[str, ...]] = ("Dropout",)
    shorthand: ClassVar[str | None] = "rate"
    usage: ClassVar[tuple[str, ...]] = ("dropout: 0.5",)
    rate: Fraction
    """Fraction of the values, from 0 to below 1."""


class BatchNorm(Leaf):
    """Normalizes every channel to mean 0 and variance 1 over the batch, then applies a trained scale and shift.

    Ioffe and Szegedy 2015. Evaluation uses running averages in place of the batch's mean and variance. On a CPU, a
    multiple of 16 channels trains faster: oneDNN has kernels for them.
    """

    kind: ClassVar[str] = "batch_norm"
    keras: ClassVar[tuple[str, ...]] = ("BatchNormalization",)
    usage: ClassVar[tuple[str, ...]] = ("batch_norm",)
    momentum: Fraction = 0.99
    """Momentum of the running averages."""
    epsilon: Positive = 0.001
    """Constant added to the variance, for numerical stability."""
    center: bool = True
    """Whether to train a shift."""
    scale: bool = True
    """Whether to train a scale."""

    def cost(self, shape: Shape) -> Cost:
        """One scale and shift per channel; one multiplication and one addition per value."""
        channels, values = shape[-1], values_in(shape)
        return Cost(channels * self.scale, channels * self.center, 2 * channels, values, values)

    def weight_shapes(self, shape: Shape) -> dict[str, Shape]:
        """One number per channel each."""
        names = {"gamma": self.scale, "beta": self.center, "moving_mean": True, "moving_variance": True}
        return {name: (shape[-1],) for name, exists in names.items() if exists}


class Rescale(Leaf):
    """value * scale + offset. Pixel values start as 0 to 1."""

    kind: ClassVar[str] = "rescale"
    keras: ClassVar[tuple[str, ...]] = ("Rescaling",)
    shorthand: ClassVar[str | None] = "scale"
    usage: ClassVar[tuple[str, ...]] = ("rescale: {scale: 2, offset: -1}",)
    scale: Finite
    """Factor."""
    offset: Finite = 0.0
    """Constant added after scaling."""

    def cost(self, shape: Shape) -> Cost:
        """One multiplication and one addition per value."""
        return Cost(multiplications=values_in(shape), additions=values_in(shape))


class ZeroPadding2D(Leaf):
    """Adds zeros around the image."""

    kind: ClassVar[str] = "zero_padding2d"
    keras: ClassVar[tuple[str, ...]] = ("ZeroPadding2D",)
    shorthand: ClassVar[str | None] = "padding"
    usage: ClassVar[tuple[str, ...]] = ("zero_padding2d: 2",)
    padding: PairOrZero = (1, 1)
    """Rows added above and below and columns added left and right, or [rows, columns]."""

    def output_shape(self, shape: Shape) -> Shape:
        """(height + 2 * rows, width + 2 * columns, channels)."""
        height, width, channels = as_image(shape)
        return height + 2 * self.padding[0], width + 2 * self.padding[1], channels


class Flatten(Leaf):
    """All values as one vector: (height, width, channels) to (height * width * channels,)."""

    kind: ClassVar[str] = "flatten"
    keras: ClassVar[tuple[str, ...]] = ("Flatten",)
    is_view: ClassVar[bool] = True
    usage: ClassVar[tuple[str, ...]] = ("flatten",)

    def output_shape(self, shape: Shape) -> Shape:
        """(all values,)."""
        return (values_in(shape),)

    def window(self, shape: Shape) -> Window:
        """The image, or a single value of a flat input."""
        return Window((shape[0], shape[1])) if len(shape) == 3 else Window()


class PadShortcut(Leaf):
    """Every `strides`-th pixel with channels of zeros added on both sides; created by `residual` only."""

    kind: ClassVar[str] = "pad_shortcut"
    strides: tuple[int, int]
    channels: Annotated[int, Field(ge=0)]

    def output_shape(self, shape: Shape) -> Shape:
        """(height / strides, width / strides, channels)."""
        height, width, _ = as_image(shape)
        return -(-height // self.strides[0]), -(-width // self.strides[1]), self.channels

    def window(self, shape: Shape) -> Window:
        """Single pixels."""
        return Window((1, 1), self.strides)
