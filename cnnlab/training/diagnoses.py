"""The diagnoses: each has what is seen and what `--set` takes to make it better, or None where it does not apply."""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from cnnlab.config import batch_norm, rules, yaml
from cnnlab.config.checked import Checked
from cnnlab.experiment.callbacks import EarlyStopping
from cnnlab.experiment.choice import plain
from cnnlab.experiment.layers.base import Weighted
from cnnlab.experiment.layers.elementwise import Activation, BatchNorm, Dropout, Rescale
from cnnlab.experiment.layers.weighted import Dense
from cnnlab.experiment.losses import CrossEntropy, SumOfSquares
from cnnlab.experiment.optimizers import bolder, calmer
from cnnlab.experiment.preprocessing import Mixup
from cnnlab.experiment.summary import Line, summarize
from cnnlab.models.build import INITIALIZERS
from cnnlab.paths import show_path
from cnnlab.training.evidence import Evidence, activation_of, is_at_chance

Found = tuple[str, Sequence[str]]
LEARNED = 0.9  # balanced accuracy on the training split, above which no cause is looked for in network or optimizer
GAP = 0.05  # of accuracies
FAR_OFF = 10  # times He's standard deviation, or less than it by as much
HIGH_DROPOUT, USUAL_DROPOUT = 0.7, 0.2
HIGH_DECAY = 1e-3  # of every weight, taken away in a step; of ResNet-20's training it is 5e-5
HIGH_MOMENTUM = 0.97
RISE, MOVED = 0.1, 0.01  # of what the loss had fallen by; of the first epoch's loss
DEAD_SHARE, SATURATED_SHARE, NEAR = 0.5, 0.8, 0.01  # of units; of outputs; how near to a bound is at it
BOUNDS = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0)}
VANISHED = 0.01  # of the last layer's gradient
ALIKE = 0.1  # of the inputs' root mean square: how far they differ from image to image
HARDLY = 0.25  # of the first epoch's loss
ENOUGH = 5  # epochs that tell whether a loss falls slowly
STILL = 0.12  # of what the loss fell, in the last fifth of the epochs; in the shipped experiments at most 0.09
DECAYED = 0.01  # of the first learning rate
HIDDEN = 64
PATIENCE, MIXED = 5, 0.4


def batch_of_one(e: Evidence) -> Found | None:
    """Single values are normalized to 0."""
    replicas = e.trainer.strategy.num_replicas_in_sync
    found = batch_norm.batch_of_one(e.lines, e.train.batch_size, replicas, len(e.trainer.dataset.train))
    if found is None or _has_learned(e):
        return None
    return found[0], [f"train.batch_size={found[1]}"]


def batch_norm_not_settled(e: Evidence) -> Found | None:
    """The running averages are not those of what the network is now."""
    layers = {show_path(line.place.path): line.spec for line in e.lines if isinstance(line.spec, BatchNorm)}
    paths = [path for path in layers if path.endswith(".batch_norm")]
    if not paths or e.training_mode_accuracy - e.training.accuracy < GAP:
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


def wrong_loss(e: Evidence) -> Found | None:
    """What the last layer gives is not what the loss takes."""
    if _has_learned(e):
        return None
    experiment = e.trainer.experiment
    checked = Checked(experiment, summarize(experiment.model.layers, experiment.input_shape), 1)
    for rule in (rules.softmax, rules.output_activation):
        for path, message in rule(checked):
            value = "true" if path[-1] == "from_logits" else "relu" if "hidden" in message else "linear"
            return message.partition(";")[0], [f"{show_path(path)}={value}"]
    if activation_of(e.trainer.model.layers[-1]) == "softmax" and not isinstance(e.train.loss, CrossEntropy):
        found = f"the gradient of {e.train.loss.kind} through a softmax is nearly 0 where it is wrong and sure"
        return found, ["train.loss={cross_entropy: {from_logits: false}}"]
    return None


