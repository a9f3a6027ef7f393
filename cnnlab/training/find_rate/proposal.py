"""From the losses of a range test to a learning rate.

The rate at which the loss rises again is sharp and hardly depends on the test's length, unlike the rate of the lowest
loss and that of the steepest descent; a tenth of it leaves the margin that a longer training needs. docs/find-rate.md
has the trainings that this was chosen by.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

MARGIN = 10.0  # how far the proposal is below the rate at which the loss rises
MIN_FALL = 0.1  # of the first losses: less is noise
RISE = 0.5  # of what the loss had fallen by, that it has regained where it rises
SMOOTHING, MIN_STD = 60, 3  # steps of a test for one of the smoothing kernel's standard deviation; the least of that
MAX_RISE, LASTING = 2.0, 3  # times the first losses, where a test ends; in how many averages, where less is enough


@dataclass(frozen=True)
class Curve:
    """One range test: the batch loss (steps,) before the step with each rate (steps,), for weights of this seed.

    A test that ended before its last rate has fewer losses than rates. `uninformed` is the loss of equal scores for
    all classes.
    """

    seed: int
    rates: NDArray[np.float32]
    losses: NDArray[np.float64]
    uninformed: float

    @cached_property
    def smoothed(self) -> NDArray[np.float64]:
        """The losses, averaged with those of neighbouring steps by a Gaussian; (steps,)."""
        std = _smoothing_std(len(self.rates))
        places = np.arange(-3 * std, 3 * std + 1)
        kernel = np.exp(-0.5 * (places / std) ** 2)
        padded = np.pad(self.losses, 3 * std, mode="edge")
        return np.convolve(padded, kernel / kernel.sum(), "valid")

    @property
    def rise(self) -> float | None:
        """The rate at which the loss has risen, or is not finite any more; None where neither happened."""
        if (step := self._rise_step) is not None:
            return float(self.rates[step])
        return float(self.rates[len(self.losses)]) if len(self.losses) < len(self.rates) else None

    @property
    def lowest(self) -> float:
        """The rate of the lowest smoothed loss."""
        return float(self.rates[self._lowest_step])

    @property
    def steepest(self) -> float:
        """The rate at which the smoothed loss falls fastest, per factor of the rate."""
        falling = self.smoothed[: self._lowest_step + 1]
        slopes = np.gradient(falling, np.log(self.rates[: len(falling)])) if len(falling) > 1 else np.zeros(1)
        return float(self.rates[int(np.argmin(slopes))])

    @property
    def has_fallen(self) -> bool:
        """Whether the network learned anything."""
        return bool(self.smoothed[self._lowest_step] < (1 - MIN_FALL) * self._reference)

    @property
    def proposal(self) -> float | None:
        """The rate that this test proposes; None where the loss never fell or never rose."""
        return self.rise / MARGIN if self.has_fallen and self.rise is not None else None

    @cached_property
    def _rise_step(self) -> int | None:
        """After the lowest loss: before that, the loss may rise for a while and fall again."""
        lowest = self.smoothed[self._lowest_step]
        risen = self.smoothed[self._lowest_step :] > lowest + RISE * (self._reference - lowest)
        return self._lowest_step + int(np.argmax(risen)) if self.has_fallen and risen.any() else None

    @property
    def _reference(self) -> float:
        """The loss of a network that knows nothing: the first one, unless initial weights make that worse than equal
        scores, and the test became better than these.
        """
        first, lowest = float(self.smoothed[0]), float(self.smoothed.min())
        return self.uninformed if lowest < self.uninformed < first else first

    @cached_property
    def _lowest_step(self) -> int:
        return int(np.argmin(self.smoothed))


def has_diverged(losses: Sequence[float], steps: int) -> bool:
    """Whether a test of so many steps need not go on: the loss is far above where it began, or above it to stay."""
    width = 2 * _smoothing_std(steps)
    if len(losses) < LASTING * width:
        return False
    means = np.convolve(losses, np.full(width, 1 / width), "valid")
    has_fallen = means.min() < (1 - MIN_FALL) * means[0]
    return bool(means[-1] > MAX_RISE * means[0] or (has_fallen and means[-LASTING * width :].min() > means[0]))


def proposed_rate(curves: Sequence[Curve]) -> float | None:
    """The median of the proposals, to two significant digits; None where a test has none."""
    found = [math.log(curve.proposal) for curve in curves if curve.proposal is not None]
    if len(found) < len(curves):
        return None
    return float(f"{math.exp(statistics.median(found)):.2g}")


def _smoothing_std(steps: int) -> int:
    """The standard deviation of the kernel, in steps."""
    return max(MIN_STD, steps // SMOOTHING)
