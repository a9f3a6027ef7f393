"""The first pictures of an epoch exactly as training gets them."""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cnnlab.data import Dataset
from cnnlab.experiment.schema import Experiment
from cnnlab.models.augmentation import Augmenter
from cnnlab.models.inference import to_input
from cnnlab.training.engine import order_of


@dataclass(frozen=True)
class Seen:
    """Pictures (n, height, width, channels) uint8 of a batch, padded and not yet scaled, and what they are called."""

    images: NDArray[np.uint8]
    titles: list[str]


def first_batch(experiment: Experiment, dataset: Dataset, epoch: int) -> Seen:
    """The first batch of an epoch, counted from 1, as one device gets it."""
    size = len(dataset.train)
    batch = order_of(size, experiment.seed, epoch - 1).numpy()[: experiment.train.batch_size]
    pictures = to_input(dataset.train.images[batch])
    names = [dataset.class_names[label] for label in dataset.train.labels[batch]]
    augmenter = Augmenter(experiment.preprocessing.augmentation)
    draws = augmenter.draws(size, experiment.seed, epoch - 1)
    if draws is not None:
        own = tf.gather(draws, batch)
        pictures = augmenter(pictures, own)
        if augmenter.mixes:
            pictures, part = augmenter.mix(pictures, tf.reverse(pictures, [0]), own)
            mixed = zip(names, reversed(names), part.numpy(), strict=True)
            names = [f"{name} {share:.0%} {other}" for name, other, share in mixed]
    padding = experiment.preprocessing.zero_padding
    padded = tf.pad(pictures, [[0, 0], [padding, padding], [padding, padding], [0, 0]])
    return Seen(np.rint(255 * np.clip(padded.numpy(), 0, 1)).astype(np.uint8), names)
