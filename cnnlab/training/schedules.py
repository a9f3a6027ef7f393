"""Learning-rate decay, as the Keras callback that the course teaches."""

import keras

from cnnlab.config.schema import Exponential, Train


def learning_rate(train: Train, epoch: int) -> float:
    """The learning rate of `epoch`, counted from 0 as Keras counts."""
    base = train.optimizer.learning_rate
    if isinstance(train.schedule, Exponential):
        return float(base * train.schedule.decay**epoch)
    return base


def scheduler(train: Train) -> keras.callbacks.LearningRateScheduler:
    """The callback that sets the learning rate at every epoch's start."""
    return keras.callbacks.LearningRateScheduler(lambda epoch, _: learning_rate(train, epoch))
