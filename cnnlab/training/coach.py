"""What probably went wrong with a training, each in one line with the evidence and one change to try."""

import math
from collections.abc import Iterator, Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf
from keras.layers import Layer, ReLU
from numpy.typing import NDArray

from cnnlab.experiment.optimizers import bolder, calmer
from cnnlab.models.inference import Outcome, to_input
from cnnlab.training.trainer import Trainer

FEW_STEPS = 20
EXAMPLES = 256  # of the training set, whose activations are looked at
DEAD_SHARE = 0.5  # of a layer's units; a quarter of them is dead in networks that do well
SATURATED_SHARE, NEAR = 0.8, 0.01  # of a layer's outputs; how near to a bound is at it
GAP = 0.05  # of accuracies
RISE = 0.1  # of what the loss had fallen by
FAST = 10  # times the usual learning rate
FAR_OFF = 10  # times He's standard deviation, or less than it by as much
ENOUGH = 5  # epochs that tell whether a loss falls slowly
HARDLY = 0.25  # of the first epoch's loss; the shipped experiments all lose more
STILL = 0.12  # of what the loss fell, in the last fifth of the epochs; in the shipped experiments at most 0.09
BOUNDS = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0)}

Table = Mapping[str, Sequence[float]]
"""The table of epochs, by column."""


def findings(trainer: Trainer, table: Table, outcome: Outcome | None) -> list[str]:
    """What is wrong with a network that was trained, by its table of epochs and its `outcome` on the test set, None
    where that is left alone.

    None where nothing is, or after a few steps, which need not lead anywhere. At chance level only the most likely
    cause is named; activations and weights are looked at only where a network is on one device.
    """
    train = trainer.experiment.train
    if train.epochs * math.ceil(len(trainer.dataset.train) / train.batch_size) < FEW_STEPS:
        return []
    layers = _layers(trainer) if trainer.strategy.num_replicas_in_sync == 1 else []
    unwell = list(_unwell(trainer, layers))
    if outcome and (chance := _chance(table, outcome)):
        return [f"{chance}; {_cause(trainer, table, layers, unwell)}"]
    return [
        *_inside(trainer, table, unwell),
        *_rising(trainer, table),
        *_slow(trainer, table),
        *_gap(trainer, table),
    ]


def _chance(table: Table, outcome: Outcome) -> str:
    """That the accuracy is what always answering the commonest class would give too, and in training no better.

    Empty where it is not so, or the test set too small to tell.
    """
    n = len(outcome.labels)
    share = np.bincount(outcome.labels).max() / n
    most = share + 3 * math.sqrt(share * (1 - share) / n)
    if most >= 1 or outcome.accuracy > most or max(table.get("accuracy", [0.0])[-1:]) > most + GAP:
        return ""
    found = f"test accuracy {outcome.accuracy:.4f}"
    return f"chance level: {found}, and answering always the commonest class gives {share:.4f}"


def _cause(trainer: Trainer, table: Table, layers: Sequence[Layer], unwell: Sequence[tuple[Layer, str]]) -> str:
    """Why nothing was learnt: the rate, where it is far off; else the first layer that started or ended badly."""
    losses, optimizer = table.get("loss") or [math.nan], trainer.experiment.train.optimizer
    evidence = (
        f"the training loss went from {losses[0]:.4g} to {losses[-1]:.4g} with a learning rate of "
        f"{optimizer.learning_rate:g}; try --set "
    )
    if _too_fast(trainer, table):
        return evidence + calmer(optimizer)
    odd = [(layer, found) for layer in layers if (found := _odd_start(layer)) and _initializer(trainer, layer)]
    if odd:
        changes = " ".join(f"--set {_other_start(trainer, layer)}" for layer, _ in odd)
        return f"{odd[0][0].name}: {odd[0][1]}{_also(odd)}; try {changes}"
    if unwell:
        return f"{unwell[0][0].name}: {unwell[0][1]}{_also(unwell)}; try --set {_other_start(trainer, unwell[0][0])}"
    return evidence + bolder(optimizer)


def _inside(trainer: Trainer, table: Table, unwell: Sequence[tuple[Layer, str]]) -> Iterator[str]:
    if unwell:
        layer, what = unwell[0]
        fast = _too_fast(trainer, table)
        change = calmer(trainer.experiment.train.optimizer) if fast else _other_start(trainer, layer)
        yield f"{layer.name}: {what}{_also(unwell)}; try --set {change}"


def _also(layers: Sequence[tuple[Layer, str]]) -> str:
    return f" (also {', '.join(layer.name for layer, _ in layers[1:])})" if layers[1:] else ""


