"""The rules about examples and what is done to them, before the network."""

from collections.abc import Iterator

from cnnlab.config.lint_rule import LintContext, Violation
from cnnlab.experiment.data.published import DIGITS
from cnnlab.experiment.preprocessing import Cutout, HorizontalFlip, Mixup, RandomCrop, Rotation
from cnnlab.messages import did_you_mean


def known_classes(context: LintContext) -> Iterator[Violation]:
    """The classes that are kept must be some of the data set's."""
    data = context.experiment.data
    known = data.class_names
    for name in data.classes or ():
        if known and name not in known:
            yield ("data", "classes"), f"{data.name} has no class '{name}'; {did_you_mean(name, known)}"


def class_weights(context: LintContext) -> Iterator[Violation]:
    """The classes that weights are given for must be some of those that are trained on."""
    data, weights = context.experiment.data, context.experiment.train.class_weights
    known = data.classes or data.class_names
    for name in weights if isinstance(weights, dict) else ():
        if known and name not in known:
            yield ("train", "class_weights"), f"no class '{name}' in the data; {did_you_mean(name, known)}"


def hold_out(context: LintContext) -> Iterator[Violation]:
    """Some training examples must be left after the hold-out."""
    data = context.experiment.data
    sizes = data.known_sizes()
    if sizes and data.held_out(sizes[0]) >= sizes[0]:
        yield (
            ("data", "validation"),
            f"{data.held_out(sizes[0]):,} examples to hold out, but {data.name} has {sizes[0]:,} training examples; "
            "try validation: 0.1",
        )


def train_sizes(context: LintContext) -> Iterator[Violation]:
    """There must be as many training examples as are to be trained on."""
    data = context.experiment.data
    sizes = data.known_sizes()
    if sizes is None:
        return
    present = sizes[0] - data.held_out(sizes[0])
    for size in data.train_sizes or ():
        if size > present > 0:
            yield ("data", "train_sizes"), f"{size:,} examples, but {data.name} has {present:,} without validation"


def mixup_last(context: LintContext) -> Iterator[Violation]:
    """Mixing changes the labels too: it comes once, after everything else."""
    steps = context.experiment.preprocessing.augmentation
    for index, step in enumerate(steps[:-1]):
        if isinstance(step, Mixup):
            yield ("preprocessing", "augmentation", index, step.kind), "mixup must be the last step, and the only mixup"


def test_as_validation(context: LintContext) -> Iterator[Violation]:
    """The test set is for the end: what is chosen by it is not tested any more."""
    if context.experiment.data.validation == "test":
        yield ("data", "validation"), "the test set is watched while training; choose nothing by it"


def test_never(context: LintContext) -> Iterator[Violation]:
    """A test set that is to be left alone cannot be watched while training."""
    experiment = context.experiment
    if experiment.train.test == "never" and experiment.data.validation == "test":
        yield (
            ("data", "validation"),
            "`test` measures the test set after every epoch, and train.test: never (--no-test) leaves it alone; "
            "hold out training examples, such as data.validation=0.1, or measure it",
        )


def augmentation(context: LintContext) -> Iterator[Violation]:
    """A picture that was changed should still show what its label says."""
    experiment = context.experiment
    height, width, _ = experiment.data.image_shape
    for index, step in enumerate(experiment.preprocessing.augmentation):
        path = ("preprocessing", "augmentation", index, step.kind)
        match step:
            case HorizontalFlip() if experiment.data.class_names == DIGITS:
                yield path, "a mirrored digit is no digit any more; leave it out"
            case Rotation(degrees=degrees) if degrees >= 90 and experiment.data.class_names == DIGITS:
                yield (*path, "degrees"), "turned upside down, a 6 is a 9; digits bear about 15 degrees"
            case RandomCrop(padding=padding) if 2 * padding >= min(height, width):
                yield (*path, "padding"), f"may shift half of a picture of {height}×{width} out of sight"
            case Cutout(size=size) if size >= min(height, width):
                yield (*path, "size"), f"may hide all of a picture of {height}×{width}"
