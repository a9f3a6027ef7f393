"""Which classes are most often taken for which, with the examples."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnlab.models.inference import Outcome


@dataclass(frozen=True)
class Confusion:
    """`examples` of class `truth` that are predicted as `predicted`, those with the highest scores first."""

    truth: int
    predicted: int
    examples: NDArray[np.intp]


def most_frequent(outcome: Outcome, most: int) -> list[Confusion]:
    """The `most` pairs of classes with the most mistakes, the most frequent first."""
    pairs = np.stack([outcome.labels, outcome.predictions], axis=1)
    wrong = np.flatnonzero(pairs[:, 0] != pairs[:, 1])
    if not len(wrong):
        return []
    found, index, counts = np.unique(pairs[wrong], axis=0, return_inverse=True, return_counts=True)
    scores = outcome.scores.max(axis=1)
    confusions = []
    for number in np.argsort(-counts, kind="stable")[:most]:
        members = wrong[index.ravel() == number]
        truth, predicted = (int(value) for value in found[number])
        confusions.append(Confusion(truth, predicted, members[np.argsort(-scores[members], kind="stable")]))
    return confusions
