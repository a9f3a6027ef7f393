"""The lint rules: each yields its violations; its docstring is its documentation."""

from collections.abc import Iterator

from cnnlab import memory as machine
from cnnlab.config.backbone import backbone, frozen_at_random
from cnnlab.config.batch_norm import batch_norm
from cnnlab.config.data_rules import (
    augmentation,
    class_weights,
    color_images,
    hold_out,
    known_classes,
    mixing_last,
    test_as_validation,
    test_fold,
    test_never,
    train_sizes,
)
from cnnlab.config.initializers import dirac, whitening
from cnnlab.config.lint_rule import LintContext, Rule, Violation
from cnnlab.config.pretrained import pretrained
from cnnlab.config.resizing import full_size, progressive_resizing
from cnnlab.experiment.callbacks import EarlyStopping, StopAt
from cnnlab.experiment.data import num_outputs
from cnnlab.experiment.layers import show
from cnnlab.experiment.layers.base import Weighted
from cnnlab.experiment.layers.elementwise import Activation, BatchNorm, Dropout, Flatten, Rescale, ZeroPadding2D
from cnnlab.experiment.layers.pooling import MaxPool2D
from cnnlab.experiment.losses import CrossEntropy, SumOfSquares
from cnnlab.experiment.optimizers import RMSprop, Sgd
from cnnlab.experiment.schedules import Exponential, Piecewise, ReduceOnPlateau, Step
from cnnlab.experiment.schema import Train
from cnnlab.experiment.summary import BYTES, Line
from cnnlab.messages import pluralize
from cnnlab.paths import KeyPath

USUAL_RATES = {"sgd": (1e-4, 1.0), "adam": (1e-5, 0.02), "adamw": (1e-5, 0.02), "rmsprop": (1e-5, 0.02)}
"""From a hundredth of Keras's default (0.01, 0.001) to the largest rate that the literature uses for such networks."""
LARGE_INPUT, SMALL_INPUT = 10.0, 0.05
"""Inputs should be about 1 (LeCun et al. 1998, "Efficient BackProp"): these are an order of magnitude away."""
RELU_LIKE = {"relu", "relu6", "leaky_relu", "elu", "selu", "gelu", "silu"}


def classes(context: LintContext) -> Iterator[Violation]:
    """The network must end in one output per class."""
    data, layers = context.experiment.data, context.experiment.model.layers
    outputs = num_outputs(data)
    if context.summary and (shape := context.summary.output_shape) != (outputs,):
        last = ("model", "layers", len(layers) - 1, layers[-1].kind)
        yield (
            last,
            f"the network ends in {show(shape)}, and {data.name} has {outputs} classes; "
            f"expected a last layer such as dense: {outputs}",
        )


def jit(context: LintContext) -> Iterator[Violation]:
    """XLA must support all layers of the network."""
    if context.experiment.train.jit == "on" and any(isinstance(line.spec, MaxPool2D) for line in context.lines):
        yield (
            ("train", "jit"),
            "XLA has no deterministic gradient of max pooling; expected `auto` or `off`",
        )


def devices(context: LintContext) -> Iterator[Violation]:
    """Every device must get part of the batch."""
    train = context.experiment.train
    if isinstance(train.devices, int) and train.devices > train.batch_size:
        yield ("train", "devices"), f"{train.devices} devices cannot divide a batch of {train.batch_size}"


def monitor(context: LintContext) -> Iterator[Violation]:
    """Monitoring a validation metric needs validation examples."""
    for path, spec in _watchers(context.experiment.train):
        if spec.monitor.startswith("val_") and context.experiment.data.holds_out_nothing():
            yield (
                (*path, "monitor"),
                f"{spec.monitor}, but no examples are held out for validation; set data.validation, or monitor: "
                f"{'loss' if spec.monitor == 'val_loss' else 'accuracy'}",
            )


