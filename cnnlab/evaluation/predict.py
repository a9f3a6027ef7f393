"""Predicting the classes of images, one batch after another."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnlab.evaluation.ensemble import Ensemble
from cnnlab.evaluation.samples import Sample

LONGEST_WAIT = 0.25  # seconds between the first image of a batch and its prediction


@dataclass(frozen=True)
class Prediction:
    """The scores (classes,) of a sample, and the classes in the order of their scores, highest first."""

    sample: Sample
    scores: NDArray[np.float32]
    order: NDArray[np.intp]

    def top(self, count: int, class_names: Sequence[str]) -> list[tuple[str, float]]:
        """The names and scores of the `count` classes with the highest scores, highest first."""
        return [(class_names[index], float(self.scores[index])) for index in self.order[:count]]


def predict(
    samples: Iterable[Sample | None], ensemble: Ensemble, after_batch: Callable[[], None] = lambda: None
) -> Iterator[Prediction]:
    """The prediction of every sample, in their order.

    Samples are taken until there is a batch, or for a short while; None among them predicts those before it at once.
    """
    batch: list[Sample] = []
    started = time.monotonic()
    for sample in samples:
        if sample is not None:
            if not batch:
                started = time.monotonic()
            batch.append(sample)
        if batch and (sample is None or len(batch) == ensemble.batch_size or time.monotonic() - started > LONGEST_WAIT):
            yield from _predict_batch(batch, ensemble)
            after_batch()
            batch = []
    if batch:
        yield from _predict_batch(batch, ensemble)


def _predict_batch(batch: Sequence[Sample], ensemble: Ensemble) -> Iterator[Prediction]:
    scores = ensemble.scores(np.stack([sample.pixels for sample in batch]))
    yield from map(Prediction, batch, scores, np.argsort(-scores, axis=1, kind="stable"))
