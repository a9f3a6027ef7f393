"""Reproducible splits of examples."""

import numpy as np
from numpy.typing import NDArray

from cnnlab.data.dataset import Examples

SEED = 0  # of every split: two runs of an experiment differ in their training seed, never in their data


def split(examples: Examples, count: int) -> tuple[Examples, Examples]:
    """All but `count` examples, and those `count`; each in the order that they came in.

    Stratified: every class keeps its share in both parts. The only example of a class stays among the first part.
    """
    labels = examples.labels
    sizes = np.bincount(labels)
    divisible = np.flatnonzero(sizes[labels] > 1)
    count_of_classes = np.count_nonzero(sizes > 1)
    if min(count, len(divisible) - count) >= count_of_classes > 0:
        from sklearn.model_selection import train_test_split

        _, chosen = train_test_split(divisible, test_size=count, random_state=SEED, stratify=labels[divisible])
    else:  # fewer than one of each class, or more than all but one
        order = _spread(labels)
        chosen = order[np.argsort(sizes[labels[order]] == 1, kind="stable")][:count]
    is_chosen = np.zeros(len(examples), bool)
    is_chosen[chosen] = True
    return examples.take(np.flatnonzero(~is_chosen)), examples.take(np.flatnonzero(is_chosen))


def subset(examples: Examples, count: int) -> Examples:
    """`count` examples in which every class keeps its share; a smaller count gives a part of a larger one's."""
    return examples.take(np.sort(_spread(examples.labels)[:count]))


def _spread(labels: NDArray[np.int32]) -> NDArray[np.intp]:
    """The indices of all examples, in an order that spreads every class evenly.

    Each class is shuffled, and its examples are laid along a line at equal distances.
    """
    random = np.random.default_rng(SEED)
    places = np.empty(len(labels))
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        places[random.permutation(members)] = (np.arange(len(members)) + random.random()) / len(members)
    return np.argsort(places, kind="stable")


def of_classes(examples: Examples, classes: NDArray[np.intp]) -> Examples:
    """The examples whose labels are among `classes`, relabelled by the index in it."""
    number = np.full(max(int(examples.labels.max(initial=0)), int(classes.max())) + 1, -1, np.int32)
    number[classes] = np.arange(len(classes), dtype=np.int32)
    labels = number[examples.labels]
    which = np.flatnonzero(labels >= 0)
    taken = examples.take(which)
    return Examples(taken.images, labels[which], taken.files)
