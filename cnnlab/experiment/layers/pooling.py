"""Pooling layers."""

from typing import ClassVar

from pydantic import Field

from cnnlab.experiment.layers.base import (
    Cost,
    Leaf,
    Padding,
    Pair,
    Shape,
    ShapeError,
    Size,
    Window,
    as_image,
    show,
    slide,
    values_in,
)


class Pooling(Leaf):
    """A window that slides over every channel."""

    shorthand: ClassVar[str | None] = "pool_size"
    pool_size: Pair = (2, 2)
    """Side of the window in pixels, or [height, width]."""
    strides: Pair | None = None
    """Step of the window, or [vertical, horizontal]; by default `pool_size`."""
    padding: Padding = "valid"
    """`same` includes windows that extend beyond the edge; `valid` omits them."""

    def output_shape(self, shape: Shape) -> Shape:
        """(height', width', channels)."""
        return (*slide(shape, self.pool_size, self.strides or self.pool_size, self.padding), as_image(shape)[2])

    def window(self, shape: Shape) -> Window:
        """The window."""
        return Window(self.pool_size, self.strides or self.pool_size)


class MaxPool2D(Pooling):
    """The maximum of each window."""

    kind: ClassVar[str] = "max_pool2d"
    keras: ClassVar[tuple[str, ...]] = ("MaxPooling2D", "MaxPool2D")
    usage: ClassVar[tuple[str, ...]] = (
        "max_pool2d: 2",
        "max_pool2d: {pool_size: 3, strides: 2}",
    )


class AvgPool2D(Pooling):
    """The mean of each window."""

    kind: ClassVar[str] = "avg_pool2d"
    keras: ClassVar[tuple[str, ...]] = ("AveragePooling2D", "AvgPool2D")
    usage: ClassVar[tuple[str, ...]] = ("avg_pool2d: 2",)

    def cost(self, shape: Shape) -> Cost:
        """The sum of the window, and one multiplication."""
        outputs = values_in(self.output_shape(shape))
        return Cost(multiplications=outputs, additions=outputs * (self.pool_size[0] * self.pool_size[1] - 1))


class GlobalPooling(Leaf):
    """One value per channel: (height, width, channels) to (channels,)."""

    def output_shape(self, shape: Shape) -> Shape:
        """(channels,)."""
        return (as_image(shape)[2],)

    def window(self, shape: Shape) -> Window:
        """The image."""
        return Window(shape[:2])  # type: ignore[arg-type]


class GlobalAvgPool2D(GlobalPooling):
    """The mean of every channel: (height, width, channels) to (channels,)."""

    kind: ClassVar[str] = "global_avg_pool2d"
    keras: ClassVar[tuple[str, ...]] = ("GlobalAveragePooling2D", "GlobalAvgPool2D")

    def cost(self, shape: Shape) -> Cost:
        """The sum of the channel, and one multiplication."""
        channels = as_image(shape)[2]
        return Cost(multiplications=channels, additions=values_in(shape) - channels)


class GlobalMaxPool2D(GlobalPooling):
    """The maximum of every channel: (height, width, channels) to (channels,)."""

    kind: ClassVar[str] = "global_max_pool2d"
    keras: ClassVar[tuple[str, ...]] = ("GlobalMaxPooling2D", "GlobalMaxPool2D")


class ChannelMaxPool(Leaf):
    """The maximum over groups of neighbouring channels, maxout: (height, width, channels) to (height, width, channels /
    pool_size). Goodfellow et al. 2013.
    """

    kind: ClassVar[str] = "channel_max_pool"
    shorthand: ClassVar[str | None] = "pool_size"
    usage: ClassVar[tuple[str, ...]] = ("channel_max_pool: 2",)
    pool_size: Size = Field(default=2)
    """Number of channels per group."""

    def output_shape(self, shape: Shape) -> Shape:
        """(height, width, channels / pool_size), or (features / pool_size,)."""
        if shape[-1] % self.pool_size:
            raise ShapeError(f"its input {show(shape)} has {shape[-1]} channels, not a multiple of {self.pool_size}")
        return (*shape[:-1], shape[-1] // self.pool_size)
