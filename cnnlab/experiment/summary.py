"""What a network consists of and costs, layer by layer, without TensorFlow."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from cnnlab.experiment.layers.base import Cost, LayerSpec, Leaf, Shape, ShapeError, Window, show, values_in
from cnnlab.experiment.network import Place, assemble

BYTES = 4  # of a float32
LARGEST_SIDE = 2**31 - 1  # TensorFlow's kernels count in 32 bits
LARGEST_OUTPUT = 2**40  # values of one example: 4 TB


@dataclass(frozen=True)
class Line:
    """A layer of the built network, and what it costs for one example.

    `receptive_field` is the (height, width) of the pixels that one of its outputs can see, at most the image.
    `input_gradient` tells whether training needs the gradient with respect to the layer's input.
    """

    place: Place
    spec: Leaf | None
    """None where values are merged."""
    input_shape: Shape
    output_shape: Shape
    cost: Cost
    receptive_field: tuple[int, int]
    input_gradient: bool

    @property
    def activation_bytes(self) -> int:
        """What the output of one example takes; nothing where it is the input's memory in another shape."""
        return 0 if self.spec is not None and self.spec.is_view else BYTES * values_in(self.output_shape)

    @property
    def training(self) -> Cost:
        """The cost with the products and additions of the backward pass, each as large as the forward pass's.

        One gives the gradient of the weights, one that of the input.
        """
        passes = 1 + (self.cost.trainable > 0) + self.input_gradient
        return replace(
            self.cost,
            multiplications=self.cost.multiplications * passes,
            additions=self.cost.additions * passes,
        )


@dataclass(frozen=True)
class _Signal:
    shape: Shape
    field: tuple[int, int] = (1, 1)
    jump: tuple[int, int] = (1, 1)
    """How far, in pixels of the image, the fields of neighbours lie apart."""
    trained: bool = False


class _Tally:
    """The assembler that works with shapes."""

    def __init__(self, image: tuple[int, int]) -> None:
        self._image = image
        self.lines: list[Line] = []

    def shape(self, value: _Signal) -> Shape:
        return value.shape

    def apply(self, spec: Leaf, place: Place, value: _Signal) -> _Signal:
        shape = _checked(spec.output_shape(value.shape))
        cost = spec.cost(value.shape)
        field, jump = self._widened(value, spec.window(value.shape))
        self.lines.append(Line(place, spec, value.shape, shape, cost, field, value.trained))
        return _Signal(shape, field, jump, value.trained or cost.trainable > 0)

    def merge(self, kind: Literal["add", "concatenate"], place: Place, values: Sequence[_Signal]) -> _Signal:
        first = values[0]
        channels = sum(value.shape[-1] for value in values) if kind == "concatenate" else first.shape[-1]
        shape = _checked((*first.shape[:-1], channels))
        additions = values_in(shape) * (len(values) - 1) if kind == "add" else 0
        field = max(value.field[0] for value in values), max(value.field[1] for value in values)
        jump = max(value.jump[0] for value in values), max(value.jump[1] for value in values)
        trained = any(value.trained for value in values)
        self.lines.append(Line(place, None, first.shape, shape, Cost(additions=additions), field, trained))
        return _Signal(shape, field, jump, trained)

    def _widened(self, value: _Signal, window: Window) -> tuple[tuple[int, int], tuple[int, int]]:
        """Araujo et al. 2019, "Computing receptive fields of convolutional neural networks"."""
        field = tuple(
            min(size, seen + (reach - 1) * jump)
            for size, seen, reach, jump in zip(self._image, value.field, window.size, value.jump, strict=True)
        )
        jump = tuple(before * stride for before, stride in zip(value.jump, window.strides, strict=True))
        return field, jump  # type: ignore[return-value]


def _checked(shape: Shape) -> Shape:
    if max(shape) > LARGEST_SIDE or values_in(shape) > LARGEST_OUTPUT:
        raise ShapeError(f"its output {show(shape)} is too large for any machine")
    return shape


@dataclass(frozen=True)
class Summary:
    """A network's layers in the order in which they compute."""

    image_shape: tuple[int, int, int]
    lines: tuple[Line, ...]

    @property
    def output_shape(self) -> Shape:
        """What the last layer gives."""
        return self.lines[-1].output_shape if self.lines else self.image_shape

    @property
    def receptive_field(self) -> tuple[int, int]:
        """What the last layer's outputs can see."""
        return self.lines[-1].receptive_field if self.lines else (1, 1)

    @property
    def cost(self) -> Cost:
        """Of one example going forward."""
        return sum((line.cost for line in self.lines), Cost())

    @property
    def training(self) -> Cost:
        """Of one example going forward and back."""
        return sum((line.training for line in self.lines), Cost())

    def activation_bytes(self, batch_size: int) -> int:
        """What every layer's output of a batch takes together: the backward pass needs them all."""
        return batch_size * sum(line.activation_bytes for line in self.lines)


def summarize(layers: Sequence[LayerSpec], image_shape: tuple[int, int, int]) -> Summary:
    """What a network for images of (height, width, channels) consists of and costs. Raises LayerError."""
    tally = _Tally(image_shape[:2])
    assemble(layers, _Signal(image_shape), tally)
    return Summary(image_shape, tuple(tally.lines))
