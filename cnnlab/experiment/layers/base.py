"""Base classes of layers: output shape, parameters and cost, without TensorFlow.

Names are those of `keras.layers`. The fields of a spec are keyword arguments of the Keras layer of the same name.
"""

import math
from dataclasses import dataclass, fields
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from cnnlab.experiment.choice import Choice, any_schema, list_schema
from cnnlab.experiment.initializers import GlorotUniform, Initializer, Regularizer

Shape = tuple[int, ...]
"""Of one example: (height, width, channels) or (features,)."""

Activation = Literal[
    "linear", "relu", "relu6", "leaky_relu", "elu", "selu", "gelu", "silu", "sigmoid", "hard_sigmoid", "tanh",
    "softplus", "softmax",
]  # fmt: skip
Padding = Literal["valid", "same"]
Size = Annotated[int, Field(gt=0, lt=2**31)]  # TensorFlow's kernels count in 32 bits
LARGEST_WINDOW = 1024  # pixels; far larger ones crash TensorFlow's kernels


def _pair_of(smallest: int) -> Any:
    """`5` means (5, 5); `[3, 5]` is (height, width)."""

    def as_pair(value: Any) -> Any:
        pair = (value, value) if isinstance(value, int) else tuple(value) if isinstance(value, list) else value
        if not (
            isinstance(pair, tuple)
            and len(pair) == 2
            and all(type(n) is int and smallest <= n <= LARGEST_WINDOW for n in pair)
        ):
            raise PydanticCustomError(
                "pair_expected",
                f"expected an integer from {smallest} to {LARGEST_WINDOW} or a pair [height, width] of them",
            )
        return pair

    return BeforeValidator(as_pair)


def _pair_schema(smallest: int) -> WithJsonSchema:
    length = {"type": "integer", "minimum": smallest, "maximum": LARGEST_WINDOW}
    return any_schema(length, list_schema(length, 2, 2))


Pair = Annotated[tuple[int, int], _pair_of(1), _pair_schema(1)]
PairOrZero = Annotated[tuple[int, int], _pair_of(0), _pair_schema(0)]


class ShapeError(Exception):
    """A layer that cannot take its input; the message says why and what to do."""


@dataclass(frozen=True)
class Cost:
    """Parameters of a layer, and operations of its forward pass for one example.

    `state` is not trained: the running mean and variance of batch normalization. Each multiplication is followed by one
    addition. Comparisons (max pooling, ReLU) and activation functions are not counted.
    """

    weights: int = 0
    biases: int = 0
    state: int = 0
    multiplications: int = 0
    additions: int = 0

    @property
    def trainable(self) -> int:
        """Trainable parameters."""
        return self.weights + self.biases

    @property
    def parameters(self) -> int:
        """All parameters, as in Keras's `count_params`."""
        return self.trainable + self.state

    def __add__(self, other: "Cost") -> "Cost":
        """The sum of both costs."""
        return Cost(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


@dataclass(frozen=True)
class Window:
    """The input pixels (height, width) of one output pixel, and their distance from those of the next one."""

    size: tuple[int, int] = (1, 1)
    strides: tuple[int, int] = (1, 1)


class LayerSpec(Choice):
    """A layer or a block of layers."""


class Leaf(LayerSpec):
    """A single layer. By default it keeps the shape and costs nothing."""

    is_view: ClassVar[bool] = False
    """Whether the output is a view of the input."""

    def output_shape(self, shape: Shape) -> Shape:
        """The output shape for an input of `shape`. Raises ShapeError where the layer cannot take it."""
        return shape

    def cost(self, shape: Shape) -> Cost:
        """The cost for a valid input of `shape`."""
        return Cost()

    def activation_values(self, shape: Shape) -> int:
        """The number of values that it computes for one example and the backward pass needs; 0 for views."""
        return 0 if self.is_view else values_in(self.output_shape(shape))

    def weight_shapes(self, shape: Shape) -> dict[str, Shape]:
        """The shape of each weight by its name in Keras, state included, for a valid input of `shape`."""
        return {}

    def window(self, shape: Shape) -> Window:
        """The window of one output pixel in an input of `shape`."""
        return Window()


class Weighted(Leaf):
    """A layer with a kernel."""

    activation: Activation = "linear"
    """Activation function of the outputs."""
    use_bias: bool = True
    """Whether every output has a bias."""
    kernel_initializer: Initializer = GlorotUniform()
    """Initializer of the weights."""
    kernel_regularizer: Regularizer | None = None
    """Regularizer of the weights."""

    def _with_bias(self, kernels: dict[str, Shape], outputs: int) -> dict[str, Shape]:
        return {**kernels, "bias": (outputs,)} if self.use_bias else kernels


def show(shape: Shape) -> str:
    """`(5, 5, 16)`."""
    return str(tuple(shape))


def as_image(shape: Shape) -> tuple[int, int, int]:
    """`shape` as (height, width, channels). Raises ShapeError where it is not an image."""
    if len(shape) != 3:
        raise ShapeError(f"expected an image (height, width, channels), got {show(shape)}; move it before flatten")
    height, width, channels = shape
    return height, width, channels


def slide(shape: Shape, size: tuple[int, int], strides: tuple[int, int], padding: Padding) -> tuple[int, int]:
    """The output (height, width) of a sliding window. Raises ShapeError where it is empty."""
    height, width, _ = as_image(shape)
    if padding == "same":
        return -(-height // strides[0]), -(-width // strides[1])
    rows, columns = (height - size[0]) // strides[0] + 1, (width - size[1]) // strides[1] + 1
    if rows < 1 or columns < 1:
        raise ShapeError(
            f"empty output: its window of {size[0]}×{size[1]} is larger than its input {show(shape)}; "
            "use padding: same, a smaller window, or less pooling before it"
        )
    return rows, columns


def values_in(shape: Shape) -> int:
    """The number of values in an array of `shape`."""
    return math.prod(shape)