def _too_fast(trainer: Trainer, table: Table) -> bool:
    losses, optimizer = table.get("loss") or [math.nan], trainer.experiment.train.optimizer
    usual = type(optimizer).model_fields["learning_rate"].default
    return bool(losses[-1] > (1 + RISE) * losses[0] or optimizer.learning_rate > FAST * usual)


def _layers(trainer: Trainer) -> list[Layer]:
    return [layer for layer in trainer.model.layers if hasattr(layer, "kernel") or _activation(layer) == "relu"]


def _odd_start(layer: Layer) -> str:
    """How far the spread of a layer's weights is from He's start, where that is a factor of ten or more."""
    if not hasattr(layer, "kernel"):
        return ""
    kernel = np.asarray(layer.kernel, dtype=np.float64)
    found, usual = float(kernel.std()), math.sqrt(2 / math.prod(kernel.shape[:-1]))
    if usual / FAR_OFF < found < FAR_OFF * usual:
        return ""
    return f"its weights have a standard deviation of {found:.2g}, and He's start one of {usual:.2g}"


def _unwell(trainer: Trainer, layers: Sequence[Layer]) -> Iterator[tuple[Layer, str]]:
    """Layers with units that are never above zero, or outputs at the bounds of their function."""
    active = [layer for layer in layers if _activation(layer) in ("relu", *BOUNDS)]
    if not active:
        return
    images = tf.constant(trainer.dataset.train.images[:EXAMPLES])
    look = keras.Model(trainer.model.inputs, [trainer.model.output, *(layer.output for layer in active)])
    _, *outputs = look(to_input(images), training=False)
    for layer, output in zip(active, outputs, strict=True):
        values = np.asarray(tf.cast(output, tf.float32))
        activation = _activation(layer)
        if finding := _dead(values) if activation == "relu" else _saturated(values, activation):
            yield layer, finding


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


def _other_start(trainer: Trainer, layer: Layer) -> str:
    """The initializer for such an activation, where a layer of the file has another; else a smaller rate."""
    wanted = "glorot_uniform" if _activation(layer) in BOUNDS else "he_normal"
    place, own = _initializer(trainer, layer) or ("", wanted)
    return f"'{place}={wanted}'" if own != wanted else calmer(trainer.experiment.train.optimizer)


def _initializer(trainer: Trainer, layer: Layer) -> tuple[str, str] | None:
    """The key of a layer's initializer and its kind; None for layers that the file does not list by themselves."""
    index = layer.name.rpartition("_")[2]
    layers = trainer.experiment.model.layers
    if not index.isdecimal() or int(index) >= len(layers):
        return None
    spec = layers[int(index)]
    own = getattr(getattr(spec, "kernel_initializer", None), "kind", None)
    if own is None or layer.name != f"{spec.kind}_{index}":
        return None
    return f"model.layers[{index}].{spec.kind}.kernel_initializer", own


def _rising(trainer: Trainer, table: Table) -> Iterator[str]:
    losses = table.get("loss", [])
    if losses and losses[-1] - min(losses) > RISE * (max(losses[0], losses[-1]) - min(losses)):
        lowest = losses.index(min(losses)) + 1
        yield (
            f"the loss rises: {losses[-1]:.4g} in the last epoch, {min(losses):.4g} in epoch {lowest}; "
            f"try --set {calmer(trainer.experiment.train.optimizer)}"
        )


def _slow(trainer: Trainer, table: Table) -> Iterator[str]:
    """A loss that has not come far, or is still on its way."""
    losses, train = table.get("loss", []), trainer.experiment.train
    if len(losses) < ENOUGH or losses[-1] >= losses[0]:
        return
    late, whole = losses[-1 - len(losses) // ENOUGH] - losses[-1], losses[0] - losses[-1]
    if losses[-1] > (1 - HARDLY) * losses[0]:
        yield (
            f"slow: the training loss went from {losses[0]:.4g} to {losses[-1]:.4g} in {len(losses)} epochs with a "
            f"learning rate of {train.optimizer.learning_rate:g}; try --set {bolder(train.optimizer)}"
        )
    elif late > STILL * whole:
        yield (
            f"not at its end: of what the training loss fell, {100 * late / whole:.0f} % was in the last fifth of "
            f"{len(losses)} epochs; try --set train.epochs={2 * train.epochs}"
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


def _activation(layer: Layer) -> str:
    if isinstance(layer, ReLU):
        return "relu"
    return str(getattr(getattr(layer, "activation", None), "__name__", ""))
