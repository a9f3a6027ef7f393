"""What is wrong with how a network is trained: the learning rate, regularization, dropout."""

from collections.abc import Iterator

from cnnlab.config import rules
from cnnlab.experiment.layers.elementwise import Dropout
from cnnlab.experiment.losses import SumOfSquares
from cnnlab.experiment.optimizers import higher_learning_rate, lower_learning_rate
from cnnlab.experiment.schedules import Constant
from cnnlab.paths import show_path
from cnnlab.training.coach.evidence import (
    ACCURACY_GAP,
    ACTIVATION_BOUNDS,
    MAX_STD_RATIO,
    Evidence,
    Finding,
    activation_of,
)

HIGH_DROPOUT, USUAL_DROPOUT = 0.7, 0.2
HIGH_DECAY = 1e-3  # of every weight, taken away in a step; of ResNet-20's training it is 5e-5
HIGH_MOMENTUM = 0.97
MIN_LOSS_RISE, MIN_LOSS_CHANGE = 0.1, 0.01  # of what the loss had fallen by; of the first epoch's loss
DEAD_FRACTION, SATURATED_FRACTION, BOUND_MARGIN = 0.5, 0.8, 0.01  # of units; of outputs; how near to a bound is at it
MIN_LOSS_DROP = 0.25  # of the first epoch's loss
DECAYED_RATE_RATIO = 0.01  # of the first learning rate


def too_much_regularization(e: Evidence) -> Finding | None:
    """Weights are kept so small that nothing is left of them."""
    if e.has_learned:
        return None
    regularized = {path: line for path, line in e.weighted.items() if getattr(line.spec, "kernel_regularizer", None)}
    spreads = {line.place.name: e.spread(line) for line in regularized.values()}
    shrunk = min(spreads, key=lambda name: spreads[name][0] / spreads[name][1], default=None)
    if shrunk and (spreads[shrunk][0] < spreads[shrunk][1] / MAX_STD_RATIO or e.penalty > e.losses[-1]):
        found = (
            f"regularizers add {e.penalty:.2g} to a loss of {e.losses[-1]:.4g}, and the weights of {shrunk} have "
            f"a standard deviation of {spreads[shrunk][0]:.2g}; He's is {spreads[shrunk][1]:.2g}"
        )
        return found, [f"{path}.kernel_regularizer=null" for path in regularized]
    optimizer = e.train.optimizer
    decay = getattr(optimizer, "weight_decay", 0.0) * optimizer.learning_rate
    if decay < HIGH_DECAY:
        return None
    found = f"every step takes {decay:.2g} of every weight away"
    return found, [f"train.optimizer.{optimizer.kind}.weight_decay=0"]


def too_much_dropout(e: Evidence) -> Finding | None:
    """Too little goes through the network while it is trained."""
    high = [line for line in e.lines if isinstance(line.spec, Dropout) and line.spec.rate >= HIGH_DROPOUT]
    if not high or e.has_learned:
        return None
    found = f"{high[0].place.name} sets {high[0].spec.rate:g} of its values to 0"  # type: ignore[union-attr]
    paths = dict.fromkeys(show_path(line.place.path) for line in high)
    return found, [f"{path}.rate={USUAL_DROPOUT}" for path in paths]


def rate_too_high(e: Evidence) -> Finding | None:
    """Steps so large that the loss rises or units die."""
    if e.has_learned or not e.losses:
        return None
    optimizer, losses = e.train.optimizer, e.losses
    momentum = getattr(optimizer, "momentum", 0.0)
    scale = e.train.batch_size if isinstance(e.train.loss, SumOfSquares) else 1  # its gradient is that much larger
    rate = optimizer.learning_rate * scale / (1 - momentum)
    usual = type(optimizer).model_fields["learning_rate"].default
    broken = next(_broken(e), "") if rate >= usual else ""
    risen, range_ = losses[-1] - min(losses), max(losses[0], losses[-1]) - min(losses)
    is_rising = e.shows_what_is_minimized and risen > max(MIN_LOSS_RISE * range_, MIN_LOSS_CHANGE * losses[0])
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
    return found, [lower_learning_rate(optimizer)]


def unsteady(e: Evidence) -> Finding | None:
    """Steps that are right at first and too large at the end: the last of them made it worse."""
    if not e.shows_what_is_minimized or e.training_mode_accuracy - e.training.accuracy < ACCURACY_GAP:
        return None
    optimizer = e.train.optimizer
    found = (
        f"accuracy {e.training_mode_accuracy:.4f} on training examples during the last epoch, and "
        f"{e.training.accuracy:.4f} after its last step, with a learning rate of {optimizer.learning_rate:g}"
    )
    is_constant = isinstance(e.train.schedule, Constant)
    return found, ["train.schedule=cosine" if is_constant else lower_learning_rate(optimizer)]


def rate_too_low(e: Evidence) -> Finding | None:
    """Steps so small that the loss has not come far."""
    losses, optimizer = e.losses, e.train.optimizer
    if e.has_learned or not losses or losses[-1] >= losses[0]:
        return None
    rates = e.table.get("learning_rate", [optimizer.learning_rate])
    found = f"the training loss went from {losses[0]:.4g} to {losses[-1]:.4g} in {len(losses)} epochs"
    if rates[-1] < DECAYED_RATE_RATIO * max(rates) and not e.train.schedule.spans_training:
        return f"{found}, and the learning rate from {max(rates):.2g} to {rates[-1]:.2g}", ["train.schedule=constant"]
    usual = type(optimizer).model_fields["learning_rate"].default
    has_hardly_fallen = e.shows_what_is_minimized and losses[-1] > (1 - MIN_LOSS_DROP) * losses[0]
    is_small = optimizer.learning_rate < usual / 3 or has_hardly_fallen
    if optimizer.learning_rate > 3 * usual or not is_small:
        return None
    return f"{found} with a learning rate of {optimizer.learning_rate:g}", [higher_learning_rate(optimizer)]


def _broken(e: Evidence) -> Iterator[str]:
    """Layers with units that are never above zero, or with outputs at the bounds of their function."""
    for name, values in e.activations.items():
        activation = activation_of(e.trainer.model.get_layer(name))
        units = values.shape[-1]
        if activation == "relu":
            dead = int((values.reshape(-1, units).max(axis=0) <= 0).sum())
            if dead >= DEAD_FRACTION * units:
                yield f"{dead:,} of {units:,} units of {name} are above 0 on none of {len(values)} training examples"
        elif activation in ACTIVATION_BOUNDS:
            low, high = ACTIVATION_BOUNDS[activation]
            near = BOUND_MARGIN * (high - low)
            share = float(((values < low + near) | (values > high - near)).mean())
            if share >= SATURATED_FRACTION:
                yield f"{100 * share:.0f} % of the outputs of {name} are at the bounds of {activation}"
