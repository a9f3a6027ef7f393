"""The learning-rate range test: a training whose rate grows from step to step, and its loss.

Smith 2017, "Cyclical Learning Rates for Training Neural Networks".
"""

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from cnnlab.training.engine.progress import START
from cnnlab.training.trainer import Trainer

Stops = Callable[[list[float]], bool]
"""Whether the losses of the steps so far, (steps,), are enough."""


def growing_rates(low: float, high: float, steps: int) -> NDArray[np.float32]:
    """Learning rates that grow by the same factor from step to step, (steps,)."""
    return np.geomspace(low, high, steps, dtype=np.float32)


def range_test(
    trainer: Trainer, rates: NDArray[np.float32], stops: Stops, between_steps: Callable[[], object]
) -> NDArray[np.float64]:
    """The mean loss of each step's batch, before the step is made with its rate of `rates`; (at most steps,).

    The trainer's weights and its optimizer's state are those of the last step afterwards. The test ends before a step
    whose loss is not finite, or where `stops`. With adversarial training, the losses are those of perturbed images.
    """
    losses: list[float] = []
    for loss in _losses(trainer, rates):
        between_steps()
        if not math.isfinite(loss):
            break
        losses.append(loss)
        if stops(losses):
            break
    return np.asarray(losses)


def _losses(trainer: Trainer, rates: NDArray[np.float32]) -> Iterator[float]:
    per_epoch = trainer.engine.steps_per_epoch
    # Every epoch's rates have one shape, with which the graph is traced once.
    padded = np.pad(rates, (0, -len(rates) % per_epoch), mode="edge").reshape(-1, per_epoch)
    for epoch, of_epoch in enumerate(padded):
        steps = min(per_epoch, len(rates) - epoch * per_epoch)
        before = START
        for progress in trainer.engine.epoch(epoch, of_epoch, steps=steps, steps_per_call=1):
            yield (progress.sums[0] - before.sums[0]) / (progress.examples - before.examples)
            before = progress
