"""Learning rate schedules."""

import math
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, PositiveInt, model_validator
from pydantic_core import PydanticCustomError

from cnnlab.experiment.choice import Choice, NonNegative, Positive, by_kind

Factor = Annotated[float, Field(gt=0, le=1)]
Monitor = Literal["val_loss", "val_accuracy", "val_balanced_accuracy", "loss", "accuracy"]


class ScheduleSpec(Choice):
    """A learning rate schedule."""

    within_epochs: ClassVar[bool] = False
    """Whether the rate changes at every step, not only between epochs."""
    spans_training: ClassVar[bool] = False
    """Whether the rate depends on the total number of epochs."""
    counts_warmup: ClassVar[bool] = False
    """Whether the schedule counts the epochs of the warm-up."""
    warmup: NonNegative = 0.0
    """Epochs, or a fraction of one, of a linear warm-up from zero; the schedule begins after it."""

    def at(self, progress: float, epochs: float) -> float:
        """The factor of the optimizer's rate after `progress` of `epochs` epochs, both without the warm-up."""
        return 1.0


class Constant(ScheduleSpec):
    """The optimizer's learning rate throughout."""

    kind: ClassVar[str] = "constant"


class Exponential(ScheduleSpec):
    """learning_rate * decay ** (epoch - 1); epochs count from 1."""

    kind: ClassVar[str] = "exponential"
    shorthand: ClassVar[str | None] = "decay"
    usage: ClassVar[tuple[str, ...]] = ("exponential: {decay: 0.6}",)
    decay: Factor
    """Factor applied after every epoch."""

    def at(self, progress: float, epochs: float) -> float:
        """One decay per completed epoch."""
        return float(self.decay ** math.floor(progress))


class Step(ScheduleSpec):
    """The learning rate is multiplied by `decay` every `every` epochs."""

    kind: ClassVar[str] = "step"
    shorthand: ClassVar[str | None] = "every"
    usage: ClassVar[tuple[str, ...]] = ("step: {every: 10, decay: 0.5}",)
    every: PositiveInt
    """Number of epochs between two changes."""
    decay: Factor = 0.1
    """Factor applied at each change."""

    def at(self, progress: float, epochs: float) -> float:
        """One decay per `every` completed epochs."""
        return float(self.decay ** (math.floor(progress) // self.every))


class Piecewise(ScheduleSpec):
    """A factor of the learning rate for each interval of epochs."""

    kind: ClassVar[str] = "piecewise"
    counts_warmup: ClassVar[bool] = True
    usage: ClassVar[tuple[str, ...]] = ("piecewise: {boundaries: [80, 120], factors: [1, 0.1, 0.01]}",)
    boundaries: Annotated[list[PositiveInt], Field(min_length=1, max_length=1000)]
    """Epochs after which the next factor applies; warm-up epochs count."""
    factors: Annotated[list[Positive], Field(min_length=2, max_length=1001)]
    """Factors of the learning rate, one more than boundaries."""

    @model_validator(mode="after")
    def _check_lengths(self) -> Self:
        if len(self.factors) != len(self.boundaries) + 1:
            raise PydanticCustomError(
                "misfit",
                f"{len(self.boundaries)} boundaries and {len(self.factors)} factors; expected one more factor",
            )
        if sorted(set(self.boundaries)) != self.boundaries:
            raise PydanticCustomError("misfit", f"the boundaries {self.boundaries} are not increasing")
        return self

    def at(self, progress: float, epochs: float) -> float:
        """The factor of the interval."""
        return self.factors[sum(boundary <= progress for boundary in self.boundaries)]


class Cosine(ScheduleSpec):
    """Half a cosine from the optimizer's learning rate down to `alpha` of it, per step. Loshchilov and Hutter 2016."""

    kind: ClassVar[str] = "cosine"
    within_epochs: ClassVar[bool] = True
    spans_training: ClassVar[bool] = True
    usage: ClassVar[tuple[str, ...]] = ("cosine: {warmup: 1}",)
    alpha: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Fraction of the learning rate that remains at the end."""

    def at(self, progress: float, epochs: float) -> float:
        """The factor on the cosine."""
        return self.alpha + (1 - self.alpha) * _falling(progress / epochs)


class OneCycle(ScheduleSpec):
    """Up to the optimizer's learning rate and down again, each along half a cosine, per step. Smith and Topin 2017.

    Names and defaults are those of PyTorch's `OneCycleLR`; the momentum is constant.
    """

    kind: ClassVar[str] = "one_cycle"
    within_epochs: ClassVar[bool] = True
    spans_training: ClassVar[bool] = True
    usage: ClassVar[tuple[str, ...]] = ("one_cycle: {pct_start: 0.3}",)
    pct_start: Annotated[float, Field(gt=0, lt=1)] = 0.3
    """Fraction of the training in which the learning rate rises."""
    div_factor: Annotated[float, Field(ge=1, lt=1e30)] = 25.0
    """Ratio of the highest to the initial learning rate."""
    final_div_factor: Annotated[float, Field(ge=1, lt=1e30)] = 10_000.0
    """Ratio of the initial to the final learning rate."""

    def at(self, progress: float, epochs: float) -> float:
        """The factor on the two cosines."""
        first = 1 / self.div_factor
        last = first / self.final_div_factor
        share = progress / epochs
        if share < self.pct_start:
            return first + (1 - first) * (1 - _falling(share / self.pct_start))
        return last + (1 - last) * _falling((share - self.pct_start) / (1 - self.pct_start))


class ReduceOnPlateau(ScheduleSpec):
    """The learning rate is multiplied by `factor` when the monitored value has not improved for `patience` epochs.

    `keras.callbacks.ReduceLROnPlateau`.
    """

    kind: ClassVar[str] = "reduce_on_plateau"
    keras: ClassVar[tuple[str, ...]] = ("ReduceLROnPlateau",)
    usage: ClassVar[tuple[str, ...]] = ("reduce_on_plateau: {factor: 0.5, patience: 3}",)
    monitor: Monitor = "val_loss"
    """Column of metrics.csv to watch."""
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Factor applied to the learning rate."""
    patience: PositiveInt = 10
    """Number of epochs without improvement to wait for."""
    min_delta: NonNegative = 0.0001
    """Smallest change that counts as an improvement."""
    cooldown: Annotated[int, Field(ge=0)] = 0
    """Number of epochs to wait after a reduction."""
    min_learning_rate: NonNegative = 0.0
    """Lower bound of the learning rate."""


Schedule = Annotated[Constant | Exponential | Step | Piecewise | Cosine | OneCycle | ReduceOnPlateau, by_kind]


def _falling(share: float) -> float:
    """Half a cosine: 1 at 0, 0 at 1."""
    return 0.5 * (1 + math.cos(math.pi * share))
