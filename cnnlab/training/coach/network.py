"""What is wrong with a network: its layers, their initial weights, what goes in and what the loss gets."""

import math

import numpy as np

from cnnlab.config import batch_norm, rules
from cnnlab.config.lint_rule import LintContext
from cnnlab.experiment.layers.backbone import Backbone
from cnnlab.experiment.layers.base import Weighted
from cnnlab.experiment.layers.elementwise import Activation, BatchNorm, Rescale
from cnnlab.experiment.layers.weighted import Dense
from cnnlab.experiment.losses import CrossEntropy
from cnnlab.experiment.summary import Line
from cnnlab.models.build import INITIALIZERS
from cnnlab.paths import show_path
from cnnlab.training.coach.evidence import (
    ACCURACY_GAP,
    ACTIVATION_BOUNDS,
    MAX_STD_RATIO,
    Evidence,
    Finding,
    activation_of,
)

VANISHING_GRADIENT_RATIO = 0.1  # of the last layer's gradient
MIN_INPUT_VARIATION = 0.1  # of the inputs' root mean square: how far they differ from image to image
HIDDEN_UNITS = 64  # units, where there are too few


def batch_of_one(e: Evidence) -> Finding | None:
    """Single values are normalized to 0."""
    replicas = e.trainer.strategy.num_replicas_in_sync
    found = batch_norm.batch_of_one(e.lines, e.train.batch_size, replicas, len(e.trainer.dataset.train))
    if found is None or e.has_learned:
        return None
    return found[0], [f"train.batch_size={found[1]}"]


def batch_norm_not_settled(e: Evidence) -> Finding | None:
    """The running averages are not those of what the network is now."""
    layers = {show_path(line.place.path): line.spec for line in e.lines if isinstance(line.spec, BatchNorm)}
    paths = [path for path in layers if path.endswith(".batch_norm")]
    if not paths or e.training_mode_accuracy - e.training.accuracy < ACCURACY_GAP:
        return None
    momentum = max(spec.momentum for spec in layers.values() if isinstance(spec, BatchNorm))
    found = (
        f"accuracy {e.training_mode_accuracy:.4f} in training mode, {e.training.accuracy:.4f} on the same images in "
        f"inference mode: {e.steps:,} steps with a momentum of {momentum:g} leave {momentum**e.steps:.2g} of the "
        "running averages as they started"
    )
    # A twentieth of the training is what they then average over.
    wanted = min(0.9, max(0.5, math.floor(10 * (1 - 20 / e.steps)) / 10))
    if wanted >= momentum:
        return found, [f"train.epochs={4 * e.train.epochs}"]
    return found, [f"{path}.momentum={wanted:g}" for path in paths]


def wrong_loss(e: Evidence) -> Finding | None:
    """What the last layer gives is not what the loss takes."""
    if e.has_learned:
        return None
    experiment = e.trainer.experiment
    checked = LintContext(experiment, e.summary, 1)
    for rule in (rules.softmax, rules.output_activation):
        for path, message in rule(checked):
            value = "true" if path[-1] == "from_logits" else "relu" if "hidden" in message else "linear"
            return message.partition(";")[0], [f"{show_path(path)}={value}"]
    if activation_of(e.trainer.model.layers[-1]) == "softmax" and not isinstance(e.train.loss, CrossEntropy):
        found = f"the gradient of {e.train.loss.kind} through a softmax is nearly 0 where it is wrong and sure"
        return found, ["train.loss={cross_entropy: {from_logits: false}}"]
    return None


def initial_weights(e: Evidence) -> Finding | None:
    """Weights started all alike, or far from where signals keep their size."""
    if e.has_learned:
        return None
    odd = {path: found for path, line in e.weighted.items() if (found := _odd_start(e, line))}
    if not odd:
        return None
    changes = []
    for path in odd:
        wanted = "glorot_uniform" if activation_of(e.layer(e.weighted[path])) in ACTIVATION_BOUNDS else "he_normal"
        changes.append(f"{path}.kernel_initializer={wanted}")
    return next(iter(odd.values())), changes


def input_scale(e: Evidence) -> Finding | None:
    """What the first weights see is far from 1, or the same in every image."""
    if e.has_learned or not e.weighted or isinstance(e.lines[0].spec, Backbone):  # which scales pixels itself
        return None
    values = e.input_of(next(iter(e.weighted.values())))
    size = float(np.sqrt(np.mean(values**2)))
    spread = float(np.sqrt(np.mean(values.std(axis=0) ** 2)))
    rescaled = [show_path(line.place.path) for line in e.lines if isinstance(line.spec, Rescale)]
    if not rules.SMALL_INPUT < size < rules.LARGE_INPUT:
        found = f"the root mean square of what the first weights see is {size:.2g}; they start for about 1"
        if rescaled:
            return found, [f"{rescaled[0]}.scale=1", f"{rescaled[0]}.offset=0"]
    elif spread < MIN_INPUT_VARIATION * size:
        found = f"images hardly differ: by {spread:.2g}, where the root mean square of their pixels is {size:.2g}"
    else:
        return None
    is_done = e.trainer.experiment.preprocessing.scale == "standardize"
    return None if is_done else (found, ["preprocessing.scale=standardize"])


def bottleneck(e: Evidence) -> Finding | None:
    """A hidden layer has too few units for so many classes."""
    classes = e.trainer.dataset.num_classes
    narrow = [line for line in e.lines[:-1] if isinstance(line.spec, Dense) and line.spec.units < classes / 2]
    if not narrow or e.has_learned:
        return None
    found = f"{narrow[0].place.name} has {narrow[0].spec.units} units for {classes} classes"  # type: ignore[union-attr]
    return found, [f"{show_path(line.place.path)}.units={max(HIDDEN_UNITS, classes)}" for line in narrow]


def vanishing_gradients(e: Evidence) -> Finding | None:
    """Sigmoids or tanhs, one after the other, let little of the gradient through to the first layers."""
    if e.has_learned:
        return None
    places = {
        f"{show_path(line.place.path)}.activation": None
        for line in e.lines[:-1]
        if isinstance(line.spec, Weighted | Activation) and line.spec.activation in ACTIVATION_BOUNDS
    }
    names = [line.place.name for line in e.weighted.values()]
    if not places or len(names) < 3:
        return None
    first, last = e.gradient(names[0]), e.gradient(names[-1])
    if first > VANISHING_GRADIENT_RATIO * last:
        return None
    found = f"the gradient of {names[0]} is {first / last:.1g} of that of {names[-1]}"
    return found, [f"{place}=relu" for place in places]


def _odd_start(e: Evidence, line: Line) -> str:
    """How far the spread of a layer's initial weights is from He's, where that is a factor of ten or more."""
    layer, spec = e.layer(line), line.spec
    if not isinstance(spec, Weighted) or not hasattr(layer, "kernel"):
        return ""
    initializer = INITIALIZERS[spec.kernel_initializer.kind](**dict(spec.kernel_initializer))
    found = float(np.std(np.asarray(initializer(layer.kernel.shape))))
    usual = e.spread(line)[1]
    is_small_output = found < usual and line is e.lines[-1]  # which is harmless
    if usual / MAX_STD_RATIO < found < MAX_STD_RATIO * usual or is_small_output:
        return ""
    return f"the weights of {line.place.name} start with a standard deviation of {found:.2g}; He's is {usual:.2g}"
