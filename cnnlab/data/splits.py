"""Dividing examples, always in the same way."""

import numpy as np
from numpy.typing import NDArray

from cnnlab.data.dataset import Examples

SEED = 0  # of every split: two runs of an experiment differ in their training seed, never in their data


def split(examples: Examples, count: int) -> tuple[Examples, Examples]:
    """All but `count` examples, and those `count`; each in the order that they came in.

    Stratified: every class keeps its share in both parts, unless a class is too small for that.
    """
    from sklearn.model_selection import train_test_split

    _, sizes = np.unique(examples.labels, return_counts=True)
    enough = sizes.min() >= 2 and min(count, len(examples) - count) >= len(sizes)
    rest, chosen = train_test_split(
        np.arange(len(examples)), test_size=count, random_state=SEED, stratify=examples.labels if enough else None
    )
    return examples.take(np.sort(rest)), examples.take(np.sort(chosen))


def subset(examples: Examples, count: int) -> Examples:
    """`count` examples in which every class keeps its share; a smaller count gives a part of a larger one's.

    Each class is shuffled, and its examples are spread evenly over a line; the first `count` of all on it are taken.
    """
    random = np.random.default_rng(SEED)
    places = np.empty(len(examples))
    for label in np.unique(examples.labels):
        members = np.flatnonzero(examples.labels == label)
        places[random.permutation(members)] = (np.arange(len(members)) + random.random()) / len(members)
    return examples.take(np.sort(np.argsort(places, kind="stable")[:count]))


def of_classes(examples: Examples, kept: NDArray[np.intp]) -> Examples:
    """The examples whose labels are among `kept`, numbered by their place in it."""
    number = np.full(max(int(examples.labels.max(initial=0)), int(kept.max())) + 1, -1, np.int32)
    number[kept] = np.arange(len(kept), dtype=np.int32)
    labels = number[examples.labels]
    which = np.flatnonzero(labels >= 0)
    taken = examples.take(which)
    return Examples(taken.images, labels[which], taken.files)
