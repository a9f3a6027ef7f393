"""What changes training images at random, inside the graph.

Every image's random numbers are a function of the seed, the epoch and its place among the examples alone, so that it
comes out the same in a resumed run, with another batch size's neighbours or on another number of replicas.
"""

from collections.abc import Sequence
from itertools import accumulate, groupby

import tensorflow as tf

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
    Saturation,
    VerticalFlip,
)
from cnnlab.models.augmentation import color, erasing, geometry, noise, rand_augment
from cnnlab.models.augmentation.mixing import Mixing

Numbered = tuple[Augmentation, int]
"""A step, and the first of its columns in the random numbers."""


class Augmenter:
    """The steps of an experiment's augmentation on images (n, height, width, channels) float32 in [0, 1]."""

    def __init__(self, steps: Sequence[Augmentation]) -> None:
        self._steps = [step for step in steps if not isinstance(step, Mixup | CutMix)]
        self._mixing = Mixing.from_steps(steps)
        firsts = accumulate(map(columns_of, self._steps), initial=0)
        numbered = zip(self._steps, firsts, strict=False)
        self._groups = [list(group) for _, group in groupby(numbered, key=lambda pair: geometry.group_of(pair[0]))]

    @property
    def mixes(self) -> bool:
        """Whether images of a batch are mixed."""
        return self._mixing is not None

    def draws(self, size: int, seed: int, epoch: int) -> tf.Tensor | None:
        """The random numbers of an epoch, a row for each of `size` examples, float32; None where nothing is random."""
        if not self._steps and not self._mixing:
            return None
        columns = [_draws_of(step, size, seed, epoch, number) for number, step in enumerate(self._steps, start=1)]
        if self._mixing:
            columns.append(self._mixing.draws(size, tf.constant([seed, epoch], tf.int64)))
        return tf.concat(columns, axis=1)

    def __call__(self, images: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
        """The images, each changed by its row of `draws`; not yet mixed."""
        for group in self._groups:
            chosen = [(step, draws[:, first : first + columns_of(step)]) for step, first in group]
            if geometry.group_of(chosen[0][0]) is not None:
                images = geometry.transformed(images, chosen)
            else:
                for step, numbers in chosen:
                    images = _apply(step, images, numbers)
        return images

    def mix(self, images: tf.Tensor, partners: tf.Tensor, draws: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Each image mixed with its partner, and the part that is its own, (n,) from 0 to 1."""
        if self._mixing is None:
            raise ValueError("no step mixes images")
        return self._mixing(images, partners, draws[:, -self._mixing.columns :])


def columns_of(step: Augmentation) -> int:
    """How many random numbers an image needs for a step."""
    match step:
        case RandomErasing():
            return erasing.COLUMNS
        case RandAugment(num_ops=num_ops):
            return rand_augment.COLUMNS * num_ops
    return 2


def _draws_of(step: Augmentation, size: int, seed: int, epoch: int, number: int) -> tf.Tensor:
    """The random numbers (size, columns) in [0, 1) of an epoch for the step of this number."""
    alternates = isinstance(step, AlternatingFlip)
    key = tf.constant([seed, 0 if alternates else epoch], tf.int64)
    shape = [size, columns_of(step)]
    draws = tf.random.stateless_uniform(shape, tf.random.experimental.stateless_fold_in(key, number))
    return tf.math.floormod(draws + 0.5, 1.0) if alternates and epoch % 2 else draws


def _apply(step: Augmentation, images: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
    match step:
        case HorizontalFlip() | AlternatingFlip():
            return geometry.flipped(images, draws, axis=2)
        case VerticalFlip():
            return geometry.flipped(images, draws, axis=1)
        case RandomCrop(fill=fill):
            return geometry.shifted(images, draws, geometry.max_shift(step, images.shape), fill)
        case Brightness():
            return color.brightness(images, color.factor(step, draws))
        case Contrast():
            return color.contrast(images, color.factor(step, draws))
        case Saturation():
            return color.saturation(images, color.factor(step, draws))
        case GaussianNoise(stddev=stddev):
            return tf.clip_by_value(images + stddev * noise.normal(draws, images.shape[1:]), 0, 1)
        case Cutout(size=size):
            return erasing.cut_out(images, draws, size)
        case RandomErasing():
            return erasing.erased(images, step, draws)
        case RandAugment():
            return rand_augment.apply(images, step, draws)
    raise TypeError(step)
