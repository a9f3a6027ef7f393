"""Shifts, flips, and transforms with one interpolation."""

from collections.abc import Hashable, Sequence

import keras
import numpy as np
import tensorflow as tf

from cnnlab.experiment.augmentation import Augmentation, Fill, RandomCrop, Rotation, Translation, Zoom

Matrix = tuple[tuple[tf.Tensor, tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor, tf.Tensor]]
"""From a pixel (x, y, 1) of the result to where it comes from, relative to the centre: rows of tensors (n,)."""


def group_of(step: Augmentation) -> Hashable:
    """What the steps have in common that become a single transform; None for other steps."""
    return step.fill if isinstance(step, Rotation | Translation | Zoom) else None


def transformed(images: tf.Tensor, steps: Sequence[tuple[Augmentation, tf.Tensor]]) -> tf.Tensor:
    """The images after steps of one group, each with its random numbers (n, 2), by a single interpolation."""
    fill: Fill = steps[0][0].fill  # type: ignore[union-attr]
    if len(steps) == 1 and isinstance(steps[0][0], Translation):  # by whole pixels, which takes half as long
        return shifted(images, steps[0][1], max_shift(steps[0][0], images.shape), fill)
    matrix = _matrix(steps[0][0], steps[0][1], images.shape)
    for step, draws in steps[1:]:  # what comes last is undone first
        matrix = _product(matrix, _matrix(step, draws, images.shape))
    return affine(images, matrix, fill)


def angle(step: Rotation, draws: tf.Tensor) -> tf.Tensor:
    """Radians, (n,)."""
    return (2 * draws[:, 0] - 1) * np.float32(np.deg2rad(step.degrees))


def scale(step: Zoom, draws: tf.Tensor) -> tf.Tensor:
    """Height and width of the part that is shown, relative to the image's, (n,)."""
    return 1 + (2 * draws[:, 0] - 1) * step.factor


def max_shift(step: Augmentation, shape: Sequence[int]) -> tuple[int, int]:
    """The largest shift in rows and columns of images of a shape (n, height, width, channels)."""
    if isinstance(step, RandomCrop):
        return step.padding, step.padding
    if isinstance(step, Translation):
        return int(step.fraction * shape[1]), int(step.fraction * shape[2])
    raise TypeError(step)


def shift(draws: tf.Tensor, most: tuple[int, int]) -> tuple[tf.Tensor, tf.Tensor]:
    """Rows and columns to the first pixel that is shown, (n,) int32, all up to the most equally likely."""
    rows, columns = (tf.cast(draws[:, axis] * (2 * most[axis] + 1), tf.int32) - most[axis] for axis in (0, 1))
    return rows, columns


def shifted(images: tf.Tensor, draws: tf.Tensor, most: tuple[int, int], fill: Fill) -> tf.Tensor:
    """Each image shifted by whole pixels."""
    places = []
    for side, first in zip(images.shape[1:3], shift(draws, most), strict=True):
        index = first[:, tf.newaxis] + tf.range(side)
        if fill == "nearest":
            index = tf.clip_by_value(index, 0, side - 1)
        elif fill == "reflect":
            index = tf.math.floormod(index, 2 * side)
            index = tf.minimum(index, 2 * side - 1 - index)
        places.append(index)
    rows, columns = places
    if fill == "constant":
        images = tf.pad(images, [[0, 0], [most[0], most[0]], [most[1], most[1]], [0, 0]])
        rows, columns = rows + most[0], columns + most[1]
    return tf.gather(tf.gather(images, rows, axis=1, batch_dims=1), columns, axis=2, batch_dims=1)


def flipped(images: tf.Tensor, draws: tf.Tensor, axis: int) -> tf.Tensor:
    """Each image mirrored along an axis where its random number is below a half."""
    return tf.where(draws[:, :1, tf.newaxis, tf.newaxis] < 0.5, tf.reverse(images, [axis]), images)


def rotation(radians: tf.Tensor) -> Matrix:
    """About the centre."""
    cos, sin, zero = tf.cos(radians), tf.sin(radians), tf.zeros_like(radians)
    return (cos, -sin, zero), (sin, cos, zero)


def affine(images: tf.Tensor, matrix: Matrix, fill: Fill) -> tf.Tensor:
    """Each image transformed by its matrix, with bilinear interpolation."""
    height, width = images.shape[1:3]
    y, x = (height - 1) / 2, (width - 1) / 2
    (a, b, right), (c, d, down) = matrix
    zero = tf.zeros_like(a)
    rows = [a, b, x - a * x - b * y + right, c, d, y - c * x - d * y + down, zero, zero]
    return keras.ops.image.affine_transform(images, tf.stack(rows, axis=1), "bilinear", fill, 0.0)


def _matrix(step: Augmentation, draws: tf.Tensor, shape: Sequence[int]) -> Matrix:
    zero, one = tf.zeros_like(draws[:, 0]), tf.ones_like(draws[:, 0])
    match step:
        case Rotation():
            return rotation(angle(step, draws))
        case Zoom():
            part = scale(step, draws)
            return (part, zero, zero), (zero, part, zero)
        case Translation():
            down, right = (tf.cast(pixels, tf.float32) for pixels in shift(draws, max_shift(step, shape)))
            return (one, zero, right), (zero, one, down)
    raise TypeError(step)


def _product(first: Matrix, second: Matrix) -> Matrix:
    """What `first` makes of the result of `second`."""
    (a, b, right), (c, d, down) = first
    (p, q, x), (r, s, y) = second
    return (a * p + b * r, a * q + b * s, a * x + b * y + right), (c * p + d * r, c * q + d * s, c * x + d * y + down)
