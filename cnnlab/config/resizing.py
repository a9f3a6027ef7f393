"""The rules for progressive resizing."""

from collections.abc import Iterator

from cnnlab.config.lint_rule import LintContext, Violation
from cnnlab.experiment.layers.backbone import Backbone
from cnnlab.experiment.layers.base import show
from cnnlab.experiment.layers.pooling import ChannelMaxPool
from cnnlab.experiment.network import LayerError
from cnnlab.experiment.progressive_resizing import ImageSize
from cnnlab.experiment.summary import Summary, summarize
from cnnlab.messages import pluralize
from cnnlab.paths import show_path

PATH = ("train", "progressive_resizing")


def progressive_resizing(context: LintContext) -> Iterator[Violation]:
    """A network that is trained on images of several sizes must have the same weights for each of them."""
    experiment = context.experiment
    if experiment.train.progressive_resizing is None or context.summary is None:
        return
    for _, size in experiment.stages:
        image = *size, experiment.input_shape[2]
        try:
            smaller = summarize(experiment.model.layers, image)
        except LayerError as error:
            yield PATH, f"images of {show(image)} are too small: {show_path(error.path)}: {error}"
            return
        if problem := _difference(context.summary, smaller, size):
            yield PATH, problem
            return


def _difference(full: Summary, smaller: Summary, size: ImageSize) -> str | None:
    """What a network cannot do with images of another size; None where it can."""
    height, width = size
    if smaller.names != full.names:
        return f"for images of {height}×{width} the network has other layers; enlarge initial_scale"
    for line, same in zip(smaller.lines, full.lines, strict=True):
        name = line.place.name
        changes = line.input_shape != same.input_shape
        if changes and isinstance(line.spec, Backbone | ChannelMaxPool):
            return f"{name} takes images of one size only; remove it, or progressive_resizing"
        if line.weights != same.weights:
            return (
                f"{name} has other weights for images of {height}×{width}, since its input is {show(line.input_shape)}"
                f" instead of {show(same.input_shape)}; put global_avg_pool2d or global_max_pool2d in place of flatten"
            )
    if smaller.output_shape != full.output_shape:
        return f"the network ends in {show(smaller.output_shape)} for images of {height}×{width}; expected the same"
    return None


def full_size(context: LintContext) -> Iterator[Violation]:
    """Images should be smaller in some epochs, and of full size in the last ones, as those of validation are."""
    experiment = context.experiment
    if experiment.train.progressive_resizing is None:
        return
    height, width = full = experiment.input_shape[:2]
    epochs, sizes = pluralize(experiment.train.epochs, "epoch"), [size for _, size in experiment.stages]
    if sizes == [full]:
        yield PATH, f"images of {height}×{width} keep their size in all of the run's {epochs}; lower initial_scale"
    elif sizes[-1] != full:
        last = "×".join(map(str, sizes[-1]))
        yield (
            PATH,
            f"the run of {epochs} ends with images of {last}, and those of validation are {height}×{width}; "
            "train for more epochs, or enlarge finetune_fraction",
        )