def initial_weights(e: Evidence) -> Found | None:
    """Weights started all alike, or far from where signals keep their size."""
    if _has_learned(e):
        return None
    odd = {path: found for path, line in e.weighted.items() if (found := _odd_start(e, line))}
    if not odd:
        return None
    changes = []
    for path in odd:
        wanted = "glorot_uniform" if activation_of(e.layer(e.weighted[path])) in BOUNDS else "he_normal"
        changes.append(f"{path}.kernel_initializer={wanted}")
    return next(iter(odd.values())), changes


def input_scale(e: Evidence) -> Found | None:
    """What the first weights see is far from 1, or the same in every image."""
    values = None if _has_learned(e) or not e.weighted else e.input_of(next(iter(e.weighted.values())))
    if values is None:
        return None
    size = float(np.sqrt(np.mean(values**2)))
    spread = float(np.sqrt(np.mean(values.std(axis=0) ** 2)))
    rescaled = [show_path(line.place.path) for line in e.lines if isinstance(line.spec, Rescale)]
    if not rules.SMALL_INPUT < size < rules.LARGE_INPUT:
        found = f"the root mean square of what the first weights see is {size:.2g}; they start for about 1"
        if rescaled:
            return found, [f"{rescaled[0]}.scale=1", f"{rescaled[0]}.offset=0"]
    elif spread < ALIKE * size:
        found = f"images hardly differ: by {spread:.2g}, where the root mean square of their pixels is {size:.2g}"
    else:
        return None
    is_done = e.trainer.experiment.preprocessing.scale == "standardize"
    return None if is_done else (found, ["preprocessing.scale=standardize"])


def too_much_regularization(e: Evidence) -> Found | None:
    """Weights are kept so small that nothing is left of them."""
    if _has_learned(e):
        return None
    regularized = {path: line for path, line in e.weighted.items() if getattr(line.spec, "kernel_regularizer", None)}
    spreads = {line.place.name: e.spread(line) for line in regularized.values()}
    shrunk = min(spreads, key=lambda name: spreads[name][0] / spreads[name][1], default=None)
    if shrunk and (spreads[shrunk][0] < spreads[shrunk][1] / FAR_OFF or e.penalty > e.losses[-1]):
        found = (
            f"the regularizers add {e.penalty:.2g} to a training loss of {e.losses[-1]:.4g}, and the weights of {shrunk} "
            f"have a standard deviation of {spreads[shrunk][0]:.2g}; He's is {spreads[shrunk][1]:.2g}"
        )
        return found, [f"{path}.kernel_regularizer=null" for path in regularized]
    optimizer = e.train.optimizer
    decay = getattr(optimizer, "weight_decay", 0.0) * optimizer.learning_rate
    if decay < HIGH_DECAY:
        return None
    found = f"every step takes {decay:.2g} of every weight away"
    return found, [f"train.optimizer.{optimizer.kind}.weight_decay=0"]


def too_much_dropout(e: Evidence) -> Found | None:
    """Too little goes through the network while it is trained."""
    high = [line for line in e.lines if isinstance(line.spec, Dropout) and line.spec.rate >= HIGH_DROPOUT]
    if not high or _has_learned(e):
        return None
    found = f"{high[0].place.name} sets {high[0].spec.rate:g} of its values to 0"  # type: ignore[union-attr]
    paths = dict.fromkeys(show_path(line.place.path) for line in high)
    return found, [f"{path}.rate={USUAL_DROPOUT}" for path in paths]


def rate_too_high(e: Evidence) -> Found | None:
    """Steps so large that the loss rises or units die."""
    if _has_learned(e) or not e.losses:
        return None
    optimizer, losses = e.train.optimizer, e.losses
    momentum = getattr(optimizer, "momentum", 0.0)
    scale = e.train.batch_size if isinstance(e.train.loss, SumOfSquares) else 1  # its gradient is that much larger
    rate = optimizer.learning_rate * scale / (1 - momentum)
    usual = type(optimizer).model_fields["learning_rate"].default
    broken = next(_broken(e), "") if rate >= usual else ""
    risen, range_ = losses[-1] - min(losses), max(losses[0], losses[-1]) - min(losses)
    is_rising = risen > max(RISE * range_, MOVED * losses[0])
    if not (is_rising or broken or rate > rules.USUAL_RATES[optimizer.kind][1]):
        return None
    found = (
        f"the training loss went from {losses[0]:.4g} to {losses[-1]:.4g}, lowest {min(losses):.4g}, with a learning "
    )
    found += f"rate of {optimizer.learning_rate:g}" + (f" and a momentum of {momentum:g}" if momentum else "")
    if broken:
        found += f"; {broken}"
    if momentum > HIGH_MOMENTUM:
        key = f"train.optimizer.{optimizer.kind}"
        return found, [f"{key}.momentum=0.9", f"{key}.learning_rate={min(optimizer.learning_rate, usual):g}"]
    return found, [calmer(optimizer)]


