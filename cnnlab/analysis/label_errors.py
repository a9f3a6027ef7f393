"""Confident learning: which labels are probably wrong, from probabilities out of sample.

Northcutt, Jiang and Chuang 2021, "Confident learning: estimating uncertainty in dataset labels", JAIR 70. Two steps:
the confident joint (section 3.1) counts examples by given and by probable true class, with a threshold per class;
pruning by noise rate (section 3.2, method 4) selects as many of each pair of classes as it estimates.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class LabelErrors:
    """What is known of n labels.

    `suspects` (k,) are the places of labels that are probably wrong, the most suspicious first, `suggested` (n,) the
    most probable class of each example, and `margins` (n,) in [-1, 1] the probability of the given label less the
    largest of another one. `joint` (classes, classes) is the estimated number of examples by given and true class.
    """

    suspects: NDArray[np.intp]
    suggested: NDArray[np.intp]
    margins: NDArray[np.float64]
    joint: NDArray[np.float64]

    @property
    def noise_rate(self) -> float:
        """The estimated fraction of labels that are wrong."""
        return float(1 - np.trace(self.joint) / self.joint.sum())


def find_label_errors(labels: NDArray[np.integer], probabilities: NDArray[np.floating]) -> LabelErrors:
    """Labels (n,) and the probabilities (n, classes) of networks that were not trained on these examples."""
    classes, everyone = probabilities.shape[1], np.arange(len(labels))
    precise: NDArray[np.float64] = probabilities.astype(np.float64)
    given = precise[everyone, labels]
    others = precise.copy()
    others[everyone, labels] = -1.0
    margins = given - others.max(axis=1)
    joint = _joint(labels, precise, given, classes)
    is_suspect = np.zeros(len(labels), bool)
    for label in range(classes):
        members = np.flatnonzero(labels == label)
        for other in range(classes):
            count = round(joint[label, other])
            if label != other and count:
                towards = precise[members, other] - given[members]
                is_suspect[members[np.argsort(-towards, kind="stable")[:count]]] = True
    is_suspect &= margins < 0  # never one whose given label is the most probable
    suspects = np.flatnonzero(is_suspect)
    suspects = suspects[np.argsort(margins[suspects], kind="stable")]
    return LabelErrors(suspects, precise.argmax(axis=1), margins, joint)


def _joint(
    labels: NDArray[np.integer], probabilities: NDArray[np.float64], given: NDArray[np.float64], classes: int
) -> NDArray[np.float64]:
    """The number of examples by given and true class, (classes, classes), calibrated to those of each given class.

    An example counts for the class of the highest probability among those that are at least the class's threshold: the
    mean probability of that class over the examples that are labelled so.
    """
    counts = np.bincount(labels, minlength=classes)
    sums = np.bincount(labels, given, minlength=classes)
    thresholds = np.divide(sums, counts, out=np.full(classes, np.inf), where=counts > 0)
    confident = np.where(probabilities >= thresholds, probabilities, -1.0)
    counted = confident.max(axis=1) >= 0
    joint = np.zeros((classes, classes))
    np.add.at(joint, (labels[counted], confident.argmax(axis=1)[counted]), 1.0)
    joint[np.diag_indices(classes)] = np.maximum(joint.diagonal(), 1e-12)  # a class without any confident example
    calibrated: NDArray[np.float64] = joint * (counts / joint.sum(axis=1))[:, None]
    return calibrated
