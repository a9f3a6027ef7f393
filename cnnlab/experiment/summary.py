"""Shapes, costs and receptive fields of a network, layer by layer, without TensorFlow."""

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
    """A layer of the built network, and its cost for one example."""

    place: Place
    spec: Leaf | None
    """None for the sum or concatenation at the end of a block."""
    input_shape: Shape
    output_shape: Shape
    cost: Cost
    receptive_field: tuple[int, int]
    """(height, width) of the input pixels that one output depends on, at most the image."""
    input_gradient: bool
    """Whether training needs the gradient with respect to the layer's input."""

    @property
    def activation_bytes(self) -> int:
        """Memory of the output for one example; 0 where it is a view of the input."""
        return 0 if self.spec is not None and self.spec.is_view else BYTES * values_in(self.output_shape)

    @property
    def training(self) -> Cost:
        """The cost with the backward pass: as much again for each gradient, of the weights and of the input."""
        passes = 1 + (self.cost.trainable > 0) + self.input_gradient
        multiplications, additions = self.cost.multiplications * passes, self.cost.additions * passes
        return replace(self.cost, multiplications=multiplications, additions=additions)


@dataclass(frozen=True)
class _Output:
    shape: Shape
    field: tuple[int, int] = (1, 1)
    jump: tuple[int, int] = (1, 1)
    """Distance, in pixels of the image, between the receptive fields of neighbours."""
    trained: bool = False


class _ShapeAssembler:
    """Records a line per layer."""

    def __init__(self, image: tuple[int, int]) -> None:
        self._image = image
        self.lines: list[Line] = []

    def shape(self, value: _Output) -> Shape:
        return value.shape

    def apply(self, spec: Leaf, place: Place, value: _Output) -> _Output:
        shape = _checked_size(spec.output_shape(value.shape))
        cost = spec.cost(value.shape)
        field, jump = self._receptive_field(value, spec.window(value.shape))
        self.lines.append(Line(place, spec, value.shape, shape, cost, field, value.trained))
        return _Output(shape, field, jump, value.trained or cost.trainable > 0)

    def merge(self, kind: Literal["add", "concatenate"], place: Place, values: Sequence[_Output]) -> _Output:
        first = values[0]
        channels = sum(value.shape[-1] for value in values) if kind == "concatenate" else first.shape[-1]
        shape = _checked_size((*first.shape[:-1], channels))
        additions = values_in(shape) * (len(values) - 1) if kind == "add" else 0
        field = max(value.field[0] for value in values), max(value.field[1] for value in values)
        jump = max(value.jump[0] for value in values), max(value.jump[1] for value in values)
        trained = any(value.trained for value in values)
        self.lines.append(Line(place, None, first.shape, shape, Cost(additions=additions), field, trained))
        return _Output(shape, field, jump, trained)

    def _receptive_field(self, value: _Output, window: Window) -> tuple[tuple[int, int], tuple[int, int]]:
        """Araujo et al. 2019, "Computing receptive fields of convolutional neural networks"."""
        field = tuple(
            min(size, seen + (reach - 1) * jump)
            for size, seen, reach, jump in zip(self._image, value.field, window.size, value.jump, strict=True)
        )
        jump = tuple(before * stride for before, stride in zip(value.jump, window.strides, strict=True))
        return field, jump  # type: ignore[return-value]


def _checked_size(shape: Shape) -> Shape:
    if max(shape) > LARGEST_SIDE or values_in(shape) > LARGEST_OUTPUT:
        raise ShapeError(f"its output {show(shape)} is too large for any machine")
    return shape


@dataclass(frozen=True)
class Summary:
    """A network's layers in the order of computation."""

    image_shape: tuple[int, int, int]
    lines: tuple[Line, ...]

    @property
    def output_shape(self) -> Shape:
        """The output shape of the last layer."""
        return self.lines[-1].output_shape if self.lines else self.image_shape

    @property
    def receptive_field(self) -> tuple[int, int]:
        """The receptive field of the last layer."""
        return self.lines[-1].receptive_field if self.lines else (1, 1)

    @property
    def cost(self) -> Cost:
        """Cost of the forward pass for one example."""
        return sum((line.cost for line in self.lines), Cost())

    @property
    def training(self) -> Cost:
        """Cost of the forward and backward pass for one example."""
        return sum((line.training for line in self.lines), Cost())

    def activation_bytes(self, batch_size: int) -> int:
        """Memory of all outputs of a batch, which the backward pass needs."""
        return batch_size * sum(line.activation_bytes for line in self.lines)


def summarize(layers: Sequence[LayerSpec], image_shape: tuple[int, int, int]) -> Summary:
    """The summary of a network for images of (height, width, channels). Raises LayerError."""
    assembler = _ShapeAssembler(image_shape[:2])
    assemble(layers, _Output(image_shape), assembler)
    return Summary(image_shape, tuple(assembler.lines))
