"""What changes training images at random, inside the graph.

Every image's random numbers are a function of the seed, the epoch and its place among the examples alone, so that it
comes out the same in a resumed run, with another batch size's neighbours or on another number of replicas.
"""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from cnnlab.experiment.preprocessing import (
    AlternatingFlip,
    Augmentation,
    Cutout,
    HorizontalFlip,
    Mixup,
    RandomCrop,
    Rotation,
    Translation,
)


class Augmenter:
    """The steps of an experiment's augmentation on images (n, height, width, channels) float32 in [0, 1]."""

    def __init__(self, steps: Sequence[Augmentation]) -> None:
        self._steps = [step for step in steps if not isinstance(step, Mixup)]
        self._mixup = next((step for step in steps if isinstance(step, Mixup)), None)

    @property
    def mixes(self) -> bool:
        """Whether images of a batch are mixed."""
        return self._mixup is not None

    def draws(self, size: int, seed: int, epoch: int) -> tf.Tensor | None:
        """The random numbers of an epoch, a row for each of `size` examples, float32; None where nothing is random."""
        if not self._steps and not self._mixup:
            return None
        key = tf.constant([seed, epoch], tf.int64)
        columns = [_draws_of(step, size, seed, epoch, number) for number, step in enumerate(self._steps, start=1)]
        if self._mixup:
            columns.append(_mixing_weights(size, tf.random.experimental.stateless_fold_in(key, 0), self._mixup.alpha))
        return tf.concat(columns, axis=1)

    @tf.autograph.experimental.do_not_convert  # nothing in here depends on values, and it cannot read `match`
    def __call__(self, images: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
        """The images, each changed by its row of `draws`; not yet mixed."""
        for number, step in enumerate(self._steps):
            images = _apply(step, images, draws[:, 2 * number : 2 * number + 2])
        return images

    def mix(self, images: tf.Tensor, partners: tf.Tensor, draws: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Each image mixed with its partner, and the part that is its weights, (n,) from a half to 1."""
        weights = draws[:, -1]
        part = weights[:, tf.newaxis, tf.newaxis, tf.newaxis]
        return part * images + (1 - part) * partners, weights


def _draws_of(step: Augmentation, size: int, seed: int, epoch: int, number: int) -> tf.Tensor:
    """The random numbers (size, 2) in [0, 1) of an epoch for the step of this number."""
    alternates = isinstance(step, AlternatingFlip)
    key = tf.constant([seed, 0 if alternates else epoch], tf.int64)
    draws = tf.random.stateless_uniform([size, 2], tf.random.experimental.stateless_fold_in(key, number))
    return tf.math.floormod(draws + 0.5, 1.0) if alternates and epoch % 2 else draws


def _mixing_weights(size: int, seed: tf.Tensor, alpha: float) -> tf.Tensor:
    """The larger of two parts drawn from Beta(alpha, alpha), (size, 1).

    From the logarithms of two gamma variables, since those themselves round to zero where alpha is small:
    Gamma(alpha) is Gamma(alpha + 1) times a uniform variable to the power 1 / alpha (Marsaglia and Tsang 2000).
    """
    gamma_seed, uniform_seed = tf.unstack(tf.random.split(seed, 2))
    gamma = tf.random.stateless_gamma([size, 2], gamma_seed, alpha=alpha + 1)
    uniform = 1 - tf.random.stateless_uniform([size, 2], uniform_seed)  # never 0
    logarithms = tf.math.log(gamma) + tf.math.log(uniform) / alpha
    return tf.sigmoid(tf.abs(logarithms[:, :1] - logarithms[:, 1:]))


def _apply(step: Augmentation, images: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
    height, width = images.shape[1:3]
    match step:
        case HorizontalFlip() | AlternatingFlip():
            return tf.where(draws[:, :1, tf.newaxis, tf.newaxis] < 0.5, tf.reverse(images, [2]), images)
        case RandomCrop(padding=padding):
            return _shifted(images, draws, padding, padding)
        case Translation(fraction=fraction):
            return _shifted(images, draws, int(fraction * height), int(fraction * width))
        case Rotation(degrees=degrees):
            return _rotated(images, (2 * draws[:, 0] - 1) * np.float32(np.deg2rad(degrees)))
        case Cutout(size=size):
            return _cut_out(images, draws, size)
    raise TypeError(step)


def _shifted(images: tf.Tensor, draws: tf.Tensor, max_rows: int, max_columns: int) -> tf.Tensor:
    """Each image shifted by whole pixels, all shifts up to the most equally likely; black comes in."""
    height, width = images.shape[1:3]
    padded = tf.pad(images, [[0, 0], [max_rows, max_rows], [max_columns, max_columns], [0, 0]])
    first_row = tf.cast(draws[:, 0] * (2 * max_rows + 1), tf.int32)
    first_column = tf.cast(draws[:, 1] * (2 * max_columns + 1), tf.int32)
    rows = first_row[:, tf.newaxis] + tf.range(height)
    columns = first_column[:, tf.newaxis] + tf.range(width)
    return tf.gather(tf.gather(padded, rows, axis=1, batch_dims=1), columns, axis=2, batch_dims=1)


def _rotated(images: tf.Tensor, angles: tf.Tensor) -> tf.Tensor:
    """Each image rotated about its centre by its angle, radians."""
    height, width = images.shape[1:3]
    y, x = (height - 1) / 2, (width - 1) / 2
    cos, sin = tf.cos(angles), tf.sin(angles)
    zero = tf.zeros_like(angles)
    # From a pixel of the result to where it comes from, as `affine_transform` wants it.
    rows = [cos, -sin, x - cos * x + sin * y, sin, cos, y - sin * x - cos * y, zero, zero]
    return keras.ops.image.affine_transform(images, tf.stack(rows, axis=1), "bilinear", "constant", 0.0)


def _cut_out(images: tf.Tensor, draws: tf.Tensor, size: int) -> tf.Tensor:
    """Each image with a black square whose centre is at any of its pixels."""
    height, width = images.shape[1:3]

    def outside(draw: tf.Tensor, side: int) -> tf.Tensor:
        first = tf.cast(draw * side, tf.int32) - size // 2
        places = tf.range(side) - first[:, tf.newaxis]
        return (places < 0) | (places >= size)

    keep = outside(draws[:, 0], height)[:, :, tf.newaxis] | outside(draws[:, 1], width)[:, tf.newaxis, :]
    return tf.where(keep[..., tf.newaxis], images, tf.zeros_like(images))
