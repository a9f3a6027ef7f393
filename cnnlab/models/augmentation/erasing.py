"""Parts of images that are hidden, and the rectangles for it."""

import tensorflow as tf

from cnnlab.experiment.augmentation import RandomErasing
from cnnlab.models.augmentation import noise

COLUMNS = 7  # random numbers for random erasing: whether, area, ratio, row, column, and two for the pixels


def cut_out(images: tf.Tensor, draws: tf.Tensor, size: int) -> tf.Tensor:
    """Each image with a black square whose centre is at any of its pixels."""
    height, width = images.shape[1:3]
    first_row, first_column = (
        tf.cast(draws[:, axis] * side, tf.int32) - size // 2 for axis, side in ((0, height), (1, width))
    )
    hidden = inside(images, (first_row, first_column), (first_row + size, first_column + size))
    return tf.where(hidden, tf.zeros_like(images), images)


def erased(images: tf.Tensor, step: RandomErasing, draws: tf.Tensor) -> tf.Tensor:
    """Each image with a rectangle of random pixels within it, or as it is."""
    height, width = images.shape[1:3]
    rows, columns = erased_sides(step, (height, width), draws)
    rows = tf.where(draws[:, 0] < step.probability, rows, 0)
    first_row = tf.cast(draws[:, 3] * tf.cast(height - rows + 1, tf.float32), tf.int32)
    first_column = tf.cast(draws[:, 4] * tf.cast(width - columns + 1, tf.float32), tf.int32)
    hidden = inside(images, (first_row, first_column), (first_row + rows, first_column + columns))
    return tf.where(hidden, noise.uniform(draws[:, 5:7], images.shape[1:]), images)


def erased_sides(step: RandomErasing, sides: tuple[int, int], draws: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Height and width of the rectangle where there is one, (n,) int32: at least 1, at most those of the image."""
    height, width = sides
    area = (step.min_area + draws[:, 1] * (step.max_area - step.min_area)) * (height * width)
    ratio = step.min_ratio ** (1 - 2 * draws[:, 2])
    rows = tf.clip_by_value(tf.sqrt(area * ratio), area / width, float(height))  # those whose width fits too
    whole_rows = tf.clip_by_value(tf.cast(tf.round(rows), tf.int32), 1, height)
    columns = tf.round(area / tf.cast(whole_rows, tf.float32))
    return whole_rows, tf.clip_by_value(tf.cast(columns, tf.int32), 1, width)


def inside(images: tf.Tensor, first: tuple[tf.Tensor, tf.Tensor], end: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
    """Which pixels of each image are in its rectangle, (n, height, width, 1); rows and columns are (n,) int32."""
    rows, columns = (
        (tf.range(side) >= low[:, tf.newaxis]) & (tf.range(side) < high[:, tf.newaxis])
        for side, low, high in zip(images.shape[1:3], first, end, strict=True)
    )
    return (rows[:, :, tf.newaxis] & columns[:, tf.newaxis, :])[..., tf.newaxis]
