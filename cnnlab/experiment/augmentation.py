"""Augmentation: the random changes of training images.

Pixels are in [0, 1] before and after each of them.
"""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from cnnlab.experiment.choice import Choice, by_kind

Fill = Literal["constant", "nearest", "reflect"]
Factor = Annotated[float, Field(gt=0, le=1)]

MAX_MAGNITUDE = 30
"""The strongest setting of RandAugment. Cubuk et al. 2020."""


class RandomCrop(Choice):
    """Shifts an image by up to `padding` pixels in each direction.

    Equivalent to padding each side and cropping at random (He et al. 2015, section 4.2).
    """

    kind: ClassVar[str] = "random_crop"
    shorthand: ClassVar[str | None] = "padding"
    usage: ClassVar[tuple[str, ...]] = ("random_crop: 4",)
    padding: Annotated[int, Field(gt=0, le=512)] = 4
    """Largest shift in pixels."""
    fill: Fill = "constant"
    """What comes in from outside: `constant`, black; `nearest`, the pixels of the border; `reflect`, the image mirrored
    at the border.
    """


class HorizontalFlip(Choice):
    """Mirrors an image left to right with probability 0.5."""

    kind: ClassVar[str] = "horizontal_flip"
    usage: ClassVar[tuple[str, ...]] = ("horizontal_flip",)


class VerticalFlip(Choice):
    """Mirrors an image top to bottom with probability 0.5."""

    kind: ClassVar[str] = "vertical_flip"
    usage: ClassVar[tuple[str, ...]] = ("vertical_flip",)


class AlternatingFlip(Choice):
    """Mirrors an image left to right in every second epoch; which half of the images begins mirrored is random.

    In two consecutive epochs every image is seen both ways (Jordan 2024, "94% on CIFAR-10 in 3.29 seconds").
    """

    kind: ClassVar[str] = "alternating_flip"
    usage: ClassVar[tuple[str, ...]] = ("alternating_flip",)


class Rotation(Choice):
    """Rotates an image about its centre by a random angle, with bilinear interpolation.

    Rotations, translations and zooms that follow one another with the same `fill` are one transform of the image, which
    is interpolated once.
    """

    kind: ClassVar[str] = "rotation"
    shorthand: ClassVar[str | None] = "degrees"
    usage: ClassVar[tuple[str, ...]] = ("rotation: 15",)
    degrees: Annotated[float, Field(gt=0, le=180)] = 15.0
    """Largest angle, in either direction."""
    fill: Fill = "constant"
    """As of `random_crop`."""


class Translation(Choice):
    """Shifts an image by whole pixels."""

    kind: ClassVar[str] = "translation"
    shorthand: ClassVar[str | None] = "fraction"
    usage: ClassVar[tuple[str, ...]] = ("translation: 0.1",)
    fraction: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Largest shift as a fraction of the height and of the width, in either direction."""
    fill: Fill = "constant"
    """As of `random_crop`."""


class Zoom(Choice):
    """Zooms in or out about the centre of an image, with its aspect ratio, as Keras's RandomZoom does.

    The part of the image that is shown is 1 - `factor` to 1 + `factor` times as high and wide.
    """

    kind: ClassVar[str] = "zoom"
    shorthand: ClassVar[str | None] = "factor"
    usage: ClassVar[tuple[str, ...]] = ("zoom: 0.2", "zoom: {factor: 0.2, fill: reflect}")
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Largest change of the part that is shown: 0.2 zooms in to 1.25 times the size, out to 0.83 times."""
    fill: Fill = "constant"
    """As of `random_crop`."""


class Brightness(Choice):
    """Adds the same random number to all pixels of an image, and clips them to [0, 1]."""

    kind: ClassVar[str] = "brightness"
    keras: ClassVar[tuple[str, ...]] = ("RandomBrightness",)
    shorthand: ClassVar[str | None] = "factor"
    usage: ClassVar[tuple[str, ...]] = ("brightness: 0.2",)
    factor: Factor = 0.2
    """Largest number, added or subtracted, where 1 is the difference of white and black."""


class Contrast(Choice):
    """Multiplies the differences of the pixels from the mean of their channel, and clips to [0, 1]."""

    kind: ClassVar[str] = "contrast"
    shorthand: ClassVar[str | None] = "factor"
    usage: ClassVar[tuple[str, ...]] = ("contrast: 0.2",)
    factor: Factor = 0.2
    """The differences are multiplied by 1 - `factor` to 1 + `factor`."""


class Saturation(Choice):
    """Multiplies the saturation of an image, that of the HSV color model, and clips it to [0, 1].

    Images must have 3 channels. Keras's RandomSaturation has another scale, on which 0.5 is no change.
    """

    kind: ClassVar[str] = "saturation"
    shorthand: ClassVar[str | None] = "factor"
    usage: ClassVar[tuple[str, ...]] = ("saturation: 0.3",)
    factor: Factor = 0.2
    """The saturation is multiplied by 1 - `factor` to 1 + `factor`; with 1, the least is a gray image."""


