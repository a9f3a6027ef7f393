"""Class imbalance, and class weights that compensate for it."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cnnlab.data.check import IMBALANCE
from cnnlab.errors import ConfigError
from cnnlab.messages import did_you_mean


def is_imbalanced(counts: ArrayLike) -> bool:
    """Whether the largest class is so much larger than the smallest that accuracy alone is misleading."""
    return bool(np.max(counts) > IMBALANCE * np.min(counts))


def class_weights(
    spec: Literal["balanced"] | dict[str, float] | None, labels: NDArray[np.int32], class_names: Sequence[str]
) -> NDArray[np.float32] | None:
    """The weight of each class's loss, (classes,); None if all are equal.

    `balanced` is scikit-learn's: examples / (classes * examples of the class), so that the mean over the examples is 1.
    A class that a map does not name has a weight of 1, as in Keras's `fit(class_weight=...)`.
    Raises ConfigError where a map names a class that the data do not have.
    """
    if spec is None:
        return None
    weights = np.ones(len(class_names), np.float32)
    if spec == "balanced":
        from sklearn.utils.class_weight import compute_class_weight

        present = np.unique(labels)
        weights[present] = compute_class_weight("balanced", classes=present, y=labels)
        return weights
    for name, weight in spec.items():
        if name not in class_names:
            raise ConfigError(f"train.class_weights: no class '{name}' in the data; {did_you_mean(name, class_names)}")
        weights[class_names.index(name)] = weight
    return weights
