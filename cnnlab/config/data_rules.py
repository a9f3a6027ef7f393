"""The lint rules for data and preprocessing."""

from collections.abc import Iterable, Iterator, Sequence

from cnnlab.config.lint_rule import LintContext, Violation
from cnnlab.experiment.augmentation import (
    AlternatingFlip,
    CutMix,
    Cutout,
    HorizontalFlip,
    Mixup,
    RandomCrop,
    RandomErasing,
    Rotation,
    Saturation,
    VerticalFlip,
)
from cnnlab.experiment.data.published import DIGITS
from cnnlab.messages import did_you_mean


def known_classes(context: LintContext) -> Iterator[Violation]:
    """The selected classes must exist in the data set."""
    data = context.experiment.data
    for name, known in _unknown(data.classes or (), data.class_names):
        yield ("data", "classes"), f"{data.name} has no class '{name}'; {did_you_mean(name, known)}"


def class_weights(context: LintContext) -> Iterator[Violation]:
    """Classes with weights must be among the classes of the training."""
    data, weights = context.experiment.data, context.experiment.train.class_weights
    for name, known in _unknown(weights if isinstance(weights, dict) else (), data.classes or data.class_names):
        yield ("train", "class_weights"), f"no class '{name}' in the data; {did_you_mean(name, known)}"


def hold_out(context: LintContext) -> Iterator[Violation]:
    """Some training examples must remain after the validation split."""
    data = context.experiment.data
    sizes = data.known_sizes()
    if sizes and data.held_out(sizes[0]) >= sizes[0]:
        yield (
            ("data", "validation"),
            f"{data.held_out(sizes[0]):,} examples to hold out, but {data.name} has {sizes[0]:,} training examples; "
            "try validation: 0.1",
        )


def train_sizes(context: LintContext) -> Iterator[Violation]:
    """There must be as many training examples as `train_sizes` requests."""
    data = context.experiment.data
    sizes = data.known_sizes()
    if sizes is None:
        return
    present = sizes[0] - data.held_out(sizes[0])
    for size in data.train_sizes or ():
        if size > present > 0:
            yield ("data", "train_sizes"), f"{size:,} examples, but {data.name} has {present:,} without validation"


def mixing_last(context: LintContext) -> Iterator[Violation]:
    """Mixup and CutMix change labels too: each must come at most once, after all other steps."""
    steps = context.experiment.preprocessing.augmentation
    for index, step in enumerate(steps):
        later = steps[index + 1 :]
        others = any(not isinstance(other, Mixup | CutMix) for other in later)
        if isinstance(step, Mixup | CutMix) and (others or any(isinstance(other, type(step)) for other in later)):
            yield (
                ("preprocessing", "augmentation", index, step.kind),
                f"{step.kind} must come after all steps that change single images, and only once",
            )


def color_images(context: LintContext) -> Iterator[Violation]:
    """Only color images have a saturation."""
    channels = context.experiment.data.image_shape[-1]
    for index, step in enumerate(context.experiment.preprocessing.augmentation):
        if isinstance(step, Saturation) and channels != 3:
            yield (
                ("preprocessing", "augmentation", index, step.kind),
                f"expected images of 3 channels, got {channels}: they have no saturation; remove it",
            )


def test_as_validation(context: LintContext) -> Iterator[Violation]:
    """The test set is for the final evaluation: whatever is chosen by it makes it biased."""
    if context.experiment.data.validation == "test":
        yield ("data", "validation"), "the test set is evaluated during training; choose nothing by it"


def test_never(context: LintContext) -> Iterator[Violation]:
    """A test set that must stay untouched cannot be evaluated during training."""
    experiment = context.experiment
    if experiment.train.test == "never" and experiment.data.validation == "test":
        yield (
            ("data", "validation"),
            "`test` evaluates the test set after every epoch, and train.test: never (--no-test) leaves it untouched; "
            "hold out training examples, such as data.validation=0.1, or evaluate it",
        )


def test_fold(context: LintContext) -> Iterator[Violation]:
    """A fold that is held out is for the final evaluation, which must take place."""
    experiment = context.experiment
    if experiment.train.test == "never" and experiment.data.fold:
        yield (
            ("data", "fold"),
            "the held-out fold is what a cross-validation measures, and train.test: never (--no-test) leaves it out; "
            "leave that away: a cross-validation does not use the test set of the data",
        )


def augmentation(context: LintContext) -> Iterator[Violation]:
    """An augmented image should still match its label."""
    experiment = context.experiment
    if experiment.test_time and experiment.test_time.flip and experiment.data.class_names == DIGITS:
        yield ("test_time", "flip"), "a mirrored digit is not a digit; remove it"
    height, width, _ = experiment.data.image_shape
    for index, step in enumerate(experiment.preprocessing.augmentation):
        path = ("preprocessing", "augmentation", index, step.kind)
        match step:
            case HorizontalFlip() | AlternatingFlip() if experiment.data.class_names == DIGITS:
                yield path, "a mirrored digit is not a digit; remove it"
            case VerticalFlip() if experiment.data.class_names == DIGITS:
                yield path, "upside down, a 6 is a 9, and most digits are none; remove it"
            case Rotation(degrees=degrees) if degrees >= 90 and experiment.data.class_names == DIGITS:
                yield (*path, "degrees"), "upside down, a 6 is a 9; for digits about 15 degrees are usual"
            case RandomCrop(padding=padding) if 2 * padding >= min(height, width):
                yield (*path, "padding"), f"may shift half of an image of {height}×{width} out of view"
            case Cutout(size=size) if size >= min(height, width):
                yield (*path, "size"), f"may hide all of an image of {height}×{width}"
            case RandomErasing(max_area=area) if area > 0.5:
                yield (*path, "max_area"), f"may hide {area:.0%} of an image; the paper's largest is 40 %"


def _unknown(names: Iterable[str], known: Sequence[str] | None) -> Iterator[tuple[str, Sequence[str]]]:
    """Each name that is not known, with those that are; none where the classes are not known yet."""
    yield from ((name, known) for name in names if known and name not in known)