class GaussianNoise(Choice):
    """Adds independent normal random numbers of mean 0 to all pixels and channels, and clips them to [0, 1]."""

    kind: ClassVar[str] = "gaussian_noise"
    shorthand: ClassVar[str | None] = "stddev"
    usage: ClassVar[tuple[str, ...]] = ("gaussian_noise: 0.05",)
    stddev: Annotated[float, Field(gt=0, le=1)] = 0.05
    """Standard deviation of the numbers, where 1 is the difference of white and black."""


class Cutout(Choice):
    """Blacks out a square whose centre is anywhere in the image (DeVries and Taylor 2017)."""

    kind: ClassVar[str] = "cutout"
    shorthand: ClassVar[str | None] = "size"
    usage: ClassVar[tuple[str, ...]] = ("cutout: 16",)
    size: Annotated[int, Field(gt=0, le=4096)] = 8
    """Side of the square in pixels."""


class RandomErasing(Choice):
    """Replaces a random rectangle by random pixels, uniform in [0, 1] (Zhong et al. 2020, "Random Erasing", AAAI).

    The rectangle lies within the image. Its aspect ratio has a uniform logarithm, within what fits into the image.
    """

    kind: ClassVar[str] = "random_erasing"
    shorthand: ClassVar[str | None] = "probability"
    usage: ClassVar[tuple[str, ...]] = ("random_erasing: 0.5", "random_erasing: {probability: 1, max_area: 0.2}")
    probability: Annotated[float, Field(gt=0, le=1)] = 0.5
    """The share of the images that are changed."""
    min_area: Annotated[float, Field(gt=0, le=1)] = 0.02
    """Smallest area of the rectangle, as a fraction of the image's; the sides are rounded to whole pixels."""
    max_area: Annotated[float, Field(gt=0, le=1)] = 0.33
    """Largest area of the rectangle, likewise."""
    min_ratio: Annotated[float, Field(gt=0, le=1)] = 0.3
    """Smallest ratio of its height to its width; the largest is 1 / `min_ratio`."""

    @model_validator(mode="after")
    def _check_areas(self) -> Self:
        if self.min_area > self.max_area:
            raise PydanticCustomError(
                "misfit",
                "expected min_area of at most max_area, got min_area: {low} and max_area: {high}",
                {"low": self.min_area, "high": self.max_area},
            )
        return self


class RandAugment(Choice):
    """Applies random operations of one strength to each image (Cubuk et al. 2020, "RandAugment", CVPR Workshops).

    Each of `num_ops` times one of 14 operations, with equal probability: identity, autocontrast, equalize, rotate,
    solarize, color, posterize, contrast, brightness, sharpness, and shear and translate along either axis. At magnitude
    30, it rotates by 30 degrees, shears by 0.3, shifts by 45 % of the side, multiplies color, contrast, brightness and
    sharpness by 0.1 or 1.9, posterizes to 4 bits and inverts all pixels; at 0 none of these changes an image. Signs are
    random. `color` changes nothing in images that do not have 3 channels.
    """

    kind: ClassVar[str] = "rand_augment"
    shorthand: ClassVar[str | None] = "magnitude"
    usage: ClassVar[tuple[str, ...]] = ("rand_augment", "rand_augment: {num_ops: 1, magnitude: 5, fill: reflect}")
    magnitude: Annotated[float, Field(ge=0, le=MAX_MAGNITUDE)] = 9.0
    """Strength of the operations."""
    num_ops: Annotated[int, Field(gt=0, le=10)] = 2
    """Number of operations, one after another."""
    fill: Fill = "constant"
    """As of `random_crop`."""


class Mixup(Choice):
    """Mixes each image with another one of its batch, and their losses alike (Zhang et al. 2018).

    After all steps that change single images. An image has the larger weight in its own mixture, so that the accuracy
    counts its label.
    """

    kind: ClassVar[str] = "mixup"
    shorthand: ClassVar[str | None] = "alpha"
    usage: ClassVar[tuple[str, ...]] = ("mixup: 0.2",)
    alpha: Annotated[float, Field(ge=1e-3, le=1e3)] = 0.2
    """Weights are drawn from Beta(alpha, alpha): the larger, the closer to one half each."""


class CutMix(Choice):
    """Replaces a rectangle by that of another image of the batch, and mixes their losses by area (Yun et al. 2019).

    After all steps that change single images. With both `mixup` and `cutmix`, each image is mixed by one of them, with
    equal probability. The accuracy in training counts the label of the image that has the larger part.
    """

    kind: ClassVar[str] = "cutmix"
    shorthand: ClassVar[str | None] = "alpha"
    usage: ClassVar[tuple[str, ...]] = ("cutmix: 1.0",)
    alpha: Annotated[float, Field(ge=1e-3, le=1e3)] = 1.0
    """The part of the image that is kept is drawn from Beta(alpha, alpha): 1 is uniform. The rectangle's centre is
    anywhere in the image, and what lies outside is cut off.
    """


Augmentation = Annotated[
    RandomCrop
    | HorizontalFlip
    | VerticalFlip
    | AlternatingFlip
    | Rotation
    | Translation
    | Zoom
    | Brightness
    | Contrast
    | Saturation
    | GaussianNoise
    | Cutout
    | RandomErasing
    | RandAugment
    | Mixup
    | CutMix,
    by_kind,
]