def softmax(context: LintContext) -> Iterator[Violation]:
    """The loss applies softmax itself unless `from_logits: false`, and then the network must."""
    loss = context.experiment.train.loss
    if context.summary is None or not isinstance(loss, CrossEntropy):
        return
    output = _output_line(context)
    ends_in_softmax = output is not None and _activation(output) == "softmax"
    if not loss.from_logits and not ends_in_softmax:
        yield (
            ("train", "loss", "cross_entropy", "from_logits"),
            "the loss expects probabilities, and the network does not end in softmax; add it, or remove this option",
        )
    for line in context.lines:
        if _activation(line) != "softmax":
            continue
        if line is not output:
            yield _path(line), "softmax in a hidden layer makes its outputs compete; relu is the usual choice"
        elif loss.from_logits:
            yield (
                _path(line),
                "softmax, which the loss cross_entropy applies too: applied twice, it slows down learning; "
                "remove it, or set loss: {cross_entropy: {from_logits: false}}",
            )


def output_activation(context: LintContext) -> Iterator[Violation]:
    """The activation of the last layer must not restrict what the loss needs."""
    output = _output_line(context)
    function = _activation(output) if output else "linear"
    if output is None or function in ("linear", "softmax"):
        return
    if function in RELU_LIKE:
        yield _path(output), f"{function} on the output layer removes negative values; remove it"
    elif isinstance(context.experiment.train.loss, CrossEntropy):
        yield (
            _path(output),
            f"{function} on the output layer bounds the logits, no class can reach a high probability; remove it",
        )


def decay_never_fires(context: LintContext) -> Iterator[Violation]:
    """A learning rate schedule should take effect within the epochs."""
    train = context.experiment.train
    path = ("train", "schedule", train.schedule.kind)
    epochs = pluralize(train.epochs, "epoch")
    match train.schedule:
        case Exponential(decay=1.0):
            yield (*path, "decay"), "a decay of 1 does not change the learning rate"
        case Exponential() if train.epochs == 1:
            yield path, "the learning rate falls after 1 epoch, and the run has 1 epoch"
        case Step(every=every) if every >= train.epochs:
            yield (
                (*path, "every"),
                f"the learning rate falls after {pluralize(every, 'epoch')}, and the run has {epochs}",
            )
        case Piecewise(boundaries=boundaries) if boundaries[-1] >= train.epochs:
            late = [boundary for boundary in boundaries if boundary >= train.epochs]
            yield (*path, "boundaries"), f"{', '.join(map(str, late))} of the boundaries lie beyond the run's {epochs}"


def warmup(context: LintContext) -> Iterator[Violation]:
    """A warm-up should end within the epochs."""
    train = context.experiment.train
    if train.schedule.warmup >= train.epochs:
        yield (
            ("train", "schedule", train.schedule.kind, "warmup"),
            f"the learning rate rises for {pluralize(train.schedule.warmup, 'epoch')}, and the run has "
            f"{pluralize(train.epochs, 'epoch')}: it never reaches the optimizer's",
        )


def patience(context: LintContext) -> Iterator[Violation]:
    """Patience should be shorter than the run."""
    train = context.experiment.train
    for path, spec in _watchers(train):
        if not isinstance(spec, StopAt) and spec.patience + 1 >= train.epochs:
            yield (
                (*path, "patience"),
                f"{pluralize(spec.patience, 'epoch')} of waiting never end in {train.epochs}",
            )


def batch_size(context: LintContext) -> Iterator[Violation]:
    """A batch should be smaller than the training split, and divide evenly among replicas."""
    batch, path = context.experiment.train.batch_size, ("train", "batch_size")
    size = context.experiment.data.train_size()
    if size is not None and batch > size > 0:
        yield path, f"a batch of {batch:,}, but only {size:,} training examples: each epoch is a single step"
    if batch % context.replicas:
        yield path, f"a batch of {batch:,} cannot be divided evenly among {context.replicas} replicas"


