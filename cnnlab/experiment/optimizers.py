"""How a step changes the weights. Names, options and defaults are those of `keras.optimizers`."""

from typing import Annotated, ClassVar

from cnnlab.experiment.choice import Choice, Fraction, NonNegative, Positive, by_kind


class Sgd(Choice):
    """Stochastic gradient descent.

    learning_rate: the step's size.
    momentum: the share of the last step that is added again.
    nesterov: whether the gradient is taken at where the momentum leads.
    weight_decay: the share of every weight, times the learning rate, that a step takes away.
    Example: sgd: {learning_rate: 0.1, momentum: 0.9}
    """

    kind: ClassVar[str] = "sgd"
    keras: ClassVar[tuple[str, ...]] = ("SGD",)
    shorthand: ClassVar[str | None] = "learning_rate"
    learning_rate: Positive = 0.01
    momentum: Fraction = 0.0
    nesterov: bool = False
    weight_decay: NonNegative = 0.0


class Adam(Choice):
    """Steps scaled by running means of the gradient and its square. Kingma and Ba 2014.

    learning_rate: the step's size.
    beta_1: the share of the running mean that a step keeps.
    beta_2: the same for the squares.
    epsilon: added to the root of the squares.
    Example: adam: {learning_rate: 0.001}
    """

    kind: ClassVar[str] = "adam"
    keras: ClassVar[tuple[str, ...]] = ("Adam",)
    shorthand: ClassVar[str | None] = "learning_rate"
    learning_rate: Positive = 0.001
    beta_1: Fraction = 0.9
    beta_2: Fraction = 0.999
    epsilon: Positive = 1e-7


class AdamW(Adam):
    """Adam with weight decay that is not part of the gradient. Loshchilov and Hutter 2017.

    weight_decay: the share of every weight, times the learning rate, that a step takes away.
    Example: adamw: {learning_rate: 0.001, weight_decay: 0.01}
    """

    kind: ClassVar[str] = "adamw"
    keras: ClassVar[tuple[str, ...]] = ("AdamW",)
    weight_decay: NonNegative = 0.004


class RMSprop(Choice):
    """Steps scaled by a running mean of the gradient's square. Tieleman and Hinton 2012.

    learning_rate: the step's size.
    rho: the share of the running mean that a step keeps.
    momentum: the share of the last step that is added again.
    epsilon: added to the mean of the squares.
    centered: whether the gradient's running mean is taken off, so that its variance scales the step.
    Example: rmsprop: {learning_rate: 0.001}
    """

    kind: ClassVar[str] = "rmsprop"
    keras: ClassVar[tuple[str, ...]] = ("RMSprop",)
    shorthand: ClassVar[str | None] = "learning_rate"
    learning_rate: Positive = 0.001
    rho: Fraction = 0.9
    momentum: Fraction = 0.0
    epsilon: Positive = 1e-7
    centered: bool = False


Optimizer = Annotated[Sgd | Adam | AdamW | RMSprop, by_kind]


def lower_learning_rate(optimizer: Optimizer) -> str:
    """What `--set` takes to try again what went too fast: a tenth of the rate, or the default if that is less."""
    default = type(optimizer).model_fields["learning_rate"].default
    return f"train.optimizer.{optimizer.kind}.learning_rate={min(optimizer.learning_rate / 10, default):.3g}"


def higher_learning_rate(optimizer: Optimizer) -> str:
    """The same for what goes too slowly: ten times the rate, or the default if that is more."""
    default = type(optimizer).model_fields["learning_rate"].default
    return f"train.optimizer.{optimizer.kind}.learning_rate={max(optimizer.learning_rate * 10, default):.3g}"
