"""Shapes, costs and receptive fields of a network, layer by layer, without TensorFlow."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from cnnlab.experiment.layers.backbone import Backbone
from cnnlab.experiment.layers.base import Cost, LayerSpec, Leaf, Shape, ShapeError, Window, show, values_in
from cnnlab.experiment.layers.elementwise import Activation, Flatten
from cnnlab.experiment.layers.weighted import Dense
from cnnlab.experiment.network import LayerError, Place, assemble
from cnnlab.experiment.schema import Experiment

BYTES = 4  # of a float32
XLA_MULTIPLICATIONS = 100_000
"""From so many on for one image XLA makes dense networks faster: between fc's and mlp-ce's."""
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
    is_frozen: bool = False
    """Whether training leaves its weights as they are."""

    @property
    def activation_bytes(self) -> int:
        """Memory of the output for one example; 0 where it is a view of the input."""
        values = self.spec.activation_values(self.input_shape) if self.spec else values_in(self.output_shape)
        return BYTES * values

    @property
    def is_trained(self) -> bool:
        """Whether training changes its weights."""
        return self.cost.trainable > 0 and not self.is_frozen

    @property
    def weights(self) -> dict[str, Shape]:
        """The shape of each of its weights, by `layer/weight` as in a file of weights."""
        found = self.spec.weight_shapes(self.input_shape) if self.spec else {}
        return {f"{self.place.name}/{name}": shape for name, shape in found.items()}

    @property
    def training(self) -> Cost:
        """The cost with the backward pass: as much again for each gradient, of the weights and of the input."""
        passes = 1 + self.is_trained + self.input_gradient
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

    def __init__(self, image: tuple[int, int], frozen: Collection[str] = ()) -> None:
        self._image, self._frozen = image, frozen
        self.lines: list[Line] = []

    def shape(self, value: _Output) -> Shape:
        return value.shape

    def apply(self, spec: Leaf, place: Place, value: _Output) -> _Output:
        shape = _checked_size(spec.output_shape(value.shape))
        cost = spec.cost(value.shape)
        field, jump = self._receptive_field(value, spec.window(value.shape))
        is_frozen = place.name in self._frozen or (isinstance(spec, Backbone) and spec.freeze)
        line = Line(place, spec, value.shape, shape, cost, field, value.trained, is_frozen)
        self.lines.append(line)
        return _Output(shape, field, jump, value.trained or line.is_trained)

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
    def names(self) -> list[str]:
        """The names of the layers."""
        return [line.place.name for line in self.lines]

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
    def frozen(self) -> Cost:
        """Cost of the layers whose weights training leaves as they are."""
        return sum((line.cost for line in self.lines if line.is_frozen), Cost())

    @property
    def training(self) -> Cost:
        """Cost of the forward and backward pass for one example."""
        return sum((line.training for line in self.lines), Cost())

    def activation_bytes(self, batch_size: int) -> int:
        """Memory of all outputs of a batch, which the backward pass needs."""
        return batch_size * sum(line.activation_bytes for line in self.lines)


def summarize_experiment(experiment: Experiment) -> Summary:
    """The summary of an experiment's network, some of whose layers may be frozen. Raises LayerError."""
    model, shape = experiment.model, experiment.input_shape
    summary = summarize(model.layers, shape)
    frozen = model.pretrained.frozen(summary.names) if model.pretrained else ()
    return summarize(model.layers, shape, frozen) if frozen else summary


def gains_from_xla(experiment: Experiment) -> bool:
    """Whether XLA makes a training on a CPU faster: a dense network of some size, on more than one thread.

    An epoch of mlp-ce on MNIST took 0.53 s with XLA and two threads on two Xeon cores, 0.65 without and with one
    thread, which is the faster number there; compiling takes half a second. XLA made convolutions slower, LeNet three
    times, and fc, which has 7,840 multiplications.
    """
    train, preprocessing = experiment.train, experiment.preprocessing
    if train.threads == 1 or preprocessing.augmentation or train.adversarial is not None:
        return False
    try:
        summary = summarize_experiment(experiment)
    except LayerError:
        return False
    is_dense = all(isinstance(line.spec, Dense | Flatten | Activation) for line in summary.lines)
    return is_dense and summary.cost.multiplications >= XLA_MULTIPLICATIONS


def summarize(layers: Sequence[LayerSpec], image_shape: tuple[int, int, int], frozen: Collection[str] = ()) -> Summary:
    """The summary of a network for images of (height, width, channels), with `frozen` layers. Raises LayerError."""
    assembler = _ShapeAssembler(image_shape[:2], frozen)
    assemble(layers, _Output(image_shape), assembler)
    return Summary(image_shape, tuple(assembler.lines))
