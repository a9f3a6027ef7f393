"""The images of an epoch exactly as training gets them, and what each step of the augmentation does by itself."""

from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cnnlab.data import Dataset
from cnnlab.experiment.augmentation import Augmentation, CutMix, Mixup, RandAugment
from cnnlab.experiment.schema import Experiment
from cnnlab.models.augmentation import Augmenter, columns_of, examples, rand_augment
from cnnlab.models.inference import to_input
from cnnlab.training.engine.batch import batch_of, order_of

DRAWN = 8  # examples of each step


@dataclass(frozen=True)
class PreviewBatch:
    """Images (n, height, width, channels) uint8 of a batch, padded and not yet scaled, and what they are called."""

    images: NDArray[np.uint8]
    titles: list[str]


@dataclass(frozen=True)
class PreviewStep(PreviewBatch):
    """An image before and after a step of the augmentation: the ends of its range, then drawn at random."""

    step: Augmentation
    range: str


def first_batch(experiment: Experiment, dataset: Dataset, epoch: int) -> PreviewBatch:
    """The first batch of an epoch, counted from 1, as one device gets it."""
    batch = batch_of(experiment, dataset.train, epoch - 1)
    names = [dataset.class_names[label] for label in dataset.train.labels[batch.numbers]]
    if batch.part is not None:
        mixed = zip(names, reversed(names), batch.part.numpy(), strict=True)
        names = [f"{name} {share:.0%} {other}" for name, other, share in mixed]
    return PreviewBatch(_pixels(experiment, batch.inputs), names)


def each_step(experiment: Experiment, dataset: Dataset, epoch: int) -> list[PreviewStep]:
    """Every step of the augmentation by itself, on the first image of an epoch, counted from 1.

    The random numbers are those that the step has for the first examples of the epoch. What mixes images mixes two of
    them.
    """
    size, seed = len(dataset.train), experiment.seed
    numbers = order_of(size, seed, epoch - 1).numpy()[:DRAWN]
    first, second = (to_input(tf.constant(dataset.train.images[numbers[[index]]])) for index in (0, -1))
    steps = experiment.preprocessing.augmentation
    single = [step for step in steps if not isinstance(step, Mixup | CutMix)]
    firsts = accumulate(map(columns_of, single), initial=0)  # of each step's columns, those that mix come last
    found = []
    for step in steps:
        mixes = isinstance(step, Mixup | CutMix)
        draws = Augmenter([step] if mixes else single).draws(size, seed, epoch - 1)
        rows = tf.gather(draws, numbers).numpy()
        if not mixes:
            first_column = next(firsts)
            rows = rows[:, first_column : first_column + columns_of(step)]
        if isinstance(step, Mixup | CutMix):
            images, titles = _mixed(step, first, second, rows)
            titles = ["unchanged", "the other image", *titles]
            shown = [first, second, images]
        else:
            images, titles = _changed(step, first, rows)
            titles, shown = ["unchanged", *titles], [first, images]
        range_of = examples.range_of(step, first.shape[1:])
        found.append(PreviewStep(_pixels(experiment, tf.concat(shown, axis=0)), titles, step, range_of))
    return found


def _changed(step: Augmentation, image: tf.Tensor, rows: NDArray[np.float32]) -> tuple[tf.Tensor, list[str]]:
    """The image at the ends of the step's range, and changed by each row of random numbers."""
    shape = image.shape[1:]
    ends = examples.extremes(step, shape)
    titles = [*(text for text, _ in ends), *(f"drawn: {examples.caption(step, shape, row)}" for row in rows)]
    draws = np.stack([*(row for _, row in ends), *rows])
    changed = Augmenter([step])(tf.repeat(image, len(draws), axis=0), tf.constant(draws))
    if isinstance(step, RandAugment):
        single = rand_augment.operations(step)
        changed = tf.concat([*(function(image, tf.ones([1])) for function in single.values()), changed], axis=0)
        titles = [*single, *titles]
    return changed, [title.removesuffix(": ") for title in titles]


def _mixed(
    step: Mixup | CutMix, image: tf.Tensor, other: tf.Tensor, rows: NDArray[np.float32]
) -> tuple[tf.Tensor, list[str]]:
    """The image mixed with another one, by ends of the range and by each row of random numbers."""
    ends = [[0.5], [1.0]] if isinstance(step, Mixup) else [[0.0, 0.5, 0.5], [0.5, 0.5, 0.5]]
    draws = tf.constant(np.concatenate([np.array(ends, np.float32), rows]))
    count = len(ends) + len(rows)
    images, part = Augmenter([step]).mix(tf.repeat(image, count, axis=0), tf.repeat(other, count, axis=0), draws)
    titles = [f"{share:.0%}" for share in part.numpy()]
    return images, [title if index < len(ends) else f"drawn: {title}" for index, title in enumerate(titles)]


def _pixels(experiment: Experiment, images: tf.Tensor) -> NDArray[np.uint8]:
    padding = experiment.preprocessing.zero_padding
    padded = tf.pad(images, [[0, 0], [padding, padding], [padding, padding], [0, 0]])
    pixels: NDArray[np.uint8] = np.rint(255 * np.clip(padded.numpy(), 0, 1)).astype(np.uint8)
    return pixels
