"""How the weights of a layer start, and what keeps them small. Names and options are those of Keras.

`fan_in` and `fan_out` are the values that one output depends on and that one input reaches:
kernel height * kernel width * channels.
"""

from typing import Annotated, ClassVar

from cnnlab.experiment.choice import Choice, Finite, NonNegative, Positive, by_kind


class GlorotUniform(Choice):
    """Uniform in ± sqrt(6 / (fan_in + fan_out)). Glorot and Bengio 2010; the default."""

    kind: ClassVar[str] = "glorot_uniform"
    keras: ClassVar[tuple[str, ...]] = ("GlorotUniform",)


class GlorotNormal(Choice):
    """Truncated normal whose standard deviation after truncation is sqrt(2 / (fan_in + fan_out))."""

    kind: ClassVar[str] = "glorot_normal"
    keras: ClassVar[tuple[str, ...]] = ("GlorotNormal",)


class HeUniform(Choice):
    """Uniform in ± sqrt(6 / fan_in). He et al. 2015."""

    kind: ClassVar[str] = "he_uniform"
    keras: ClassVar[tuple[str, ...]] = ("HeUniform",)


class HeNormal(Choice):
    """Truncated normal whose standard deviation after truncation is sqrt(2 / fan_in). He et al. 2015."""

    kind: ClassVar[str] = "he_normal"
    keras: ClassVar[tuple[str, ...]] = ("HeNormal",)


class LecunUniform(Choice):
    """Uniform in ± sqrt(3 / fan_in)."""

    kind: ClassVar[str] = "lecun_uniform"
    keras: ClassVar[tuple[str, ...]] = ("LecunUniform",)


class LecunNormal(Choice):
    """Truncated normal whose standard deviation after truncation is sqrt(1 / fan_in)."""

    kind: ClassVar[str] = "lecun_normal"
    keras: ClassVar[tuple[str, ...]] = ("LecunNormal",)


class Xavier(Choice):
    """Normal with stddev sqrt(2 / (fan_in + fan_out)), cut off at two stddev, as the Intel course defines it.

    The cut makes its standard deviation 0.88 of that; `glorot_normal` corrects for it.
    """

    kind: ClassVar[str] = "xavier"


class He(Choice):
    """Normal with stddev sqrt(2 / fan_in), cut off at two stddev, as the Intel course defines it.

    The cut makes its standard deviation 0.88 of that; `he_normal` corrects for it.
    """

    kind: ClassVar[str] = "he"


class TruncatedNormal(Choice):
    """Normal, drawn again beyond two stddev from the mean.

    stddev: the standard deviation before the cut.
    mean: the middle.
    Example: truncated_normal: {stddev: 0.1}
    """

    kind: ClassVar[str] = "truncated_normal"
    keras: ClassVar[tuple[str, ...]] = ("TruncatedNormal",)
    shorthand: ClassVar[str | None] = "stddev"
    stddev: NonNegative = 0.05
    mean: Finite = 0.0


class RandomNormal(Choice):
    """Normal.

    stddev: the standard deviation.
    mean: the middle.
    Example: random_normal: {stddev: 0.01}
    """

    kind: ClassVar[str] = "random_normal"
    keras: ClassVar[tuple[str, ...]] = ("RandomNormal",)
    shorthand: ClassVar[str | None] = "stddev"
    stddev: NonNegative = 0.05
    mean: Finite = 0.0


class RandomUniform(Choice):
    """Uniform from `minval` to `maxval`.

    minval: the lower bound.
    maxval: the upper bound.
    Example: random_uniform: {minval: -0.1, maxval: 0.1}
    """

    kind: ClassVar[str] = "random_uniform"
    keras: ClassVar[tuple[str, ...]] = ("RandomUniform",)
    minval: Finite = -0.05
    maxval: Finite = 0.05


class Orthogonal(Choice):
    """A random orthogonal matrix. Saxe et al. 2014.

    gain: what it is multiplied by.
    """

    kind: ClassVar[str] = "orthogonal"
    keras: ClassVar[tuple[str, ...]] = ("Orthogonal", "OrthogonalInitializer")
    shorthand: ClassVar[str | None] = "gain"
    gain: Finite = 1.0


class Zeros(Choice):
    """Zeros everywhere: what a network cannot learn from, for demonstrations."""

    kind: ClassVar[str] = "zeros"
    keras: ClassVar[tuple[str, ...]] = ("Zeros",)


class Ones(Choice):
    """Ones everywhere, for demonstrations."""

    kind: ClassVar[str] = "ones"
    keras: ClassVar[tuple[str, ...]] = ("Ones",)


Initializer = Annotated[
    GlorotUniform
    | GlorotNormal
    | HeUniform
    | HeNormal
    | LecunUniform
    | LecunNormal
    | Xavier
    | He
    | TruncatedNormal
    | RandomNormal
    | RandomUniform
    | Orthogonal
    | Zeros
    | Ones,
    by_kind,
]


class L1(Choice):
    """Adds l1 * sum of |weight| to the loss.

    l1: the factor.
    Example: l1: 0.0001
    """

    kind: ClassVar[str] = "l1"
    keras: ClassVar[tuple[str, ...]] = ("L1",)
    shorthand: ClassVar[str | None] = "l1"
    l1: Positive = 0.01


class L2(Choice):
    """Adds l2 * sum of weight² to the loss.

    l2: the factor. The weight decay λ that papers print, with λ/2 in the loss, is twice it.
    Example: l2: 0.0001
    """

    kind: ClassVar[str] = "l2"
    keras: ClassVar[tuple[str, ...]] = ("L2",)
    shorthand: ClassVar[str | None] = "l2"
    l2: Positive = 0.01


class L1L2(Choice):
    """Both of them.

    l1: the factor of the sum of |weight|.
    l2: the factor of the sum of weight².
    Example: l1_l2: {l1: 0.00001, l2: 0.0001}
    """

    kind: ClassVar[str] = "l1_l2"
    keras: ClassVar[tuple[str, ...]] = ("L1L2",)
    l1: NonNegative = 0.0
    l2: NonNegative = 0.0


Regularizer = Annotated[L1 | L2 | L1L2, by_kind]
