"""Where the numbers of a training first became non-finite."""

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cnnlab.data import Examples
from cnnlab.errors import Diverged
from cnnlab.experiment.optimizers import lower_learning_rate
from cnnlab.experiment.schema import Train
from cnnlab.models.inference import to_input
from cnnlab.training.engine.batch import batch_of
from cnnlab.training.engine.progress import Progress
from cnnlab.training.resume.checkpoint import Checkpoint
from cnnlab.training.resume.manager import CheckpointManager
from cnnlab.training.trainer import Trainer

BATCH = 256  # examples at once when searching a whole split


def in_step(
    trainer: Trainer, manager: CheckpointManager, epoch: int, reached: Progress, rates: NDArray[np.float32] | None
) -> Diverged:
    """The error of a step whose loss is not finite; `epoch` counts from 0.

    The training is repeated from the last good state to just before that step, which gives the same bits, and the
    state there is saved. Then its batch goes through the network layer by layer.
    """
    step = reached.diverged_at or 0
    culprit = _first_layer(trainer.model)
    if manager.last and manager.last.state.epoch == epoch:
        before = _repeat(trainer, manager.last, epoch, step, rates)
        culprit = _first_layer(trainer.model)
        if culprit is not None:
            manager.write_last()
        else:
            manager.save(epoch, before)
            batch = batch_of(trainer.experiment, trainer.dataset.train, epoch, step)
            culprit = _first_output(trainer, batch.inputs, training=True)
    when = f"in step {step + 1:,} of epoch {epoch + 1}"
    return _error(f"the loss became {reached.sums[0]} {when}", culprit, trainer.experiment.train)


def on_examples(trainer: Trainer, examples: Examples, loss: float, when: str) -> Diverged:
    """The error of a loss on `examples` that is not finite."""
    culprit = _first_layer(trainer.model)
    for first in range(0, 0 if culprit else len(examples), BATCH):
        inputs = to_input(tf.constant(examples.images[first : first + BATCH]))
        culprit = _first_output(trainer, inputs, training=False)
        if culprit:
            break
    return _error(f"the loss became {loss} {when}", culprit, trainer.experiment.train)


def in_weights(trainer: Trainer, epoch: int) -> Diverged | None:
    """The error where a weight is not finite after the last step of `epoch`, counted from 0; None where all are."""
    culprit = _first_layer(trainer.model)
    if culprit is None:
        return None
    return _error(f"after the last step of epoch {epoch + 1} weights are not finite", culprit, trainer.experiment.train)


def _repeat(trainer: Trainer, good: Checkpoint, epoch: int, step: int, rates: NDArray[np.float32] | None) -> Progress:
    """Bring the network from `good` to where it was before `step` of `epoch`."""
    rate = keras.ops.convert_to_numpy(trainer.model.optimizer.learning_rate)
    good.restore_variables(trainer.model)
    trainer.model.optimizer.learning_rate.assign(rate)  # of this epoch, which callbacks set after the epoch before
    size = trainer.size_in(epoch)
    return [good.progress, *trainer.engine.epoch(epoch, rates, size=size, start=good.progress, steps=step)][-1]


def _first_layer(model: keras.Model) -> str | None:
    """The first layer whose weights are not finite."""
    for layer in model.layers:
        if not all(np.isfinite(keras.ops.convert_to_numpy(weight)).all() for weight in layer.weights):
            return f"the weights of {layer.name}"
    return None


def _first_output(trainer: Trainer, inputs: tf.Tensor, *, training: bool) -> str | None:
    """The first layer whose output is not finite; with `training` the state of dropout advances as in a step."""
    for name, value in trainer.inspector.outputs(inputs, training=training).items():
        if not np.isfinite(np.asarray(tf.cast(value, tf.float32))).all():
            return f"the outputs of {name}"
    return None


def _error(what: str, culprit: str | None, settings: Train) -> Diverged:
    where = "every layer's outputs are finite, the loss is not"
    if culprit:
        where = f"{culprit} were the first to become non-finite"
    change, advice = lower_learning_rate(settings.optimizer), "a smaller learning rate"
    if settings.precision == "mixed_float16":
        change, advice = "train.precision=mixed_bfloat16", "numbers with the range of float32"
    return Diverged(f"diverged: {what}; {where}; try {advice}, such as --set {change}")
