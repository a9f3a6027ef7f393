"""Dividing examples in two, always in the same way."""

import numpy as np

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
