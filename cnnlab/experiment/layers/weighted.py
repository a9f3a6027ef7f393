"""Layers that multiply: dense and the convolutions."""

from typing import Annotated, ClassVar

from pydantic import Field

from cnnlab.experiment.layers.base import (
    Cost,
    Padding,
    Pair,
    Shape,
    ShapeError,
    Size,
    Weighted,
    Window,
    as_image,
    show,
    slide,
    values_in,
)


class Dense(Weighted):
    """A fully connected layer: (features,) to (units,).

    units: how many values come out.
    Example: dense: {units: 84, activation: relu}
    Example: dense: 10
    """

    kind: ClassVar[str] = "dense"
    keras: ClassVar[tuple[str, ...]] = ("Dense",)
    shorthand: ClassVar[str | None] = "units"
    units: Size

    def output_shape(self, shape: Shape) -> Shape:
        """(units,)."""
        if len(shape) != 1:
            raise ShapeError(f"expected (features,), got a picture {show(shape)}; put flatten before it")
        return (self.units,)

    def cost(self, shape: Shape) -> Cost:
        """Every output is a sum over all features."""
        weights = shape[0] * self.units
        return Cost(weights, self.units * self.use_bias, multiplications=weights, additions=weights)


class Convolution(Weighted):
    """A kernel that slides over a picture.

    kernel_size: its pixels, or [height, width].
    strides: how far it moves, or [down, right].
    padding: `same` puts zeros around the picture, so that stride 1 keeps its size; `valid` does not.
    """

    kernel_size: Pair
    strides: Pair = (1, 1)
    padding: Padding = "valid"

    def window(self, shape: Shape) -> Window:
        """The kernel."""
        return Window(self.kernel_size, self.strides)

    def _positions(self, shape: Shape) -> tuple[int, int]:
        return slide(shape, self.kernel_size, self.strides, self.padding)

    def _area(self) -> int:
        return self.kernel_size[0] * self.kernel_size[1]

    def _check_strides_are_equal(self) -> None:
        if self.strides[0] != self.strides[1]:
            raise ShapeError(
                f"expected equal strides, got {list(self.strides)}: TensorFlow has no other for this layer; use conv2d"
            )


class Conv2D(Convolution):
    """A convolution: (height, width, channels) to (height', width', filters).

    filters: how many kernels there are, and channels come out.
    Example: conv2d: {filters: 6, kernel_size: 5, padding: same, activation: relu}
    Example: conv2d: {filters: 16, kernel_size: [1, 7], strides: [1, 2]}
    """

    kind: ClassVar[str] = "conv2d"
    keras: ClassVar[tuple[str, ...]] = ("Conv2D", "Convolution2D")
    filters: Size

    def output_shape(self, shape: Shape) -> Shape:
        """(height', width', filters)."""
        return (*self._positions(shape), self.filters)

    def cost(self, shape: Shape) -> Cost:
        """Every kernel at every position, also where it lies on padding."""
        weights = self._area() * as_image(shape)[2] * self.filters
        multiplications = weights * values_in(self._positions(shape))
        return Cost(weights, self.filters * self.use_bias, multiplications=multiplications, additions=multiplications)


class DepthwiseConv2D(Convolution):
    """A convolution of every channel by itself: (height, width, channels) to (height', width', channels * multiplier).

    depth_multiplier: how many kernels a channel has.
    Example: depthwise_conv2d: {kernel_size: 3, padding: same}
    """

    kind: ClassVar[str] = "depthwise_conv2d"
    keras: ClassVar[tuple[str, ...]] = ("DepthwiseConv2D",)
    depth_multiplier: Annotated[int, Field(gt=0, le=1024)] = 1

    def output_shape(self, shape: Shape) -> Shape:
        """(height', width', channels * depth_multiplier)."""
        self._check_strides_are_equal()
        return (*self._positions(shape), as_image(shape)[2] * self.depth_multiplier)

    def cost(self, shape: Shape) -> Cost:
        """Every kernel at every position of its own channel."""
        channels = as_image(shape)[2] * self.depth_multiplier
        weights = self._area() * channels
        multiplications = weights * values_in(self._positions(shape))
        return Cost(weights, channels * self.use_bias, multiplications=multiplications, additions=multiplications)


class SeparableConv2D(Convolution):
    """A depthwise convolution, and a 1×1 convolution of what it gives: to (height', width', filters).

    filters: how many channels come out.
    depth_multiplier: how many kernels a channel has.
    Example: separable_conv2d: {filters: 32, kernel_size: 3, padding: same, activation: relu}
    """

    kind: ClassVar[str] = "separable_conv2d"
    keras: ClassVar[tuple[str, ...]] = ("SeparableConv2D", "SeparableConvolution2D")
    filters: Size
    depth_multiplier: Annotated[int, Field(gt=0, le=1024)] = 1

    def output_shape(self, shape: Shape) -> Shape:
        """(height', width', filters)."""
        self._check_strides_are_equal()
        return (*self._positions(shape), self.filters)

    def cost(self, shape: Shape) -> Cost:
        """Both convolutions; only the second one has a bias."""
        channels = as_image(shape)[2] * self.depth_multiplier
        weights = self._area() * channels + channels * self.filters
        multiplications = weights * values_in(self._positions(shape))
        return Cost(weights, self.filters * self.use_bias, multiplications=multiplications, additions=multiplications)