def vanishing_gradients(e: Evidence) -> Found | None:
    """Sigmoids or tanhs, one after the other, let little of the gradient through to the first layers."""
    if _has_learned(e):
        return None
    places = {
        f"{show_path(line.place.path)}.activation": None
        for line in e.lines[:-1]
        if isinstance(line.spec, Weighted | Activation) and line.spec.activation in BOUNDS
    }
    names = [line.place.name for line in e.weighted.values()]
    if not places or len(names) < 3:
        return None
    first, last = e.gradient(names[0]), e.gradient(names[-1])
    if first > VANISHED * last:
        return None
    found = f"the gradient of {names[0]} is {first / last:.1g} of that of {names[-1]}"
    return found, [f"{place}=relu" for place in places]


def bottleneck(e: Evidence) -> Found | None:
    """A hidden layer has too few units for so many classes."""
    classes = e.trainer.dataset.num_classes
    narrow = [line for line in e.lines[:-1] if isinstance(line.spec, Dense) and line.spec.units < classes / 2]
    if not narrow or _has_learned(e):
        return None
    found = f"{narrow[0].place.name} has {narrow[0].spec.units} units for {classes} classes"  # type: ignore[union-attr]
    return found, [f"{show_path(line.place.path)}.units={max(HIDDEN, classes)}" for line in narrow]


def rate_too_low(e: Evidence) -> Found | None:
    """Steps so small that the loss has not come far."""
    losses, optimizer = e.losses, e.train.optimizer
    if _has_learned(e) or not losses or losses[-1] >= losses[0]:
        return None
    rates = e.table.get("learning_rate", [optimizer.learning_rate])
    found = f"the training loss went from {losses[0]:.4g} to {losses[-1]:.4g} in {len(losses)} epochs"
    if rates[-1] < DECAYED * max(rates) and not e.train.schedule.spans_training:
        return f"{found}, and the learning rate from {max(rates):.2g} to {rates[-1]:.2g}", ["train.schedule=constant"]
    usual = type(optimizer).model_fields["learning_rate"].default
    is_small = optimizer.learning_rate < usual / 3 or losses[-1] > (1 - HARDLY) * losses[0]
    if optimizer.learning_rate > 3 * usual or not is_small:
        return None
    return f"{found} with a learning rate of {optimizer.learning_rate:g}", [bolder(optimizer)]


def imbalance(e: Evidence) -> Found | None:
    """Of a class that has few training examples few are found."""
    if not e.is_imbalanced or e.train.class_weights is not None:
        return None
    counts, recalls = e.class_counts, e.judged.recalls
    rare = [label for label in recalls if 0 < counts[label] < counts.max() / 3]
    common = [recalls[label] for label in recalls if label not in rare]
    if not rare or not common or np.mean([recalls[label] for label in rare]) > np.mean(common) - 2 * GAP:
        return None
    worst = min(rare, key=recalls.__getitem__)
    there = int((e.judged.labels == worst).sum())
    found = (
        f"class '{e.trainer.dataset.class_names[worst]}' has {counts[worst]:,} of {counts.sum():,} training examples, "
        f"and {round(recalls[worst] * there):,} of {there:,} are predicted right (balanced accuracy "
        f"{e.judged.balanced_accuracy:.4f}, accuracy {e.judged.accuracy:.4f})"
    )
    return found, ["train.class_weights=balanced"]


