"""Learning-rate decay, as the Keras callbacks that the course teaches."""

import keras
import numpy as np
from numpy.typing import NDArray

from cnnlab.experiment.schedules import Monitor, ReduceOnPlateau
from cnnlab.experiment.schema import Train


def learning_rate(train: Train, progress: float, current: float) -> float:
    """The learning rate after `progress` epochs, counted from 0 as Keras counts; `current` is what it is now."""
    schedule, base = train.schedule, train.optimizer.learning_rate
    if progress < schedule.warmup:
        base *= progress / schedule.warmup
    elif isinstance(schedule, ReduceOnPlateau):
        return current  # its own callback changes it
    return base * schedule.at(progress, train.epochs)


def changes_within_epochs(train: Train) -> bool:
    """Whether the rate of a step is not the rate of its epoch."""
    return train.schedule.within_epochs or train.schedule.warmup > 0


def rates(train: Train, epoch: int, steps: int, current: float) -> NDArray[np.float32]:
    """The learning rate of every step of `epoch`, counted from 0; (steps,).

    A warm-up begins with the rate of its first step's end: a step of rate zero would teach nothing.
    """
    progress = [epoch + (step + (step / steps + epoch < train.schedule.warmup)) / steps for step in range(steps)]
    return np.asarray([learning_rate(train, p, current) for p in progress], np.float32)


def callbacks(train: Train) -> list[keras.callbacks.Callback]:
    """What sets the learning rate at an epoch's start, and what lowers it at an epoch's end."""
    scheduler = keras.callbacks.LearningRateScheduler(lambda epoch, current: learning_rate(train, epoch, current))
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
