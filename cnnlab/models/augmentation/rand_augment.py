"""RandAugment: operations drawn at random, all of one strength (Cubuk et al. 2020).

Operations and ranges are those of torchvision's RandAugment, which follow AutoAugment (Cubuk et al. 2019, table 6).
Enhancements and autocontrast do with float32 what Pillow does with 8 bits; the others have its levels.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import tensorflow as tf

from cnnlab.experiment.augmentation import MAX_MAGNITUDE, Fill, RandAugment
from cnnlab.models.augmentation import geometry
from cnnlab.models.augmentation.color import blended

COLUMNS = 2  # random numbers for an operation: which, and its sign
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow's "L"
MAX_ROTATION, MAX_SHEAR, MAX_TRANSLATION, MAX_ENHANCEMENT, MAX_BITS = 30.0, 0.3, 150 / 331, 0.9, 4
LEVELS = 255

Operation = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
"""The images (n, height, width, channels), changed by what has each image's sign, 1 or -1, (n,)."""


def operations(step: RandAugment) -> dict[str, Operation]:
    """Those that are drawn from, by name."""
    level = step.magnitude / MAX_MAGNITUDE
    return {
        "identity": lambda images, signs: images,
        "autocontrast": lambda images, signs: _autocontrast(images),
        "equalize": lambda images, signs: _equalized(images),
        "posterize": lambda images, signs: _posterized(images, round(MAX_BITS * level)),
        "solarize": lambda images, signs: tf.where(LEVELS * images < 256 * (1 - level), images, 1 - images),
        "color": partial(_enhanced, _gray, MAX_ENHANCEMENT * level),
        "contrast": partial(_enhanced, _mean_gray, MAX_ENHANCEMENT * level),
        "brightness": partial(_enhanced, tf.zeros_like, MAX_ENHANCEMENT * level),
        "sharpness": partial(_enhanced, _smooth, MAX_ENHANCEMENT * level),
        "rotate": partial(_rotated, float(np.deg2rad(MAX_ROTATION * level)), step.fill),
        "shear_x": partial(_moved, (0, 1), MAX_SHEAR * level, step.fill),
        "shear_y": partial(_moved, (1, 0), MAX_SHEAR * level, step.fill),
        "translate_x": partial(_moved, (0, 2), MAX_TRANSLATION * level, step.fill),
        "translate_y": partial(_moved, (1, 2), MAX_TRANSLATION * level, step.fill),
    }


def chosen(draws: tf.Tensor, number: int, count: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Which of `count` operations is applied as this number, (n,) int32, and its sign, (n,)."""
    which = tf.cast(draws[:, COLUMNS * number] * count, tf.int32)
    return which, tf.where(draws[:, COLUMNS * number + 1] < 0.5, 1.0, -1.0)


def apply(images: tf.Tensor, step: RandAugment, draws: tf.Tensor) -> tf.Tensor:
    """The images, each changed by the operations of its random numbers."""
    functions = list(operations(step).values())
    for number in range(step.num_ops):
        which, signs = chosen(draws, number, len(functions))
        images = _by_operation(functions, images, which, signs)
    return images


def _by_operation(functions: list[Operation], images: tf.Tensor, which: tf.Tensor, signs: tf.Tensor) -> tf.Tensor:
    """Each function on those images alone that need it: they are sorted by it, and sorted back.

    At least on one image, which is dropped again: some kernels fail on none.
    """
    order = tf.argsort(which, stable=True)
    images, signs = tf.gather(images, order), tf.gather(signs, order)
    ends = tf.searchsorted(tf.gather(which, order), tf.range(len(functions)), side="right")
    last, begin, parts = tf.shape(images)[0] - 1, tf.constant(0), []
    for number, function in enumerate(functions):
        end = ends[number]
        part = slice(tf.minimum(begin, last), tf.maximum(end, tf.minimum(begin, last) + 1))
        parts.append(function(images[part], signs[part])[: end - begin])
        begin = end
    return tf.gather(tf.concat(parts, axis=0), tf.argsort(order))


def _enhanced(
    degenerate: Callable[[tf.Tensor], tf.Tensor], strength: float, images: tf.Tensor, signs: tf.Tensor
) -> tf.Tensor:
    return blended(degenerate(images), images, 1 + strength * signs)


def _gray(images: tf.Tensor) -> tf.Tensor:
    if images.shape[-1] != len(LUMA):
        return images
    return tf.reduce_sum(images * tf.constant(LUMA), axis=-1, keepdims=True)


def _mean_gray(images: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(_gray(images), axis=[1, 2, 3], keepdims=True)


def _smooth(images: tf.Tensor) -> tf.Tensor:
    """Pillow's SMOOTH: 5/13 of each pixel, 1/13 of each of its neighbours; those of the border stay."""
    height, width = images.shape[1:3]
    if min(height, width) < 3:
        return images
    rows = images[:, :-2] + images[:, 1:-1] + images[:, 2:]
    sums = rows[:, :, :-2] + rows[:, :, 1:-1] + rows[:, :, 2:]
    inner = (sums + 4 * images[:, 1:-1, 1:-1]) / 13
    middle = tf.concat([images[:, 1:-1, :1], inner, images[:, 1:-1, -1:]], axis=2)
    return tf.concat([images[:, :1], middle, images[:, -1:]], axis=1)


def _autocontrast(images: tf.Tensor) -> tf.Tensor:
    low = tf.reduce_min(images, axis=[1, 2], keepdims=True)
    span = tf.reduce_max(images, axis=[1, 2], keepdims=True) - low
    return tf.where(span > 0, tf.math.divide_no_nan(images - low, span), images)


def _posterized(images: tf.Tensor, dropped: int) -> tf.Tensor:
    """Without the lowest `dropped` of 8 bits."""
    step = 2**dropped
    return tf.floor(tf.round(images * LEVELS) / step) * step / LEVELS


def _equalized(images: tf.Tensor) -> tf.Tensor:
    """Each channel with a flat histogram, as `PIL.ImageOps.equalize`; by sorting, since no GPU counts repeatably."""
    count, (height, width, channels) = tf.shape(images)[0], images.shape[1:]
    levels = tf.round(images * LEVELS)
    rows = tf.reshape(tf.transpose(levels, [0, 3, 1, 2]), [count * channels, height * width])
    in_order = tf.sort(rows, axis=1)
    below = tf.searchsorted(in_order, rows)
    largest = height * width - tf.searchsorted(in_order, in_order[:, -1:])
    step = (height * width - largest) // LEVELS
    equal = tf.cast((step // 2 + below) // tf.maximum(step, 1), tf.float32)
    equal = tf.where(step > 0, tf.minimum(equal, LEVELS), rows) / LEVELS
    return tf.transpose(tf.reshape(equal, [count, channels, height, width]), [0, 2, 3, 1])


def _rotated(radians: float, fill: Fill, images: tf.Tensor, signs: tf.Tensor) -> tf.Tensor:
    return geometry.affine(images, geometry.rotation(radians * signs), fill)


def _moved(entry: tuple[int, int], strength: float, fill: Fill, images: tf.Tensor, signs: tf.Tensor) -> tf.Tensor:
    """By a matrix with one more entry; that of a shift is a fraction of the side."""
    row, column = entry
    zero, one = tf.zeros_like(signs), tf.ones_like(signs)
    matrix = [[one, zero, zero], [zero, one, zero]]
    matrix[row][column] = strength * signs * (1 if column < 2 else images.shape[2 - row])
    (a, b, right), (c, d, down) = matrix
    return geometry.affine(images, ((a, b, right), (c, d, down)), fill)
