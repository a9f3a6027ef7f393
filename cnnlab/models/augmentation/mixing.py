"""Mixup and CutMix: each image mixed with another one of its batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import tensorflow as tf

from cnnlab.experiment.augmentation import Augmentation, CutMix, Mixup
from cnnlab.models.augmentation.color import per_image
from cnnlab.models.augmentation.erasing import inside

CUTMIX, CHOICE = 1000, 1001  # numbers of the random numbers' seeds, beyond those of the other steps; mixup's is 0


@dataclass(frozen=True)
class Mixing:
    """What mixes the images: one of the two, or for each image one of both."""

    mixup: Mixup | None
    cutmix: CutMix | None

    @classmethod
    def from_steps(cls, steps: Sequence[Augmentation]) -> Self | None:
        """That of an experiment, if any."""
        mixup = next((step for step in steps if isinstance(step, Mixup)), None)
        cutmix = next((step for step in steps if isinstance(step, CutMix)), None)
        return cls(mixup, cutmix) if mixup or cutmix else None

    @property
    def columns(self) -> int:
        """How many random numbers an image has: the part of mixup, that of CutMix with two of its place, the choice."""
        return bool(self.mixup) + 3 * bool(self.cutmix) + bool(self.mixup and self.cutmix)

    def draws(self, size: int, key: tf.Tensor) -> tf.Tensor:
        """The random numbers of an epoch, (size, columns) in [0, 1]."""
        fold_in, uniform = tf.random.experimental.stateless_fold_in, tf.random.stateless_uniform
        found = []
        if self.mixup:
            found.append(tf.sigmoid(tf.abs(_log_odds(size, fold_in(key, 0), self.mixup.alpha))))
        if self.cutmix:
            part_seed, place_seed = tf.unstack(tf.random.split(fold_in(key, CUTMIX), 2))
            found.append(tf.sigmoid(_log_odds(size, part_seed, self.cutmix.alpha)))
            found.append(uniform([size, 2], place_seed))
        if self.mixup and self.cutmix:
            found.append(uniform([size, 1], fold_in(key, CHOICE)))
        return tf.concat(found, axis=1)

    def __call__(self, images: tf.Tensor, partners: tf.Tensor, draws: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Each image mixed with its partner, and the part that is its own, (n,): with mixup at least a half."""
        if not self.cutmix:
            return _blended(images, partners, draws[:, 0])
        cut, cut_part = _pasted(images, partners, draws[:, 1:4] if self.mixup else draws)
        if not self.mixup:
            return cut, cut_part
        blended, part = _blended(images, partners, draws[:, 0])
        blends = draws[:, -1] < 0.5
        return tf.where(per_image(blends), blended, cut), tf.where(blends, part, cut_part)


def _blended(images: tf.Tensor, partners: tf.Tensor, part: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    weights = per_image(part)
    return weights * images + (1 - weights) * partners, part


def _pasted(images: tf.Tensor, partners: tf.Tensor, draws: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The images with a rectangle of their partners', and the share of the area outside of it.

    The sides are those of the image times the root of one minus the part that was drawn (Yun et al. 2019, equation 2).
    """
    share = tf.sqrt(1 - draws[:, 0])
    first, end, area = [], [], 1.0
    for axis, side in enumerate(images.shape[1:3]):
        length = tf.cast(tf.round(share * side), tf.int32)
        begin = tf.cast(draws[:, 1 + axis] * side, tf.int32) - length // 2
        first.append(tf.maximum(begin, 0))
        end.append(tf.minimum(begin + length, side))
        area *= tf.cast(end[-1] - first[-1], tf.float32) / side
    pasted = inside(images, (first[0], first[1]), (end[0], end[1]))
    return tf.where(pasted, partners, images), 1 - area


def _log_odds(size: int, seed: tf.Tensor, alpha: float) -> tf.Tensor:
    """The logits of numbers from Beta(alpha, alpha), (size, 1).

    From the logarithms of two gamma variables, since those themselves round to zero where alpha is small:
    Gamma(alpha) is Gamma(alpha + 1) times a uniform variable to the power 1 / alpha (Marsaglia and Tsang 2000).
    """
    gamma_seed, uniform_seed = tf.unstack(tf.random.split(seed, 2))
    gamma = tf.random.stateless_gamma([size, 2], gamma_seed, alpha=alpha + 1)
    uniform = 1 - tf.random.stateless_uniform([size, 2], uniform_seed)  # never 0
    logarithms = tf.math.log(gamma) + tf.math.log(uniform) / alpha
    return logarithms[:, :1] - logarithms[:, 1:]
