"""The first images of an epoch exactly as training gets them."""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cnnlab.data import Dataset
from cnnlab.experiment.schema import Experiment
from cnnlab.training.engine.batch import batch_of


@dataclass(frozen=True)
class PreviewBatch:
    """Images (n, height, width, channels) uint8 of a batch, padded and not yet scaled, and what they are called."""

    images: NDArray[np.uint8]
    titles: list[str]


def first_batch(experiment: Experiment, dataset: Dataset, epoch: int) -> PreviewBatch:
    """The first batch of an epoch, counted from 1, as one device gets it."""
    batch = batch_of(experiment, dataset.train, epoch - 1)
    names = [dataset.class_names[label] for label in dataset.train.labels[batch.numbers]]
    if batch.part is not None:
        mixed = zip(names, reversed(names), batch.part.numpy(), strict=True)
        names = [f"{name} {share:.0%} {other}" for name, other, share in mixed]
    padding = experiment.preprocessing.zero_padding
    padded = tf.pad(batch.inputs, [[0, 0], [padding, padding], [padding, padding], [0, 0]])
    return PreviewBatch(np.rint(255 * np.clip(padded.numpy(), 0, 1)).astype(np.uint8), names)
