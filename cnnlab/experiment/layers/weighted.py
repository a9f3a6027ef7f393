"""Dense and convolutional layers."""

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
    """A fully connected layer: (features,) to (units,)."""

    kind: ClassVar[str] = "dense"
    keras: ClassVar[tuple[str, ...]] = ("Dense",)
    shorthand: ClassVar[str | None] = "units"
    usage: ClassVar[tuple[str, ...]] = (
        "dense: {units: 84, activation: relu}",
        "dense: 10",
    )
    units: Size
    """Number of outputs."""

    def output_shape(self, shape: Shape) -> Shape:
        """(units,)."""
        if len(shape) != 1:
            raise ShapeError(f"expected (features,), got an image {show(shape)}; put flatten before it")
        return (self.units,)

    def cost(self, shape: Shape) -> Cost:
        """One weight per input and output."""
        weights = shape[0] * self.units
        return Cost(weights, self.units * self.use_bias, multiplications=weights, additions=weights)

    def weight_shapes(self, shape: Shape) -> dict[str, Shape]:
        """The kernel is (features, units)."""
        return self._with_bias({"kernel": (shape[0], self.units)}, self.units)


class Convolution(Weighted):
    """A kernel that slides over an image."""

    kernel_size: Pair
    """Side of the kernel in pixels, or [height, width]."""
    strides: Pair = (1, 1)
    """Step of the kernel, or [vertical, horizontal]."""
    padding: Padding = "valid"
    """`same` pads the image with zeros, so that stride 1 keeps its size; `valid` does not."""

    def window(self, shape: Shape) -> Window:
        """The kernel."""
        return Window(self.kernel_size, self.strides)

    def _positions(self, shape: Shape) -> tuple[int, int]:
        return slide(shape, self.kernel_size, self.strides, self.padding)

    def _area(self) -> int:
        return self.kernel_size[0] * self.kernel_size[1]

    def _cost(self, shape: Shape, weights: int, channels: int) -> Cost:
        """Every weight at every position, padding included."""
        operations = weights * values_in(self._positions(shape))
        return Cost(weights, channels * self.use_bias, multiplications=operations, additions=operations)

    def _check_strides_are_equal(self) -> None:
        if self.strides[0] != self.strides[1]:
            raise ShapeError(
                f"expected equal strides, got {list(self.strides)}: TensorFlow requires it for this layer; use conv2d"
            )


class Conv2D(Convolution):
    """A convolution: (height, width, channels) to (height', width', filters)."""

    kind: ClassVar[str] = "conv2d"
    keras: ClassVar[tuple[str, ...]] = ("Conv2D", "Convolution2D")
    usage: ClassVar[tuple[str, ...]] = (
        "conv2d: {filters: 6, kernel_size: 5, padding: same, activation: relu}",
        "conv2d: {filters: 16, kernel_size: [1, 7], strides: [1, 2]}",
    )
    filters: Size
    """Number of kernels, and of output channels."""

    def output_shape(self, shape: Shape) -> Shape:
        """(height', width', filters)."""
        return (*self._positions(shape), self.filters)

    def cost(self, shape: Shape) -> Cost:
        """Every kernel at every position, padding included."""
        return self._cost(shape, self._area() * as_image(shape)[2] * self.filters, self.filters)

    def weight_shapes(self, shape: Shape) -> dict[str, Shape]:
        """The kernel is (height, width, channels, filters)."""
        return self._with_bias({"kernel": (*self.kernel_size, as_image(shape)[2], self.filters)}, self.filters)


class DepthwiseConv2D(Convolution):
    """A convolution per channel: (height, width, channels) to (height', width', channels * multiplier)."""

    kind: ClassVar[str] = "depthwise_conv2d"
    keras: ClassVar[tuple[str, ...]] = ("DepthwiseConv2D",)
    usage: ClassVar[tuple[str, ...]] = ("depthwise_conv2d: {kernel_size: 3, padding: same}",)
    depth_multiplier: Annotated[int, Field(gt=0, le=1024)] = 1
    """Number of kernels per channel."""

    def output_shape(self, shape: Shape) -> Shape:
        """(height', width', channels * depth_multiplier)."""
        self._check_strides_are_equal()
        return (*self._positions(shape), as_image(shape)[2] * self.depth_multiplier)

    def cost(self, shape: Shape) -> Cost:
        """Every kernel at every position of its channel."""
        channels = as_image(shape)[2] * self.depth_multiplier
        return self._cost(shape, self._area() * channels, channels)

    def weight_shapes(self, shape: Shape) -> dict[str, Shape]:
        """The kernel is (height, width, channels, depth_multiplier)."""
        channels = as_image(shape)[2]
        kernel = (*self.kernel_size, channels, self.depth_multiplier)
        return self._with_bias({"kernel": kernel}, channels * self.depth_multiplier)


class SeparableConv2D(Convolution):
    """A depthwise and a 1×1 convolution: (height, width, channels) to (height', width', filters)."""

    kind: ClassVar[str] = "separable_conv2d"
    keras: ClassVar[tuple[str, ...]] = ("SeparableConv2D", "SeparableConvolution2D")
    usage: ClassVar[tuple[str, ...]] = (
        "separable_conv2d: {filters: 32, kernel_size: 3, padding: same, activation: relu}",
    )
    filters: Size
    """Number of output channels."""
    depth_multiplier: Annotated[int, Field(gt=0, le=1024)] = 1
    """Number of kernels per channel."""

    def output_shape(self, shape: Shape) -> Shape:
        """(height', width', filters)."""
        self._check_strides_are_equal()
        return (*self._positions(shape), self.filters)

    def cost(self, shape: Shape) -> Cost:
        """Both convolutions; only the second one has a bias."""
        channels = as_image(shape)[2] * self.depth_multiplier
        return self._cost(shape, self._area() * channels + channels * self.filters, self.filters)

    def weight_shapes(self, shape: Shape) -> dict[str, Shape]:
        """(height, width, channels, depth_multiplier), and (1, 1, their product, filters)."""
        channels = as_image(shape)[2]
        depthwise = (*self.kernel_size, channels, self.depth_multiplier)
        pointwise = (1, 1, channels * self.depth_multiplier, self.filters)
        return self._with_bias({"depthwise_kernel": depthwise, "pointwise_kernel": pointwise}, self.filters)
