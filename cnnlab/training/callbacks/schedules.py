"""Learning-rate decay, as the Keras callbacks that the course teaches."""

import math

import keras
import numpy as np
from numpy.typing import NDArray

from cnnlab.experiment.schedules import Constant, Monitor, ReduceOnPlateau
from cnnlab.experiment.schema import Train


def learning_rate(train: Train, epoch: int, step: int, steps: int, current: float) -> float:
    """The learning rate of a step of an epoch of `steps` steps, both counted from 0 as Keras counts.

    `current` is what the rate is now: what callbacks have made of it, the plateau's or a user's.
    A warm-up gives a step the rate of the step's end, since a rate of zero would teach nothing.
    """
    schedule, base = train.schedule, train.optimizer.learning_rate
    if isinstance(schedule, Constant) and epoch >= schedule.warmup:
        return current  # a user's callback may have changed it
    done, warmup = epoch + step / steps, schedule.warmup
    ramp = min(1.0, (done + 1 / steps) / warmup) if warmup else 1.0
    if isinstance(schedule, ReduceOnPlateau):
        return base * ramp if epoch < warmup else current
    if not schedule.within_epochs:
        done, warmup = math.floor(done), math.floor(warmup)
    if schedule.counts_warmup:
        warmup = 0
    rest = max(train.epochs - warmup, 1.0)  # less than an epoch only where the warm-up never ends
    return base * ramp * schedule.at(max(0.0, done - warmup), rest)


def changes_within_epochs(train: Train) -> bool:
    """Whether the rate of a step is not the rate of its epoch."""
    return train.schedule.within_epochs or train.schedule.warmup > 0


def rates(train: Train, epoch: int, steps: int, current: float) -> NDArray[np.float32]:
    """The learning rate of every step of `epoch`, counted from 0; (steps,)."""
    return np.asarray([learning_rate(train, epoch, step, steps, current) for step in range(steps)], np.float32)


def callbacks(train: Train) -> list[keras.callbacks.Callback]:
    """What sets the learning rate at an epoch's start, and what lowers it at an epoch's end."""
    scheduler = keras.callbacks.LearningRateScheduler(lambda epoch, now: learning_rate(train, epoch, 0, 1, now))
    schedule = train.schedule
    if not isinstance(schedule, ReduceOnPlateau):
        return [scheduler]
    plateau = keras.callbacks.ReduceLROnPlateau(
        schedule.monitor,
        factor=schedule.factor,
        patience=schedule.patience,
        mode=better(schedule.monitor),
        min_delta=schedule.min_delta,
        cooldown=schedule.cooldown,
        min_lr=schedule.min_learning_rate,
    )
    return [scheduler, plateau]


def better(monitor: Monitor) -> str:
    """`max` for an accuracy, `min` for a loss: Keras cannot tell for itself outside `fit`."""
    return "max" if monitor.endswith("accuracy") else "min"
