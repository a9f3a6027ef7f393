"""What each step of the augmentation may do, in words, with the random numbers of its extremes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cnnlab.experiment.augmentation import (
    AlternatingFlip,
    Augmentation,
    Brightness,
    Contrast,
    CutMix,
    Cutout,
    GaussianNoise,
    HorizontalFlip,
    Mixup,
    RandAugment,
    RandomCrop,
    RandomErasing,
    Rotation,
    Saturation,
    Translation,
    VerticalFlip,
    Zoom,
)
from cnnlab.models.augmentation import color, erasing, geometry, rand_augment

Row = NDArray[np.float32]
"""The random numbers of an image for a step."""
LOW, HIGH = 0.0, float(np.nextafter(np.float32(1), np.float32(0)))


def range_of(step: Augmentation, shape: Sequence[int]) -> str:
    """The range of what it draws, for images of a shape (height, width, channels)."""
    match step:
        case AlternatingFlip():
            return "in every second epoch"
        case HorizontalFlip() | VerticalFlip():
            return "with probability 0.5"
        case RandomCrop() | Translation():
            rows, columns = geometry.max_shift(step, (1, *shape))
            return f"up to {rows} pixels up or down, and {columns} left or right"
        case GaussianNoise(stddev=stddev):
            return f"standard deviation {stddev:g}"
        case Cutout(size=size):
            return f"{size}×{size} pixels, centred anywhere"
        case RandomErasing():
            return (
                f"{step.min_area:.0%} to {step.max_area:.0%} of the area, ratio of height to width "
                f"{step.min_ratio:.2g} to {1 / step.min_ratio:.2g}, with probability {step.probability:g}"
            )
        case RandAugment():
            return f"{step.num_ops} of {len(rand_augment.operations(step))} operations at magnitude {step.magnitude:g}"
        case Mixup():
            return f"50% to 100% of the image itself, alpha {step.alpha:g}"
        case CutMix():
            return f"0% to 100% of the image itself, alpha {step.alpha:g}"
    ends = sorted((_value(step, np.array([[draw, 0]], np.float32)), draw) for draw in (LOW, HIGH))
    least, most = (caption(step, shape, np.array([draw, 0], np.float32)) for _, draw in ends)
    return f"{least} to {most}"


def extremes(step: Augmentation, shape: Sequence[int]) -> list[tuple[str, Row]]:
    """What is at the ends of its range, each with random numbers that give it; none of mixup and CutMix."""
    match step:
        case HorizontalFlip() | VerticalFlip() | AlternatingFlip():
            rows = [[LOW, LOW]]
        case GaussianNoise():
            rows = []
        case RandomCrop() | Translation():
            rows = [[LOW, LOW], [HIGH, HIGH]]
        case Cutout():
            rows = [[LOW, LOW], [0.5, 0.5]]
        case RandomErasing():
            rows = [[LOW, area, ratio, 0.5, 0.5, 0.5, 0.5] for area in (LOW, HIGH) for ratio in (LOW, HIGH)]
        case RandAugment():
            return []
        case _:
            rows = [[LOW, LOW], [HIGH, LOW]]
    found = [np.array(row, np.float32) for row in rows]
    return [(caption(step, shape, row), row) for row in found]


def caption(step: Augmentation, shape: Sequence[int], row: Row) -> str:
    """What these random numbers make of an image; empty where that is the same for all."""
    draws = row[np.newaxis]
    match step:
        case HorizontalFlip() | VerticalFlip() | AlternatingFlip():
            return "mirrored" if row[0] < 0.5 else "unchanged"
        case RandomCrop() | Translation():
            down, right = (-int(one[0]) for one in geometry.shift(draws, geometry.max_shift(step, (1, *shape))))
            return ", ".join((_towards(down, "down", "up"), _towards(right, "right", "left")))
        case Rotation():
            return f"{_value(step, draws):+.1f}°"
        case Zoom():
            return f"×{1 / _value(step, draws):.2f}"
        case Brightness():
            return f"{_value(step, draws):+.2f}"
        case Contrast() | Saturation():
            return f"×{_value(step, draws):.2f}"
        case RandomErasing():
            rows, columns = (int(one[0]) for one in erasing.erased_sides(step, (shape[0], shape[1]), draws))
            return f"{rows}×{columns}" if row[0] < step.probability else "unchanged"
        case RandAugment():
            names = list(rand_augment.operations(step))
            numbers = (rand_augment.chosen(draws, number, len(names))[0] for number in range(step.num_ops))
            return ", ".join(names[int(which[0])] for which in numbers)
    return ""


def _value(step: Augmentation, draws: Row) -> float:
    match step:
        case Rotation():  # a positive angle of the matrix turns the image to the left, as in mathematics
            return float(np.rad2deg(geometry.angle(step, draws)[0]))
        case Zoom():
            return float(geometry.scale(step, draws)[0])
        case Brightness() | Contrast() | Saturation():
            return float(color.factor(step, draws)[0])
    raise TypeError(step)


def _towards(pixels: int, one: str, other: str) -> str:
    return f"{abs(pixels)} {one if pixels >= 0 else other}"
