"""The example that is looked at."""

import csv
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnlab.data import Dataset
from cnnlab.errors import RunError
from cnnlab.evaluation.load import LoadedModel
from cnnlab.models.inference import ForwardPass
from cnnlab.runs import Run, files
from cnnlab.terminal import note

MAX_BYTES = 1 << 30  # of a file of predictions


@dataclass(frozen=True)
class Subject:
    """An image (height, width, channels) uint8, how it is named, its true class if known, and its scores (classes,)."""

    name: str
    pixels: NDArray[np.uint8]
    truth: int | None
    scores: NDArray[np.float32]

    @property
    def predicted(self) -> int:
        """The class with the highest score."""
        return int(self.scores.argmax())

    @property
    def label(self) -> int:
        """The class whose loss is looked at: the true one, or else the predicted one."""
        return self.predicted if self.truth is None else self.truth

    def top(self, count: int) -> list[int]:
        """The classes with the highest scores, the highest first, and the true class if it is not among them."""
        best: list[int] = np.argsort(-self.scores, kind="stable")[:count].tolist()
        return best if self.truth is None or self.truth in best else [*best, self.truth]


def image_subject(loaded: LoadedModel, name: str, pixels: NDArray[np.uint8]) -> Subject:
    """An image whose class is not known."""
    return Subject(name, pixels, None, loaded.forward.scores(pixels[None])[0])


def example_subject(loaded: LoadedModel, dataset: Dataset, number: int) -> Subject:
    """A test example."""
    one = dataset.test.take(slice(number, number + 1))
    pixels = one.images[:][0]
    name = f"{dataset.name}/test/{number}" if one.files is None else str(one.files[0])
    return Subject(name, pixels, int(one.labels[0]), loaded.forward.scores(pixels[None])[0])


def surest_mistake(run: Run, forward: ForwardPass, dataset: Dataset) -> int:
    """The test example that is predicted wrong with the highest score; the first one where none is wrong.

    By the predictions that training or `evaluate` wrote, and where there are none, by predicting all.
    """
    number = _saved_mistake(run, len(dataset.test))
    if number is None:
        outcome = forward(dataset.test)
        wrong = np.flatnonzero(outcome.predictions != outcome.labels)
        number = int(wrong[outcome.scores.max(axis=1)[wrong].argmax()]) if len(wrong) else -1
    if number < 0:
        note("no test example is predicted wrong; this is the first one")
    return max(0, number)


def _saved_mistake(run: Run, examples: int) -> int | None:
    """By the file of predictions; -1 where all are right, None without such a file for so many examples."""
    with suppress(OSError, ValueError, KeyError, RunError):
        text = files.read(run.predictions("test"), MAX_BYTES).decode()
        rows = list(csv.DictReader(text.splitlines()))
        wrong = [row for row in rows if row["label"] != row["prediction"]]
        if len(rows) == examples:
            return int(max(wrong, key=lambda row: float(row["score"]))["example"]) if wrong else -1
    return None
