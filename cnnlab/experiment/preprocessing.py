"""What a picture goes through before the network: the same for every example, and at random in training."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from cnnlab.experiment.choice import Choice, Strict, by_kind


class RandomCrop(Choice):
    """Shifts a picture by up to `padding` pixels each way; what comes in from outside is black.

    As padding every side and cropping at random (He et al. 2015, section 4.2).

    padding: how many pixels.
    Example: random_crop: 4
    """

    kind: ClassVar[str] = "random_crop"
    shorthand: ClassVar[str | None] = "padding"
    padding: Annotated[int, Field(gt=0, le=512)] = 4


class HorizontalFlip(Choice):
    """Mirrors left and right in every second picture.

    Example: horizontal_flip
    """

    kind: ClassVar[str] = "horizontal_flip"


class Rotation(Choice):
    """Turns a picture about its centre by a random angle, bilinearly; corners that come in are black.

    degrees: at most so many, either way.
    Example: rotation: 15
    """

    kind: ClassVar[str] = "rotation"
    shorthand: ClassVar[str | None] = "degrees"
    degrees: Annotated[float, Field(gt=0, le=180)] = 15.0


class Translation(Choice):
    """Shifts a picture by whole pixels; what comes in from outside is black.

    fraction: at most that part of its height and of its width, either way.
    Example: translation: 0.1
    """

    kind: ClassVar[str] = "translation"
    shorthand: ClassVar[str | None] = "fraction"
    fraction: Annotated[float, Field(gt=0, lt=1)] = 0.1


class Cutout(Choice):
    """Blacks out a square whose centre is anywhere in the picture (DeVries and Taylor 2017).

    size: the side of the square in pixels.
    Example: cutout: 16
    """

    kind: ClassVar[str] = "cutout"
    shorthand: ClassVar[str | None] = "size"
    size: Annotated[int, Field(gt=0, le=4096)] = 8


class Mixup(Choice):
    """Mixes each picture with another of its batch, and their losses alike (Zhang et al. 2018). The last step.

    The own picture has the larger part, so that its label is the one that accuracy counts.

    alpha: parts are drawn from Beta(alpha, alpha): the larger, the closer to half and half.
    Example: mixup: 0.2
    """

    kind: ClassVar[str] = "mixup"
    shorthand: ClassVar[str | None] = "alpha"
    alpha: Annotated[float, Field(ge=1e-3, le=1e3)] = 0.2


Augmentation = Annotated[RandomCrop | HorizontalFlip | Rotation | Translation | Cutout | Mixup, by_kind]


class Preprocessing(Strict):
    """What pictures go through before the network; the first two are part of the saved network.

    zero_padding: rows and columns of black pixels around every picture.
    scale: what pixels become: `zero_one` from 0 to 1, `minus_one_one` from -1 to 1, or `standardize`, mean 0 and
    standard deviation 1 in every channel over the training examples.
    augmentation: what changes training pictures at random, in this order, anew in every epoch.
    """

    zero_padding: Annotated[int, Field(ge=0, le=512)] = 0
    scale: Literal["zero_one", "minus_one_one", "standardize"] = "zero_one"
    augmentation: Annotated[list[Augmentation], Field(max_length=20)] = Field(default_factory=list)
