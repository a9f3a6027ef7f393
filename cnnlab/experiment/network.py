"""A network layer by layer: the one walk over its blocks, and what that walk says without TensorFlow.

`assemble` is used twice: here with shapes, in `cnnlab.models.build` with Keras's tensors, so that names, order and
shortcuts are the same by construction.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Generic, Literal, Protocol, TypeVar

from cnnlab.experiment.layers.base import Cost, LayerSpec, Leaf, Shape, ShapeError, Window, show, values_in
from cnnlab.experiment.layers.blocks import Parallel, Repeat, Residual
from cnnlab.experiment.layers.elementwise import Activation, BatchNorm, PadShortcut
from cnnlab.experiment.layers.weighted import Conv2D, Dense

Path = tuple[str | int, ...]
Value = TypeVar("Value")
BYTES = 4  # of a float32


class Misfit(Exception):
    """A network that cannot be built; `path` is the layer's place in the experiment."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(reason)
        self.path = path


@dataclass(frozen=True)
class Place:
    """Where a layer is: its name in the built network, such as `conv2d_0` or `conv2d_3.1.0`, and its path."""

    name: str
    path: Path


class Assembler(Protocol[Value]):
    """What `assemble` needs to know of the values that go through the network."""

    def shape(self, value: Value) -> Shape:
        """Without the batch."""

    def apply(self, spec: Leaf, place: Place, value: Value) -> Value:
        """One layer."""

    def merge(self, kind: Literal["add", "concatenate"], place: Place, values: Sequence[Value]) -> Value:
        """Values of one shape added up, or side by side along the channels."""


def assemble(layers: Sequence[LayerSpec], value: Value, assembler: Assembler[Value]) -> Value:
    """Send `value` through the layers. Raises Misfit where a layer cannot take what it gets."""
    return _Walk(assembler).through(layers, value, (), ("model", "layers"))


class _Walk(Generic[Value]):
    def __init__(self, assembler: Assembler[Value]) -> None:
        self._assembler = assembler

    def through(self, layers: Sequence[LayerSpec], value: Value, numbers: tuple[object, ...], path: Path) -> Value:
        for index, spec in enumerate(layers):
            value = self._layer(spec, value, (*numbers, index), (*path, index, spec.kind))
        return value

    def _layer(self, spec: LayerSpec, value: Value, numbers: tuple[object, ...], path: Path) -> Value:
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
        raise TypeError(spec)

    def _parallel(self, spec: Parallel, value: Value, numbers: tuple[object, ...], path: Path) -> Value:
        branches = [
            self.through(branch, value, (*numbers, index), (*path, "branches", index))
            for index, branch in enumerate(spec.branches)
        ]
        shapes = [self._assembler.shape(branch) for branch in branches]
        if len({shape[:-1] for shape in shapes}) > 1:
            raise Misfit(path, f"its branches give {', '.join(map(show, shapes))}, which differ in more than channels")
        return branches[0] if len(branches) == 1 else self._merge("concatenate", branches, numbers, path)

    def _residual(self, spec: Residual, value: Value, numbers: tuple[object, ...], path: Path) -> Value:
        branch = self.through(spec.layers, value, numbers, (*path, "layers"))
        try:
            shortcut = _shortcut(spec, self._assembler.shape(value), self._assembler.shape(branch))
        except ShapeError as error:
            raise Misfit(path, str(error)) from None
        for layer in shortcut:
            value = self._apply(layer, value, (*numbers, "shortcut"), path)
        total = self._merge("add", [branch, value], numbers, path)
        if spec.activation == "linear":
            return total
        return self._apply(Activation(activation=spec.activation), total, numbers, path)

    def _apply(self, spec: Leaf, value: Value, numbers: tuple[object, ...], path: Path) -> Value:
        try:
            return self._assembler.apply(spec, Place(_name(spec.kind, numbers), path), value)
        except ShapeError as error:
            raise Misfit(path, str(error)) from None

    def _merge(
        self, kind: Literal["add", "concatenate"], values: Sequence[Value], numbers: tuple[object, ...], path: Path
    ) -> Value:
        return self._assembler.merge(kind, Place(_name(kind, numbers), path), values)


def _name(kind: str, numbers: tuple[object, ...]) -> str:
    return f"{kind}_{'.'.join(map(str, numbers))}"


def _shortcut(spec: Residual, before: Shape, after: Shape) -> list[Leaf]:
    """The layers that bring a residual block's input to the shape of its branch. Raises ShapeError where none do."""
    if before == after:
        return []
    if len(before) != len(after):
        raise ShapeError(f"its layers turn {show(before)} into {show(after)}: a picture cannot be added to features")
    normalise: list[Leaf] = [BatchNorm()] if any(isinstance(layer, BatchNorm) for layer in spec.layers) else []
    if len(after) == 1:
        if spec.shortcut == "pad":
            raise ShapeError(f"its layers turn {show(before)} into {show(after)}: only pictures have shortcut: pad")
        return [Dense(units=after[0], use_bias=False), *normalise]
    strides = -(-before[0] // after[0]), -(-before[1] // after[1])
    if (-(-before[0] // strides[0]), -(-before[1] // strides[1])) != after[:2]:
        raise ShapeError(
            f"its layers turn {show(before)} into {show(after)}, which no stride of the shortcut gives; "
            "use padding: same inside it"
        )
    if spec.shortcut == "projection":
        return [Conv2D(filters=after[2], kernel_size=(1, 1), strides=strides, use_bias=False), *normalise]
    if after[2] < before[2]:
        raise ShapeError(f"its layers turn {show(before)} into {show(after)}: shortcut: pad cannot take channels away")
    return [PadShortcut(strides=strides, channels=after[2])]


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
        shape = spec.output_shape(value.shape)
        cost = spec.cost(value.shape)
        field, jump = self._widened(value, spec.window(value.shape))
        self.lines.append(Line(place, spec, value.shape, shape, cost, field, value.trained))
        return _Signal(shape, field, jump, value.trained or cost.trainable > 0)

    def merge(self, kind: Literal["add", "concatenate"], place: Place, values: Sequence[_Signal]) -> _Signal:
        first = values[0]
        channels = sum(value.shape[-1] for value in values) if kind == "concatenate" else first.shape[-1]
        shape = (*first.shape[:-1], channels)
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
    """What a network for images of (height, width, channels) consists of and costs. Raises Misfit."""
    tally = _Tally(image_shape[:2])
    assemble(layers, _Signal(image_shape), tally)
    return Summary(image_shape, tuple(tally.lines))