def too_few_epochs(e: Evidence) -> Found | None:
    """The loss is still on its way."""
    losses = e.losses
    if _has_learned(e) or len(losses) < ENOUGH or _late(e) < STILL:
        return None
    found = (
        f"of what the training loss fell, {100 * _late(e):.0f} % was in the last fifth of {len(losses)} epochs "
        f"({losses[0]:.4g} to {losses[-1]:.4g})"
    )
    return found, [f"train.epochs={3 * e.train.epochs}"]


def nothing_learned(e: Evidence) -> Found | None:
    """The predictions have nothing to do with the labels, and nothing else explains it."""
    if not is_at_chance(e.judged):
        return None
    found = (
        f"balanced accuracy {e.judged.balanced_accuracy:.4f}, as if predicted without the images, and "
        f"{e.training.balanced_accuracy:.4f} on training examples; see with `cnnlab data preview` whether images show "
        "what their labels say"
    )
    return found, []


def overfitting(e: Evidence) -> Found | None:
    """Better on what it was trained on than on what was held out."""
    if e.held_out is None or e.training.accuracy - e.held_out.accuracy < GAP:
        return None
    found = f"accuracy {e.training.accuracy:.4f} on training examples, {e.held_out.accuracy:.4f} on others"
    experiment, losses = e.trainer.experiment, e.table.get("val_loss", [])
    callbacks, augmentation = e.train.callbacks, experiment.preprocessing.augmentation
    rises = losses and experiment.data.validation != "test" and min(losses) < (1 - RISE) * losses[-1]
    if rises and not any(isinstance(callback, EarlyStopping) for callback in callbacks):
        found += f", whose loss was lowest in epoch {losses.index(min(losses)) + 1} of {len(losses)}"
        stop = EarlyStopping(patience=PATIENCE, restore_best_weights=True)
        return found, [f"train.callbacks={yaml.dump_inline(plain([*callbacks, stop]))}"]
    if any(isinstance(step, Mixup) for step in augmentation):
        return f"{found}; more training examples would help", []
    return found, [f"preprocessing.augmentation={yaml.dump_inline(plain([*augmentation, Mixup(alpha=MIXED)]))}"]


def _has_learned(e: Evidence) -> bool:
    return e.training.balanced_accuracy >= LEARNED


def _odd_start(e: Evidence, line: Line) -> str:
    """How far the spread of a layer's initial weights is from He's, where that is a factor of ten or more."""
    layer, spec = e.layer(line), line.spec
    if not isinstance(spec, Weighted) or not hasattr(layer, "kernel"):
        return ""
    initializer = INITIALIZERS[spec.kernel_initializer.kind](**dict(spec.kernel_initializer))
    found = float(np.std(np.asarray(initializer(layer.kernel.shape))))
    usual = e.spread(line)[1]
    is_small_output = found < usual and line is e.lines[-1]  # which is harmless
    if usual / FAR_OFF < found < FAR_OFF * usual or is_small_output:
        return ""
    return f"the weights of {line.place.name} start with a standard deviation of {found:.2g}; He's is {usual:.2g}"


def _broken(e: Evidence) -> Iterator[str]:
    """Layers with units that are never above zero, or with outputs at the bounds of their function."""
    for name, values in e.activations.items():
        activation = activation_of(e.trainer.model.get_layer(name))
        units = values.shape[-1]
        if activation == "relu":
            dead = int((values.reshape(-1, units).max(axis=0) <= 0).sum())
            if dead >= DEAD_SHARE * units:
                yield f"{dead:,} of {units:,} units of {name} are above 0 on none of {len(values)} training examples"
        elif activation in BOUNDS:
            low, high = BOUNDS[activation]
            near = NEAR * (high - low)
            share = float(((values < low + near) | (values > high - near)).mean())
            if share >= SATURATED_SHARE:
                yield f"{100 * share:.0f} % of the outputs of {name} are at the bounds of {activation}"


def _late(e: Evidence) -> float:
    """How much of what the training loss fell was in the last fifth of the epochs."""
    losses = e.losses
    whole = losses[0] - losses[-1]
    return (losses[-1 - max(1, len(losses) // 5)] - losses[-1]) / whole if whole > 0 and len(losses) > 1 else 0.0
