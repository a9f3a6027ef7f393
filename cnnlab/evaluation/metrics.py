"""What the predictions are worth, by scikit-learn's definitions, without its import, which takes a second."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnlab.errors import printable
from cnnlab.models.inference import Outcome

TOP_K = (2, 3, 5)  # the k of top-k accuracies, where there are more classes than that
BINS = 15  # of confidence, as in Guo et al. 2017, "On calibration of modern neural networks"


def evaluation(split: str, outcome: Outcome, class_names: tuple[str, ...]) -> dict[str, Any]:
    """All measures of a split: one number each, then one row per class, the calibration, and the confusion matrix.

    `balanced_accuracy` is the mean of the accuracies on the classes' own examples (their `recall`): what a test set
    with equally many of each would give. Macro F1 is the mean over classes, weighted F1 by how many examples each has.
    Both are over the classes that have examples: of the others, `absent_classes`, recall and F1 are None. Precision is
    0 for a class that is never predicted. The confusion matrix has one row for every true class and one column for
    every predicted one.
    """
    matrix = confusion_matrix(outcome.labels, outcome.predictions, len(class_names))
    hits, support, predicted = matrix.diagonal(), matrix.sum(axis=1), matrix.sum(axis=0)
    present = support > 0
    precision, recall = hits / np.maximum(predicted, 1), hits / np.maximum(support, 1)
    f1 = 2 * hits / np.maximum(support + predicted, 1)
    return {
        "split": split,
        "examples": len(outcome.labels),
        "loss": outcome.loss,
        "accuracy": outcome.accuracy,
        "accuracy_interval": list(bootstrap_interval(outcome.accuracy, len(outcome.labels))),
        "balanced_accuracy": float(recall[present].mean()),
        "macro_f1": float(f1[present].mean()),
        "weighted_f1": float(np.average(f1, weights=support)),
        "top_k": {str(k): top_k_accuracy(outcome, k) for k in TOP_K if k < len(class_names)},
        **calibration(outcome),
        "absent_classes": [name for name, is_present in zip(class_names, present, strict=True) if not is_present],
        "classes": [
            {
                "class": name,
                "precision": float(p),
                "recall": float(r) if n else None,
                "f1": float(f) if n else None,
                "examples": int(n),
            }
            for name, p, r, f, n in zip(class_names, precision, recall, f1, support, strict=True)
        ],
        "confusion_matrix": matrix.tolist(),
    }


def confusion_matrix(labels: NDArray[np.integer], predictions: NDArray[np.integer], classes: int) -> NDArray[np.intp]:
    """How many examples of each true class (row) are predicted as each class (column), (classes, classes)."""
    pairs = labels.astype(np.intp) * classes + predictions
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def top_k_accuracy(outcome: Outcome, k: int) -> float:
    """The fraction of examples whose label has one of the `k` highest scores; of equal scores, the last is higher."""
    scores, labels = outcome.scores, outcome.labels[:, None]
    own = np.take_along_axis(scores, labels, axis=1)
    is_later = np.arange(scores.shape[1]) > labels
    ahead = (scores > own) | ((scores == own) & is_later)
    return float(np.mean(ahead.sum(axis=1) < k))


def bootstrap_interval(accuracy: float, examples: int) -> tuple[float, float]:
    """The 95 % percentile interval of the accuracy over examples that are drawn again, as many, with replacement.

    Of examples that are right or wrong, how many of the drawn ones are right is binomial, so that nothing is drawn.
    Where all are right, or all wrong, any drawn again are too: there it is the exact interval of Clopper and Pearson.
    """
    if accuracy in (0, 1):
        far = 0.025 ** (1 / examples)
        return (far, 1.0) if accuracy else (0.0, 1 - far)
    from scipy.special import bdtr, bdtrik

    def quantile(q: float) -> float:
        count = np.floor(bdtrik(q, examples, accuracy))
        while bdtr(count, examples, accuracy) < q:  # bdtrik is between two whole numbers
            count += 1
        return float(count / examples)

    return quantile(0.025), quantile(0.975)


def calibration(outcome: Outcome) -> dict[str, Any]:
    """How far the probability that a network gives its prediction is from how often that is right.

    The expected calibration error is the mean of that over examples, in bins of equal width; both are None where scores
    are no probabilities, as those of a network that was trained with a squared error.
    """
    confidence = outcome.scores.max(axis=1).astype(np.float64)
    if not outcome.are_probabilities:
        return {"expected_calibration_error": None, "calibration": None}
    bins = np.searchsorted(np.linspace(0, 1, BINS + 1)[1:-1], confidence)
    _, bins, counts = np.unique(bins, return_inverse=True, return_counts=True)
    accuracies = np.bincount(bins, weights=outcome.predictions == outcome.labels) / counts
    means = np.bincount(bins, weights=np.minimum(confidence, 1)) / counts
    return {
        "expected_calibration_error": float(np.average(np.abs(accuracies - means), weights=counts)),
        "calibration": [
            {"confidence": float(mean), "accuracy": float(accuracy), "examples": int(count)}
            for mean, accuracy, count in zip(means, accuracies, counts, strict=True)
        ],
    }


def most_confident_mistakes(outcome: Outcome, most: int) -> NDArray[np.intp]:
    """The examples that are predicted wrong with the highest scores, the highest first; at most so many."""
    wrong = np.flatnonzero(outcome.predictions != outcome.labels)
    order = np.argsort(-outcome.scores.max(axis=1)[wrong], kind="stable")
    return wrong[order[:most]]


def prediction_rows(
    outcome: Outcome, class_names: Sequence[str], files: Sequence[str] | None = None
) -> list[dict[str, Any]]:
    """One row per example, in the order of the data: its index from 0, label, prediction and the prediction's score.

    Label and prediction also by the name of the class; and the example's file, where each has one.
    """
    best = outcome.scores.max(axis=1)
    rows: list[dict[str, Any]] = [
        {
            "example": index,
            "label": int(label),
            "prediction": int(prediction),
            "score": f"{score:.6g}",
            "label_name": printable(class_names[label]),
            "prediction_name": printable(class_names[prediction]),
        }
        for index, (label, prediction, score) in enumerate(zip(outcome.labels, outcome.predictions, best, strict=True))
    ]
    if files is not None:
        for row, file in zip(rows, files, strict=True):
            row["file"] = printable(file)
    return rows
