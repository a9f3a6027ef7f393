"""Range tests of an experiment, one per seed."""

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cnnlab.errors import Interrupted, Terminated, TrainingError
from cnnlab.experiment.schema import Experiment
from cnnlab.models.losses import loss_function
from cnnlab.training.distribution import devices
from cnnlab.training.find_rate.proposal import Curve, has_diverged
from cnnlab.training.find_rate.range_test import range_test
from cnnlab.training.interrupts import Interrupts, Stopped
from cnnlab.training.train import Trainers
from cnnlab.training.trainer import Trainer

OnStep = Callable[[int, int, float, float], object]
"""Called for each step of a test with the seed, the steps so far, this one's rate and the loss before it."""


def find_rate(
    experiment: Experiment, seeds: Sequence[int], rates: NDArray[np.float32], on_step: OnStep = lambda *_: None
) -> list[Curve]:
    """The range test of the experiment with each seed; nothing is written.

    The schedule, its warm-up and callbacks have no part in it. Of several workers only the chief returns anything.
    Raises what Trainer.from_experiment raises, TrainingError where no loss is finite, Interrupted and Terminated.
    """
    trainers = Trainers()
    curves = []
    for seed in seeds:
        trainer = trainers(experiment.model_copy(update={"seed": seed}))

        def stops(losses: list[float], trainer: Trainer = trainer) -> bool:
            if trainer.is_chief:
                on_step(trainer.experiment.seed, len(losses), float(rates[len(losses) - 1]), losses[-1])
            return has_diverged(losses, len(rates))

        with devices.synchronized_exit(trainer.strategy), _interruptible(trainer) as check:
            losses = range_test(trainer, rates, stops, check)
        if not len(losses):
            raise TrainingError(f"seed {seed}: the loss is not finite before the first step, whatever the rate")
        if trainer.is_chief:
            curves.append(Curve(seed, rates, losses, _uninformed_loss(trainer)))
    return curves


def _uninformed_loss(trainer: Trainer) -> float:
    """The loss of equal scores for all classes."""
    loss, classes = trainer.experiment.train.loss, trainer.model.output_shape[-1]
    return float(loss_function(loss)(tf.constant([0]), tf.fill([1, classes], 1 / classes))[0])


@contextmanager
def _interruptible(trainer: Trainer) -> Iterator[Callable[[], None]]:
    """What ends the test between two steps where Ctrl-C or SIGTERM came to any of the workers."""
    interrupts = Interrupts(agree=lambda number: devices.signal_of_any(trainer.strategy, number))

    def check() -> None:
        if number := interrupts.requested():
            raise Stopped(number)

    try:
        with interrupts, interrupts.deferred():
            yield check
    except KeyboardInterrupt as error:
        is_terminated = isinstance(error, Stopped) and error.number == signal.SIGTERM
        raise (Terminated if is_terminated else Interrupted)("interrupted; nothing was written") from None
