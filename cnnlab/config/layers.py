"""The layers of a network. Names and meanings are those of `keras.layers`.

Every spec's fields are keyword arguments of the Keras layer of the same name, so that `cnnlab.models`
can build one from the other without a table of its own.
"""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, Tag
from pydantic_core import PydanticCustomError

from cnnlab.config.choice import Choice, by_kind
from cnnlab.config.initializers import GlorotUniform, Initializer

Activation = Literal["linear", "relu", "sigmoid", "tanh", "softmax"]
Padding = Literal["valid", "same"]
Size = Annotated[int, Field(gt=0, lt=2**31)]  # TensorFlow's kernels count in 32 bits
LARGEST_WINDOW = 1024  # pixels: beyond any picture here, and below what makes TensorFlow's kernels crash


def _as_pair(value: Any) -> Any:
    """`5` means (5, 5); `[3, 5]` is (height, width)."""
    pair = (value, value) if isinstance(value, int) else tuple(value) if isinstance(value, list) else value
    if not (
        isinstance(pair, tuple) and len(pair) == 2 and all(type(n) is int and 0 < n <= LARGEST_WINDOW for n in pair)
    ):
        raise PydanticCustomError(
            "pair_expected", f"expected an integer from 1 to {LARGEST_WINDOW} or a pair [height, width] of them"
        )
    return pair


Pair = Annotated[
    tuple[int, int],
    BeforeValidator(_as_pair),
    PlainSerializer(lambda pair: pair[0] if pair[0] == pair[1] else list(pair), return_type=int | list[int]),
]


class Dense(Choice):
    """A fully connected layer: (features,) to (units,)."""

    kind: ClassVar[str] = "dense"
    short: ClassVar[str | None] = "units"
    units: Size
    activation: Activation = "linear"
    use_bias: bool = True
    kernel_initializer: Initializer = GlorotUniform()


class Conv2D(Choice):
    """A convolution: (height, width, channels) to (height', width', filters)."""

    kind: ClassVar[str] = "conv2d"
    filters: Size
    kernel_size: Pair
    strides: Pair = (1, 1)
    padding: Padding = "valid"
    activation: Activation = "linear"
    use_bias: bool = True
    kernel_initializer: Initializer = GlorotUniform()


class MaxPool2D(Choice):
    """The maximum of every window of `pool_size`; `strides` is `pool_size` unless given."""

    kind: ClassVar[str] = "max_pool2d"
    short: ClassVar[str | None] = "pool_size"
    pool_size: Pair = (2, 2)
    strides: Pair | None = None
    padding: Padding = "valid"


class ZeroPadding2D(Choice):
    """Zeros around the picture: `padding` rows above and below, columns left and right."""

    kind: ClassVar[str] = "zero_padding2d"
    short: ClassVar[str | None] = "padding"
    padding: Pair = (1, 1)


class Flatten(Choice):
    """(height, width, channels) to (height * width * channels,)."""

    kind: ClassVar[str] = "flatten"


class Dropout(Choice):
    """While training, sets a share `rate` in [0, 1) of the values to zero and scales the others up."""

    kind: ClassVar[str] = "dropout"
    short: ClassVar[str | None] = "rate"
    rate: Annotated[float, Field(ge=0, lt=1)]


Layer = Annotated[
    Annotated[Dense, Tag("dense")]
    | Annotated[Conv2D, Tag("conv2d")]
    | Annotated[MaxPool2D, Tag("max_pool2d")]
    | Annotated[ZeroPadding2D, Tag("zero_padding2d")]
    | Annotated[Flatten, Tag("flatten")]
    | Annotated[Dropout, Tag("dropout")],
    by_kind,
]
