"""Optimizers. Names, options and defaults are those of `keras.optimizers`."""

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from cnnlab.experiment.choice import Choice, Fraction, NonNegative, Positive, by_kind


class Averaging(Choice):
    """An optimizer that may keep a running mean of the weights (Polyak and Juditsky 1992)."""

    use_ema: bool = False
    """Whether to keep a running mean of the weights, which validation and the final network then use."""
    ema_momentum: Annotated[float, Field(ge=0, lt=1)] = 0.99
    """Decay rate per step of that running mean."""

    @model_validator(mode="after")
    def _check_averaging(self) -> Self:
        if not self.use_ema and self.ema_momentum != type(self).model_fields["ema_momentum"].default:
            raise PydanticCustomError("misfit", "ema_momentum has no effect without use_ema: true")
        return self


class Sgd(Averaging):
    """Stochastic gradient descent."""

    kind: ClassVar[str] = "sgd"
    keras: ClassVar[tuple[str, ...]] = ("SGD",)
    shorthand: ClassVar[str | None] = "learning_rate"
    usage: ClassVar[tuple[str, ...]] = ("sgd: {learning_rate: 0.1, momentum: 0.9}",)
    learning_rate: Positive = 0.01
    """Step size."""
    momentum: Fraction = 0.0
    """Fraction of the last step that is added to the next one."""
    nesterov: bool = False
    """Whether to use Nesterov momentum."""
    weight_decay: NonNegative = 0.0
    """Decoupled weight decay: each step subtracts this fraction of every weight, times the learning rate."""


class Adam(Averaging):
    """Steps scaled by running means of the gradient and of its square. Kingma and Ba 2014."""

    kind: ClassVar[str] = "adam"
    keras: ClassVar[tuple[str, ...]] = ("Adam",)
    shorthand: ClassVar[str | None] = "learning_rate"
    usage: ClassVar[tuple[str, ...]] = ("adam: {learning_rate: 0.001}",)
    learning_rate: Positive = 0.001
    """Step size."""
    beta_1: Fraction = 0.9
    """Decay rate of the running mean of the gradient."""
    beta_2: Fraction = 0.999
    """Decay rate of the running mean of its square."""
    epsilon: Positive = 1e-7
    """Constant added to the root of the squares, for numerical stability."""


class AdamW(Adam):
    """Adam with decoupled weight decay. Loshchilov and Hutter 2017."""

    kind: ClassVar[str] = "adamw"
    keras: ClassVar[tuple[str, ...]] = ("AdamW",)
    usage: ClassVar[tuple[str, ...]] = ("adamw: {learning_rate: 0.001, weight_decay: 0.01}",)
    weight_decay: NonNegative = 0.004
    """Decoupled weight decay: each step subtracts this fraction of every weight, times the learning rate."""


class RMSprop(Averaging):
    """Steps scaled by a running mean of the squared gradient. Tieleman and Hinton 2012."""

    kind: ClassVar[str] = "rmsprop"
    keras: ClassVar[tuple[str, ...]] = ("RMSprop",)
    shorthand: ClassVar[str | None] = "learning_rate"
    usage: ClassVar[tuple[str, ...]] = ("rmsprop: {learning_rate: 0.001}",)
    learning_rate: Positive = 0.001
    """Step size."""
    rho: Fraction = 0.9
    """Decay rate of the running mean."""
    momentum: Fraction = 0.0
    """Fraction of the last step that is added to the next one."""
    epsilon: Positive = 1e-7
    """Constant added to the mean of the squares, for numerical stability."""
    centered: bool = False
    """Whether to divide by the variance of the gradient instead of its mean square."""


Optimizer = Annotated[Sgd | Adam | AdamW | RMSprop, by_kind]


def lower_learning_rate(optimizer: Optimizer) -> str:
    """The value of `--set` for a tenth of the learning rate, or for the default if that is lower."""
    default = type(optimizer).model_fields["learning_rate"].default
    return f"train.optimizer.{optimizer.kind}.learning_rate={min(optimizer.learning_rate / 10, default):.3g}"


def higher_learning_rate(optimizer: Optimizer) -> str:
    """The value of `--set` for ten times the learning rate, or for the default if that is higher."""
    default = type(optimizer).model_fields["learning_rate"].default
    return f"train.optimizer.{optimizer.kind}.learning_rate={max(optimizer.learning_rate * 10, default):.3g}"
