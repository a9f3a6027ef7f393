"""What a single step sees: the same examples, changed by the same random numbers, as in the compiled epoch."""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cnnlab.data import Examples
from cnnlab.experiment.schema import Experiment
from cnnlab.models.augmentation import Augmenter
from cnnlab.models.inference import to_input


@dataclass(frozen=True)
class Batch:
    """The numbers of the examples (n,), and their images (n, height, width, channels) float32 in [0, 1].

    With mixup or CutMix, `part` of each image is its own, (n,); the rest is that of its partner, the one at the
    same place from the batch's end.
    """

    numbers: NDArray[np.int32]
    inputs: tf.Tensor
    part: tf.Tensor | None


def batch_of(experiment: Experiment, examples: Examples, epoch: int, step: int = 0, most: int | None = None) -> Batch:
    """The batch of a step of an epoch, both counted from 0; of a larger one its first `most`, if given."""
    size = experiment.train.batch_size
    order = order_of(len(examples), experiment.seed, epoch).numpy()
    numbers = order[step * size : (step + 1) * size][:most]
    inputs = to_input(tf.constant(examples.images[numbers]))
    augmenter = Augmenter(experiment.preprocessing.augmentation)
    draws = augmenter.draws(len(examples), experiment.seed, epoch)
    part = None
    if draws is not None:
        batch_draws = tf.gather(draws, numbers)
        inputs = augmenter(inputs, batch_draws)
        if augmenter.mixes:
            inputs, part = augmenter.mix(inputs, tf.reverse(inputs, [0]), batch_draws)
    return Batch(numbers, inputs, part)


def order_of(size: int, seed: int, epoch: int) -> tf.Tensor:
    """The order in which an epoch, counted from 0, goes through `size` examples, (size,) int32."""
    return tf.random.experimental.stateless_shuffle(tf.range(size), tf.constant([seed, epoch], tf.int64))
