"""Brightness, contrast and saturation: of images (n, height, width, channels) in [0, 1], by factors (n,)."""

import tensorflow as tf

from cnnlab.experiment.augmentation import Brightness, Contrast, Saturation


def factor(step: Brightness | Contrast | Saturation, draws: tf.Tensor) -> tf.Tensor:
    """What is added for brightness, else what is multiplied, (n,)."""
    change = (2 * draws[:, 0] - 1) * step.factor
    return change if isinstance(step, Brightness) else 1 + change


def brightness(images: tf.Tensor, added: tf.Tensor) -> tf.Tensor:
    """The number added to every pixel."""
    return tf.clip_by_value(images + per_image(added), 0, 1)


def contrast(images: tf.Tensor, factors: tf.Tensor) -> tf.Tensor:
    """The differences from the mean of each channel multiplied. Not TensorFlow's, which no GPU has repeat itself."""
    return blended(tf.reduce_mean(images, axis=[1, 2], keepdims=True), images, factors)


def saturation(images: tf.Tensor, factors: tf.Tensor) -> tf.Tensor:
    """The saturation in HSV multiplied, up to 1, with hue and value as they are.

    With the value v and the smallest channel m, the saturation is (v - m) / v, and each channel c is v - (v - c).
    """
    value = tf.reduce_max(images, axis=-1, keepdims=True)
    most = tf.math.divide_no_nan(value, value - tf.reduce_min(images, axis=-1, keepdims=True))
    return value - (value - images) * tf.minimum(per_image(factors), most)


def blended(degenerate: tf.Tensor, images: tf.Tensor, factors: tf.Tensor) -> tf.Tensor:
    """From `degenerate` at 0 over the images at 1 to their opposite, clipped."""
    return tf.clip_by_value(degenerate + per_image(factors) * (images - degenerate), 0, 1)


def per_image(values: tf.Tensor) -> tf.Tensor:
    """(n,) as (n, 1, 1, 1)."""
    return values[:, tf.newaxis, tf.newaxis, tf.newaxis]
