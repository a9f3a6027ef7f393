"""How the learning rate changes over the epochs.

`at(progress, epochs)` is the factor of the optimizer's rate after `progress` epochs of `epochs`, warm-up left out.
"""

import math
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, PositiveInt, model_validator
from pydantic_core import PydanticCustomError

from cnnlab.experiment.choice import Choice, NonNegative, Positive, by_kind

Factor = Annotated[float, Field(gt=0, le=1)]
Monitor = Literal["val_loss", "val_accuracy", "val_balanced_accuracy", "loss", "accuracy"]


class ScheduleSpec(Choice):
    """A learning rate that changes.

    warmup: epochs, or a part of one, over which the rate first rises evenly from zero; the schedule begins after them.
    """

    within_epochs: ClassVar[bool] = False
    """Whether the rate changes at every step, not only from epoch to epoch."""
    spans_training: ClassVar[bool] = False
    """Whether the rate of every step depends on how many epochs there are in all."""
    counts_warmup: ClassVar[bool] = False
    """Whether the epochs of a warm-up are among those that the schedule counts."""
    warmup: NonNegative = 0.0

    def at(self, progress: float, epochs: float) -> float:
        """1: the optimizer's rate throughout."""
        return 1.0


class Constant(ScheduleSpec):
    """The optimizer's learning rate throughout."""

    kind: ClassVar[str] = "constant"


class Exponential(ScheduleSpec):
    """learning_rate * decay ** (epoch - 1), epochs from 1.

    decay: what the rate is multiplied by after every epoch.
    Example: exponential: {decay: 0.6}
    """

    kind: ClassVar[str] = "exponential"
    shorthand: ClassVar[str | None] = "decay"
    decay: Factor

    def at(self, progress: float, epochs: float) -> float:
        """The decay, once for every whole epoch."""
        return float(self.decay ** math.floor(progress))


class Step(ScheduleSpec):
    """The rate multiplied by `decay` after every `every` epochs.

    every: how many epochs each rate is kept.
    decay: what it is multiplied by then.
    Example: step: {every: 10, decay: 0.5}
    """

    kind: ClassVar[str] = "step"
    shorthand: ClassVar[str | None] = "every"
    every: PositiveInt
    decay: Factor = 0.1

    def at(self, progress: float, epochs: float) -> float:
        """The decay, once for every `every` epochs."""
        return float(self.decay ** (math.floor(progress) // self.every))


class Piecewise(ScheduleSpec):
    """Factors of the rate, each for a stretch of epochs.

    boundaries: after how many epochs, those of a warm-up included, the next factor counts.
    factors: one more than boundaries.
    Example: piecewise: {boundaries: [80, 120], factors: [1, 0.1, 0.01]}
    """

    kind: ClassVar[str] = "piecewise"
    counts_warmup: ClassVar[bool] = True
    boundaries: Annotated[list[PositiveInt], Field(min_length=1, max_length=1000)]
    factors: Annotated[list[Positive], Field(min_length=2, max_length=1001)]

    @model_validator(mode="after")
    def _check_lengths(self) -> Self:
        if len(self.factors) != len(self.boundaries) + 1:
            raise PydanticCustomError(
                "misfit",
                f"{len(self.boundaries)} boundaries and {len(self.factors)} factors; expected one factor more",
            )
        if sorted(set(self.boundaries)) != self.boundaries:
            raise PydanticCustomError("misfit", f"the boundaries {self.boundaries} do not rise")
        return self

    def at(self, progress: float, epochs: float) -> float:
        """The factor of the stretch."""
        return self.factors[sum(boundary <= progress for boundary in self.boundaries)]


class Cosine(ScheduleSpec):
    """Half a cosine from the optimizer's rate down to `alpha` of it, step by step. Loshchilov and Hutter 2016.

    alpha: the share of the rate that is left at the end.
    Example: cosine: {warmup: 1}
    """

    kind: ClassVar[str] = "cosine"
    within_epochs: ClassVar[bool] = True
    spans_training: ClassVar[bool] = True
    alpha: Annotated[float, Field(ge=0, le=1)] = 0.0

    def at(self, progress: float, epochs: float) -> float:
        """The cosine."""
        return self.alpha + (1 - self.alpha) * _falling(progress / epochs)


class OneCycle(ScheduleSpec):
    """Up to the optimizer's rate and down again, both along half a cosine, step by step. Smith and Topin 2017.

    Names and defaults are those of PyTorch's `OneCycleLR`; the momentum stays as it is.

    pct_start: the share of the training in which the rate rises.
    div_factor: the first rate is the optimizer's divided by this.
    final_div_factor: the rate falls towards the first one divided by this.
    Example: one_cycle: {pct_start: 0.3}
    """

    kind: ClassVar[str] = "one_cycle"
    within_epochs: ClassVar[bool] = True
    spans_training: ClassVar[bool] = True
    pct_start: Annotated[float, Field(gt=0, lt=1)] = 0.3
    div_factor: Annotated[float, Field(ge=1, lt=1e30)] = 25.0
    final_div_factor: Annotated[float, Field(ge=1, lt=1e30)] = 10_000.0

    def at(self, progress: float, epochs: float) -> float:
        """Where on the two cosines."""
        first = 1 / self.div_factor
        last = first / self.final_div_factor
        share = progress / epochs
        if share < self.pct_start:
            return first + (1 - first) * (1 - _falling(share / self.pct_start))
        return last + (1 - last) * _falling((share - self.pct_start) / (1 - self.pct_start))


class ReduceOnPlateau(ScheduleSpec):
    """The rate multiplied by `factor` when the monitored value has not become better for `patience` epochs.

    `keras.callbacks.ReduceLROnPlateau`.

    monitor: the column of the table that is watched.
    factor: what the rate is multiplied by.
    patience: how many epochs without a gain.
    min_delta: a smaller gain does not count.
    cooldown: how many epochs to wait after a reduction.
    min_learning_rate: the rate never falls below this.
    Example: reduce_on_plateau: {factor: 0.5, patience: 3}
    """

    kind: ClassVar[str] = "reduce_on_plateau"
    keras: ClassVar[tuple[str, ...]] = ("ReduceLROnPlateau",)
    monitor: Monitor = "val_loss"
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.1
    patience: PositiveInt = 10
    min_delta: NonNegative = 0.0001
    cooldown: Annotated[int, Field(ge=0)] = 0
    min_learning_rate: NonNegative = 0.0


Schedule = Annotated[Constant | Exponential | Step | Piecewise | Cosine | OneCycle | ReduceOnPlateau, by_kind]


def _falling(share: float) -> float:
    """Half a cosine: 1 at 0, 0 at 1."""
    return 0.5 * (1 + math.cos(math.pi * share))
