"""Preprocessing of images: padding and scaling of every image, augmentation of training images."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from cnnlab.experiment.choice import Choice, Strict, by_kind


class RandomCrop(Choice):
    """Shifts an image by up to `padding` pixels in each direction; exposed pixels are black.

    Equivalent to padding each side and cropping at random (He et al. 2015, section 4.2).
    """

    kind: ClassVar[str] = "random_crop"
    shorthand: ClassVar[str | None] = "padding"
    usage: ClassVar[tuple[str, ...]] = ("random_crop: 4",)
    padding: Annotated[int, Field(gt=0, le=512)] = 4
    """Largest shift in pixels."""


class HorizontalFlip(Choice):
    """Mirrors an image left to right with probability 0.5."""

    kind: ClassVar[str] = "horizontal_flip"
    usage: ClassVar[tuple[str, ...]] = ("horizontal_flip",)


class AlternatingFlip(Choice):
    """Mirrors an image left to right in every second epoch; which half of the images begins mirrored is random.

    In two consecutive epochs every image is seen both ways (Jordan 2024, "94% on CIFAR-10 in 3.29 seconds").
    """

    kind: ClassVar[str] = "alternating_flip"
    usage: ClassVar[tuple[str, ...]] = ("alternating_flip",)


class Rotation(Choice):
    """Rotates an image about its centre by a random angle, with bilinear interpolation; exposed corners are black."""

    kind: ClassVar[str] = "rotation"
    shorthand: ClassVar[str | None] = "degrees"
    usage: ClassVar[tuple[str, ...]] = ("rotation: 15",)
    degrees: Annotated[float, Field(gt=0, le=180)] = 15.0
    """Largest angle, in either direction."""


class Translation(Choice):
    """Shifts an image by whole pixels; exposed pixels are black."""

    kind: ClassVar[str] = "translation"
    shorthand: ClassVar[str | None] = "fraction"
    usage: ClassVar[tuple[str, ...]] = ("translation: 0.1",)
    fraction: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Largest shift as a fraction of the height and of the width, in either direction."""


class Cutout(Choice):
    """Blacks out a square whose centre is anywhere in the image (DeVries and Taylor 2017)."""

    kind: ClassVar[str] = "cutout"
    shorthand: ClassVar[str | None] = "size"
    usage: ClassVar[tuple[str, ...]] = ("cutout: 16",)
    size: Annotated[int, Field(gt=0, le=4096)] = 8
    """Side of the square in pixels."""


class Mixup(Choice):
    """Mixes each image with another one of its batch, and their losses alike (Zhang et al. 2018). The last step.

    An image has the larger weight in its own mixture, so that accuracy counts its label.
    """

    kind: ClassVar[str] = "mixup"
    shorthand: ClassVar[str | None] = "alpha"
    usage: ClassVar[tuple[str, ...]] = ("mixup: 0.2",)
    alpha: Annotated[float, Field(ge=1e-3, le=1e3)] = 0.2
    """Weights are drawn from Beta(alpha, alpha): the larger, the closer to one half each."""


Augmentation = Annotated[
    RandomCrop | HorizontalFlip | AlternatingFlip | Rotation | Translation | Cutout | Mixup, by_kind
]


class Preprocessing(Strict):
    """Preprocessing of images before the network; padding and scaling are part of the saved model."""

    zero_padding: Annotated[int, Field(ge=0, le=512)] = 0
    """Rows and columns of black pixels added on each side of an image."""
    scale: Literal["zero_one", "minus_one_one", "standardize"] = "zero_one"
    """Range of the pixel values: `zero_one`, 0 to 1; `minus_one_one`, -1 to 1; or `standardize`, mean 0 and standard
    deviation 1 per channel over the training examples.
    """
    augmentation: Annotated[list[Augmentation], Field(max_length=20)] = Field(default_factory=list)
    """Random changes of training images, in this order, drawn again in every epoch."""
