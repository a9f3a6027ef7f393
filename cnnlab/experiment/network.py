"""Traverses a network's layers and blocks.

Used with shapes in `cnnlab.experiment.summary` and with Keras's tensors in `cnnlab.models.build`, so that names, order
and shortcuts are the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeVar

from cnnlab.experiment.layers.base import LayerSpec, Leaf, Shape, ShapeError, show
from cnnlab.experiment.layers.blocks import Parallel, Repeat, Residual
from cnnlab.experiment.layers.elementwise import Activation, BatchNorm, PadShortcut
from cnnlab.experiment.layers.weighted import Conv2D, Dense
from cnnlab.paths import KeyPath

Value = TypeVar("Value")


class LayerError(Exception):
    """A network that cannot be built; `path` is that of the layer in the experiment."""

    def __init__(self, path: KeyPath, reason: str) -> None:
        super().__init__(reason)
        self.path = path


@dataclass(frozen=True)
class Place:
    """A layer's name in the built network, such as `conv2d_0` or `conv2d_3.1.0`, and its path in the experiment."""

    name: str
    path: KeyPath


class Assembler(Protocol[Value]):
    """How `assemble` applies layers to its values: shapes, or tensors."""

    def shape(self, value: Value) -> Shape:
        """The shape without the batch dimension."""

    def apply(self, spec: Leaf, place: Place, value: Value) -> Value:
        """The output of a layer."""

    def merge(self, kind: Literal["add", "concatenate"], place: Place, values: Sequence[Value]) -> Value:
        """The sum of values of one shape, or their concatenation along the channels."""


def assemble(layers: Sequence[LayerSpec], value: Value, assembler: Assembler[Value]) -> Value:
    """The output of the layers for the input `value`. Raises LayerError where a layer rejects its input."""
    return _Walk(assembler).through(layers, value, (), ("model", "layers"))


class _Walk(Generic[Value]):
    def __init__(self, assembler: Assembler[Value]) -> None:
        self._assembler = assembler

    def through(self, layers: Sequence[LayerSpec], value: Value, numbers: tuple[object, ...], path: KeyPath) -> Value:
        for index, spec in enumerate(layers):
            value = self._layer(spec, value, (*numbers, index), (*path, index, spec.kind))
        return value

    def _layer(self, spec: LayerSpec, value: Value, numbers: tuple[object, ...], path: KeyPath) -> Value:
        try:
            match spec:
                case Repeat():
                    for time in range(spec.times):
                        value = self.through(spec.layers, value, (*numbers, time), (*path, "layers"))
                    return value
                case Parallel():
                    return self._parallel(spec, value, numbers, path)
                case Residual():
                    return self._residual(spec, value, numbers, path)
                case Leaf():
                    return self._apply(spec, value, numbers, path)
        except ShapeError as error:
            raise LayerError(path, str(error)) from None
        raise TypeError(spec)

    def _parallel(self, spec: Parallel, value: Value, numbers: tuple[object, ...], path: KeyPath) -> Value:
        branches = [
            self.through(branch, value, (*numbers, index), (*path, "branches", index))
            for index, branch in enumerate(spec.branches)
        ]
        shapes = [self._assembler.shape(branch) for branch in branches]
        if len({shape[:-1] for shape in shapes}) > 1:
            raise ShapeError(f"its branches give {', '.join(map(show, shapes))}, which differ in more than channels")
        if len(branches) == 1:
            return branches[0]
        return self._assembler.merge("concatenate", _place("concatenate", numbers, path), branches)

    def _residual(self, spec: Residual, value: Value, numbers: tuple[object, ...], path: KeyPath) -> Value:
        branch = self.through(spec.layers, value, numbers, (*path, "layers"))
        for layer in _shortcut(spec, self._assembler.shape(value), self._assembler.shape(branch)):
            value = self._apply(layer, value, (*numbers, "shortcut"), path)
        total = self._assembler.merge("add", _place("add", numbers, path), [branch, value])
        if spec.activation == "linear":
            return total
        return self._apply(Activation(activation=spec.activation), total, numbers, path)

    def _apply(self, spec: Leaf, value: Value, numbers: tuple[object, ...], path: KeyPath) -> Value:
        return self._assembler.apply(spec, _place(spec.kind, numbers, path), value)


def _place(kind: str, numbers: tuple[object, ...], path: KeyPath) -> Place:
    return Place(f"{kind}_{'.'.join(map(str, numbers))}", path)


def _shortcut(spec: Residual, before: Shape, after: Shape) -> list[Leaf]:
    """The layers that map a residual block's input to the shape of its branch. Raises ShapeError where none can."""
    if before == after:
        return []
    if len(before) != len(after):
        raise ShapeError(f"its layers turn {show(before)} into {show(after)}: an image cannot be added to features")
    normalize: list[Leaf] = [BatchNorm()] if any(isinstance(layer, BatchNorm) for layer in spec.layers) else []
    if len(after) == 1:
        if spec.shortcut == "pad":
            raise ShapeError(f"its layers turn {show(before)} into {show(after)}: only images have shortcut: pad")
        return [Dense(units=after[0], use_bias=False), *normalize]
    strides = -(-before[0] // after[0]), -(-before[1] // after[1])
    if (-(-before[0] // strides[0]), -(-before[1] // strides[1])) != after[:2]:
        raise ShapeError(
            f"its layers turn {show(before)} into {show(after)}, which no stride of the shortcut gives; "
            "use padding: same inside it"
        )
    if spec.shortcut == "projection":
        return [Conv2D(filters=after[2], kernel_size=(1, 1), strides=strides, use_bias=False), *normalize]
    if after[2] < before[2]:
        raise ShapeError(f"its layers turn {show(before)} into {show(after)}: shortcut: pad cannot remove channels")
    return [PadShortcut(strides=strides, channels=after[2])]
