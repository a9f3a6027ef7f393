"""What probably went wrong with a training, each in one line with the evidence and one change to try."""

import math
from collections.abc import Iterator, Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cnnlab.experiment.optimizers import bolder, calmer
from cnnlab.models.inference import Outcome, to_input
from cnnlab.training.trainer import Trainer

EXAMPLES = 256  # of the training set, whose activations are looked at
DEAD_SHARE = 0.5  # of a layer's units; a quarter of them is dead in networks that do well
SATURATED_SHARE, NEAR = 0.8, 0.01  # of a layer's outputs; how near to a bound is at it
GAP = 0.05  # of accuracies
RISE = 0.1  # of what the loss had fallen by
FAST = 10  # times the usual learning rate
BOUNDS = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0)}

Table = Mapping[str, Sequence[float]]
"""The table of epochs, by column."""


def findings(trainer: Trainer, table: Table, outcome: Outcome) -> list[str]:
    """What is wrong with a network that was trained, by its table of epochs and its `outcome` on the test set.

    Most telling first; none where nothing is, and none of activations where a network is on several devices.
    """
    inside = list(_activations(trainer)) if trainer.strategy.num_replicas_in_sync == 1 else []
    if chance := list(_chance(trainer, table, outcome)):
        return [*chance, *inside]
    return [*inside, *_rising(trainer, table), *_gap(trainer, table)]


def _chance(trainer: Trainer, table: Table, outcome: Outcome) -> Iterator[str]:
    """Accuracy that always saying the largest class would give too."""
    n = len(outcome.labels)
    share = np.bincount(outcome.labels).max() / n
    if outcome.accuracy > share + 3 * math.sqrt(share * (1 - share) / n):
        return
    losses, optimizer = table.get("loss") or [math.nan], trainer.experiment.train.optimizer
    default = type(optimizer).model_fields["learning_rate"].default
    too_fast = losses[-1] > (1 + RISE) * losses[0] or optimizer.learning_rate > FAST * default
    yield (
        f"chance level: test accuracy {outcome.accuracy:.4f}, and {share:.4f} of the examples are of one class; the "
        f"training loss went from {losses[0]:.4g} to {losses[-1]:.4g} with a learning rate of "
        f"{optimizer.learning_rate:g}; try --set {(calmer if too_fast else bolder)(optimizer)}"
    )


def _activations(trainer: Trainer) -> Iterator[str]:
    """Units that are never above zero, and outputs at the bounds of their function."""
    layers = [layer for layer in trainer.model.layers if _activation(layer) in ("relu", *BOUNDS)]
    if not layers:
        return
    images = tf.constant(trainer.dataset.train.images[:EXAMPLES])
    look = keras.Model(trainer.model.inputs, [trainer.model.output, *(layer.output for layer in layers)])
    _, *outputs = look(to_input(images), training=False)
    for layer, output in zip(layers, outputs, strict=True):
        values = np.asarray(tf.cast(output, tf.float32))
        activation = _activation(layer)
        finding = _dead(values) if activation == "relu" else _saturated(values, activation)
        if finding:
            yield f"{layer.name}: {finding}; try --set {_other_start(trainer, layer)}"


def _dead(values: NDArray[np.float32]) -> str:
    units = values.shape[-1]
    dead = int((values.reshape(-1, units).max(axis=0) <= 0).sum())
    if dead < DEAD_SHARE * units:
        return ""
    return f"dead ReLUs: {dead:,} of {units:,} units are above 0 on none of {len(values)} training examples"


def _saturated(values: NDArray[np.float32], activation: str) -> str:
    low, high = BOUNDS[activation]
    near = NEAR * (high - low)
    share = float(((values < low + near) | (values > high - near)).mean())
    if share < SATURATED_SHARE:
        return ""
    return f"saturated: {100 * share:.0f} % of the {activation}'s outputs are at its bounds, where no gradient passes"


def _other_start(trainer: Trainer, layer: keras.layers.Layer) -> str:
    """The initializer for such an activation, where a layer of the file has another; else a smaller rate."""
    index = layer.name.rpartition("_")[2]
    layers = trainer.experiment.model.layers
    wanted = "he_normal" if _activation(layer) == "relu" else "glorot_uniform"
    if index.isdecimal() and int(index) < len(layers):
        spec = layers[int(index)]
        own = getattr(getattr(spec, "kernel_initializer", None), "kind", wanted)
        if layer.name == f"{spec.kind}_{index}" and own != wanted:
            return f"'model.layers[{index}].{spec.kind}.kernel_initializer={wanted}'"
    return calmer(trainer.experiment.train.optimizer)


def _rising(trainer: Trainer, table: Table) -> Iterator[str]:
    losses = table.get("loss", [])
    if losses and losses[-1] - min(losses) > RISE * (max(losses[0], losses[-1]) - min(losses)):
        lowest = losses.index(min(losses)) + 1
        yield (
            f"the loss rises: {losses[-1]:.4g} in the last epoch, {min(losses):.4g} in epoch {lowest}; "
            f"try --set {calmer(trainer.experiment.train.optimizer)}"
        )


def _gap(trainer: Trainer, table: Table) -> Iterator[str]:
    """Better on what it was trained on than on what was held out."""
    training, held_out = table.get("accuracy", []), table.get("val_accuracy", [])
    if not training or not held_out or training[-1] - held_out[-1] < GAP:
        return
    lowest = table["val_loss"].index(min(table["val_loss"])) + 1
    advice = "preprocessing.augmentation='[random_crop: 2]'"
    if lowest < len(training) and trainer.experiment.data.validation != "test":
        advice = "train.callbacks='[early_stopping: {patience: 3, restore_best_weights: true}]'"
    yield (
        f"a gap: accuracy {training[-1]:.4f} on the training examples and {held_out[-1]:.4f} on those held out, whose "
        f"loss was lowest in epoch {lowest} of {len(training)}; try --set {advice}"
    )


def _activation(layer: keras.layers.Layer) -> str:
    if isinstance(layer, keras.layers.ReLU):
        return "relu"
    return str(getattr(getattr(layer, "activation", None), "__name__", ""))
