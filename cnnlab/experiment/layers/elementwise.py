"""Layers that treat every value by itself, or only arrange values."""

from typing import Annotated, ClassVar

from pydantic import Field

from cnnlab.experiment.choice import Finite, Fraction, Positive
from cnnlab.experiment.layers import base
from cnnlab.experiment.layers.base import Cost, Leaf, PairOrZero, Shape, Window, as_image, values_in


class Activation(Leaf):
    """A function applied to every value (softmax: to every position's channels).

    activation: its name.
    Example: activation: relu
    """

    kind: ClassVar[str] = "activation"
    keras: ClassVar[tuple[str, ...]] = ("Activation",)
    shorthand: ClassVar[str | None] = "activation"
    activation: base.Activation


class Dropout(Leaf):
    """While training, sets a share of the values to zero and scales the others up.

    rate: the share, from 0 to below 1.
    Example: dropout: 0.5
    """

    kind: ClassVar[str] = "dropout"
    keras: ClassVar[tuple[str, ...]] = ("Dropout",)
    shorthand: ClassVar[str | None] = "rate"
    rate: Fraction


class BatchNorm(Leaf):
    """Shifts and scales every channel to mean 0 and variance 1 over the batch, then by trained amounts.

    Ioffe and Szegedy 2015. When measuring, running averages stand for the batch's own.

    momentum: the share of the running averages that a step keeps.
    epsilon: added to the variance.
    center: whether a shift is trained.
    scale: whether a scale is trained.
    Example: batch_norm
    """

    kind: ClassVar[str] = "batch_norm"
    keras: ClassVar[tuple[str, ...]] = ("BatchNormalization",)
    momentum: Fraction = 0.99
    epsilon: Positive = 0.001
    center: bool = True
    scale: bool = True

    def cost(self, shape: Shape) -> Cost:
        """A scale and a shift a channel; one product and one addition a value."""
        channels, values = shape[-1], values_in(shape)
        return Cost(channels * self.scale, channels * self.center, 2 * channels, values, values)


class Rescale(Leaf):
    """value * scale + offset. Pixels come as 0 to 1.

    scale: the factor.
    offset: what is added then.
    Example: rescale: {scale: 2, offset: -1}
    """

    kind: ClassVar[str] = "rescale"
    keras: ClassVar[tuple[str, ...]] = ("Rescaling",)
    shorthand: ClassVar[str | None] = "scale"
    scale: Finite
    offset: Finite = 0.0

    def cost(self, shape: Shape) -> Cost:
        """One product and one addition a value."""
        return Cost(multiplications=values_in(shape), additions=values_in(shape))


class ZeroPadding2D(Leaf):
    """Zeros around the picture.

    padding: how many rows above and below and columns left and right, or [rows, columns].
    Example: zero_padding2d: 2
    """

    kind: ClassVar[str] = "zero_padding2d"
    keras: ClassVar[tuple[str, ...]] = ("ZeroPadding2D",)
    shorthand: ClassVar[str | None] = "padding"
    padding: PairOrZero = (1, 1)

    def output_shape(self, shape: Shape) -> Shape:
        """(height + 2 * rows, width + 2 * columns, channels)."""
        height, width, channels = as_image(shape)
        return height + 2 * self.padding[0], width + 2 * self.padding[1], channels


class Flatten(Leaf):
    """All values in a row: (height, width, channels) to (height * width * channels,).

    Example: flatten
    """

    kind: ClassVar[str] = "flatten"
    keras: ClassVar[tuple[str, ...]] = ("Flatten",)
    is_view: ClassVar[bool] = True

    def output_shape(self, shape: Shape) -> Shape:
        """(all values,)."""
        return (values_in(shape),)

    def window(self, shape: Shape) -> Window:
        """The whole picture, or the one value of what is flat already."""
        return Window((shape[0], shape[1])) if len(shape) == 3 else Window()


class PadShortcut(Leaf):
    """Every `strides`-th pixel with channels of zeros added on both sides; not written, but made by `residual`."""

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
