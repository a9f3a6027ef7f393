"""Which pixels an output of a convolution depends on: not only how many, as in `experiment.summary`, but where."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from cnnlab.experiment.layers.base import Leaf, Shape
from cnnlab.experiment.layers.elementwise import ZeroPadding2D
from cnnlab.experiment.layers.pooling import Pooling
from cnnlab.experiment.layers.weighted import Convolution
from cnnlab.experiment.network import Place, assemble
from cnnlab.experiment.schema import Experiment


@dataclass(frozen=True)
class Axis:
    """Output i depends on the pixels from `start + i * jump` on, `size` of them; those beyond the image are padding."""

    start: int = 0
    size: int = 1
    jump: int = 1

    def through(self, window: int, stride: int, padding: int) -> "Axis":
        """After a sliding window. Araujo et al. 2019, "Computing receptive fields of convolutional neural networks"."""
        return Axis(self.start - padding * self.jump, self.size + (window - 1) * self.jump, self.jump * stride)

    def pixels(self, index: int, length: int) -> tuple[int, int]:
        """The first pixel and the one after the last of output `index`: all `length` where it sees more than that."""
        first = self.start + index * self.jump
        return (0, length) if self.size >= length else (first, first + self.size)


Axes = tuple[Axis, Axis]


@dataclass(frozen=True)
class _Value:
    shape: Shape
    axes: Axes


class _FieldAssembler:
    """Records the receptive fields of each layer's output."""

    def __init__(self) -> None:
        self.fields: dict[str, Axes] = {}

    def shape(self, value: _Value) -> Shape:
        return value.shape

    def apply(self, spec: Leaf, place: Place, value: _Value) -> _Value:
        shape, window = spec.output_shape(value.shape), spec.window(value.shape)
        padding = _padding(spec, value.shape)
        vertical, horizontal = (
            axis.through(size, stride, before)
            for axis, size, stride, before in zip(value.axes, window.size, window.strides, padding, strict=True)
        )
        self.fields[place.name] = vertical, horizontal
        return _Value(shape, (vertical, horizontal))

    def merge(self, kind: Literal["add", "concatenate"], place: Place, values: Sequence[_Value]) -> _Value:
        vertical, horizontal = (_union([value.axes[axis] for value in values]) for axis in (0, 1))
        channels = sum(value.shape[-1] for value in values) if kind == "concatenate" else values[0].shape[-1]
        self.fields[place.name] = vertical, horizontal
        return _Value((*values[0].shape[:-1], channels), (vertical, horizontal))


def receptive_fields(experiment: Experiment) -> dict[str, Axes]:
    """Of every layer of a network, by its name; pixels are those of the images before zero padding."""
    assembler, padding = _FieldAssembler(), experiment.preprocessing.zero_padding
    image = Axis(-padding), Axis(-padding)
    assemble(experiment.model.layers, _Value(experiment.input_shape, image), assembler)
    return assembler.fields


def _union(axes: Sequence[Axis]) -> Axis:
    start = min(axis.start for axis in axes)
    return Axis(start, max(axis.start + axis.size for axis in axes) - start, max(axis.jump for axis in axes))


def _padding(spec: Leaf, shape: Shape) -> tuple[int, int]:
    """Rows and columns of padding before the image; of an odd number TensorFlow puts the smaller half there."""
    if isinstance(spec, ZeroPadding2D):
        return spec.padding
    if not isinstance(spec, Convolution | Pooling) or spec.padding == "valid":
        return 0, 0
    window = spec.window(shape)
    rows, columns = (
        max(0, (-(-length // stride) - 1) * stride + size - length) // 2
        for length, size, stride in zip(shape[:2], window.size, window.strides, strict=True)
    )
    return rows, columns
