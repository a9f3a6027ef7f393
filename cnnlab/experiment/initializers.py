"""Initializers and regularizers of weights. Names and options are those of Keras.

`fan_in` and `fan_out` are the numbers of inputs of an output and of outputs of an input: kernel height * kernel width *
channels.
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
    """Normal with stddev sqrt(2 / (fan_in + fan_out)), truncated at two stddev, as defined in the Intel course.

    Truncation reduces the standard deviation to 0.88 of that; `glorot_normal` corrects for it.
    """

    kind: ClassVar[str] = "xavier"


class He(Choice):
    """Normal with stddev sqrt(2 / fan_in), truncated at two stddev, as defined in the Intel course.

    Truncation reduces the standard deviation to 0.88 of that; `he_normal` corrects for it.
    """

    kind: ClassVar[str] = "he"


class TruncatedNormal(Choice):
    """Normal; values more than two stddev from the mean are drawn again."""

    kind: ClassVar[str] = "truncated_normal"
    keras: ClassVar[tuple[str, ...]] = ("TruncatedNormal",)
    shorthand: ClassVar[str | None] = "stddev"
    usage: ClassVar[tuple[str, ...]] = ("truncated_normal: {stddev: 0.1}",)
    stddev: NonNegative = 0.05
    """Standard deviation before truncation."""
    mean: Finite = 0.0
    """Mean."""


class RandomNormal(Choice):
    """Normal."""

    kind: ClassVar[str] = "random_normal"
    keras: ClassVar[tuple[str, ...]] = ("RandomNormal",)
    shorthand: ClassVar[str | None] = "stddev"
    usage: ClassVar[tuple[str, ...]] = ("random_normal: {stddev: 0.01}",)
    stddev: NonNegative = 0.05
    """Standard deviation."""
    mean: Finite = 0.0
    """Mean."""


class RandomUniform(Choice):
    """Uniform from `minval` to `maxval`."""

    kind: ClassVar[str] = "random_uniform"
    keras: ClassVar[tuple[str, ...]] = ("RandomUniform",)
    usage: ClassVar[tuple[str, ...]] = ("random_uniform: {minval: -0.1, maxval: 0.1}",)
    minval: Finite = -0.05
    """Lower bound."""
    maxval: Finite = 0.05
    """Upper bound."""


class Orthogonal(Choice):
    """A random orthogonal matrix. Saxe et al. 2014."""

    kind: ClassVar[str] = "orthogonal"
    keras: ClassVar[tuple[str, ...]] = ("Orthogonal", "OrthogonalInitializer")
    shorthand: ClassVar[str | None] = "gain"
    gain: Finite = 1.0
    """Factor applied to the matrix."""


class Zeros(Choice):
    """All zeros, from which a network cannot learn; for demonstrations."""

    kind: ClassVar[str] = "zeros"
    keras: ClassVar[tuple[str, ...]] = ("Zeros",)


class Ones(Choice):
    """All ones; for demonstrations."""

    kind: ClassVar[str] = "ones"
    keras: ClassVar[tuple[str, ...]] = ("Ones",)


class Dirac(Choice):
    """The first filters, as many as there are input channels, pass on one channel each; others are `glorot_uniform`.

    For `conv2d` and `dense`; a deep network starts close to the identity. Jordan 2024, "94% on CIFAR-10 in 3.29
    seconds on a single GPU". PyTorch's `dirac_` sets the other filters to 0.
    """

    kind: ClassVar[str] = "dirac"
    usage: ClassVar[tuple[str, ...]] = ("dirac",)


class Whitening(Choice):
    """Principal components of windows of training images, divided by their standard deviations, and their negatives.

    For a `conv2d` that is the first layer, whose outputs then are uncorrelated and of variance 1. Jordan 2024, "94% on
    CIFAR-10 in 3.29 seconds on a single GPU", after Page 2019. Components of largest variance come first, negatives
    after all components, so that fewer filters leave the latter out. At most 5,000 images are used, the same for every
    seed.
    """

    kind: ClassVar[str] = "whitening"
    usage: ClassVar[tuple[str, ...]] = ("whitening",)


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
    | Ones
    | Dirac
    | Whitening,
    by_kind,
]


class L1(Choice):
    """Adds l1 * sum of |weight| to the loss."""

    kind: ClassVar[str] = "l1"
    keras: ClassVar[tuple[str, ...]] = ("L1",)
    shorthand: ClassVar[str | None] = "l1"
    usage: ClassVar[tuple[str, ...]] = ("l1: 0.0001",)
    l1: Positive = 0.01
    """Regularization factor."""


class L2(Choice):
    """Adds l2 * sum of weight² to the loss."""

    kind: ClassVar[str] = "l2"
    keras: ClassVar[tuple[str, ...]] = ("L2",)
    shorthand: ClassVar[str | None] = "l2"
    usage: ClassVar[tuple[str, ...]] = ("l2: 0.0001",)
    l2: Positive = 0.01
    """Regularization factor. The weight decay λ of papers that add λ/2 to the loss is twice as large."""


class L1L2(Choice):
    """Adds l1 * sum of |weight| + l2 * sum of weight² to the loss."""

    kind: ClassVar[str] = "l1_l2"
    keras: ClassVar[tuple[str, ...]] = ("L1L2",)
    usage: ClassVar[tuple[str, ...]] = ("l1_l2: {l1: 0.00001, l2: 0.0001}",)
    l1: NonNegative = 0.0
    """Factor of the sum of |weight|."""
    l2: NonNegative = 0.0
    """Factor of the sum of weight²."""


Regularizer = Annotated[L1 | L2 | L1L2, by_kind]