def input_scale(context: LintContext) -> Iterator[Violation]:
    """The input of the first weights should be about 1; pixel values start as 0 to 1."""
    if context.experiment.preprocessing.scale == "standardize":
        return
    low, high = (0.0, 1.0) if context.experiment.preprocessing.scale == "zero_one" else (-1.0, 1.0)
    rescaled: Line | None = None
    for line in context.lines:
        match line.spec:
            case Rescale(scale=scale, offset=offset):
                low, high = sorted((low * scale + offset, high * scale + offset))
                rescaled = line
            case BatchNorm():
                return
            case Weighted() if rescaled:
                reach = max(abs(low), abs(high))
                if reach > LARGE_INPUT or reach < SMALL_INPUT:
                    yield (
                        rescaled.place.path,
                        f"rescales pixels to [{low:g}, {high:g}]; initializers expect about 1",
                    )
                return
            case Flatten() | ZeroPadding2D() | Dropout():
                pass
            case _:
                return


def learning_rate(context: LintContext) -> Iterator[Violation]:
    """A learning rate far from the usual range of the optimizer is often a typing error."""
    optimizer = context.experiment.train.optimizer
    low, high = usual_rates(context.experiment.train)
    if not low <= optimizer.learning_rate <= high:
        yield (
            ("train", "optimizer", optimizer.kind, "learning_rate"),
            f"{optimizer.learning_rate:g} is far from the usual range of {optimizer.kind}, {low:.3g} to {high:.3g}",
        )


def usual_rates(train: Train) -> tuple[float, float]:
    """The usual range of the learning rate."""
    low, high = USUAL_RATES[train.optimizer.kind]
    scale = train.batch_size if isinstance(train.loss, SumOfSquares) else 1  # its gradient is that much larger
    return low / scale, high / scale


def rate_range(train: Train) -> tuple[float, float]:
    """The rates among which one is looked for: a factor of ten around the usual ones and the present one."""
    low, high = usual_rates(train)
    present = train.optimizer.learning_rate
    return min(low, present) / 10, max(high, present) * 10


def memory(context: LintContext) -> Iterator[Violation]:
    """Weights, gradients, optimizer state and the activations of a batch must fit in memory."""
    if context.summary is None:
        return
    train = context.experiment.train
    slots = {"sgd": 0, "rmsprop": 1}.get(train.optimizer.kind, 2)
    if isinstance(train.optimizer, Sgd | RMSprop) and train.optimizer.momentum:
        slots += 1
    weights = context.summary.cost.parameters * BYTES * (2 + slots)
    needed = weights + 2 * context.summary.activation_bytes(train.batch_size)  # forward, and their gradients
    present = machine.physical()
    if present is not None and needed > present:
        yield ("model",), f"training takes about {needed / 1e9:,.0f} GB; this machine has {present / 1e9:,.0f}"


ERRORS: tuple[Rule, ...] = (
    classes, known_classes, class_weights, hold_out, train_sizes, mixing_last, color_images, monitor, devices, jit,
    test_never, test_fold, pretrained, backbone, whitening, dirac, progressive_resizing,
)  # fmt: skip
WARNINGS: tuple[Rule, ...] = (
    softmax, output_activation, test_as_validation, augmentation, decay_never_fires, warmup, patience, batch_size,
    batch_norm, input_scale, learning_rate, memory, frozen_at_random, full_size,
)  # fmt: skip


def name_of(rule: Rule) -> str:
    """`test-as-validation`."""
    return rule.__name__.replace("_", "-")


def _output_line(context: LintContext) -> Line | None:
    """The last layer other than flatten and dropout."""
    lines = [line for line in context.lines if not isinstance(line.spec, Flatten | Dropout)]
    return lines[-1] if lines else None


def _watchers(train: Train) -> Iterator[tuple[KeyPath, EarlyStopping | StopAt | ReduceOnPlateau]]:
    """Callbacks and schedules that watch a metric."""
    for index, spec in enumerate(train.callbacks):
        if isinstance(spec, EarlyStopping | StopAt):
            yield ("train", "callbacks", index, spec.kind), spec
    if isinstance(train.schedule, ReduceOnPlateau):
        yield ("train", "schedule", train.schedule.kind), train.schedule


def _activation(line: Line) -> str:
    return line.spec.activation if isinstance(line.spec, Weighted | Activation) else "linear"


def _path(line: Line) -> KeyPath:
    return (*line.place.path, "activation")
