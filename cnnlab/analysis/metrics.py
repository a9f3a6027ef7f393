"""What the predictions are worth, by scikit-learn's definitions."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from cnnlab.errors import printable
from cnnlab.models.inference import Outcome


def evaluation(split: str, outcome: Outcome, class_names: tuple[str, ...]) -> dict[str, Any]:
    """Loss, accuracy, a row a class, and the confusion matrix (rows: true class, columns: predicted class).

    Precision is 0 for a class that is never predicted, recall is 0 for a class without examples.
    """
    classes = np.arange(len(class_names))
    precision, recall, f1, support = precision_recall_fscore_support(
        outcome.labels, outcome.predictions, labels=classes, zero_division=0
    )
    return {
        "split": split,
        "examples": len(outcome.labels),
        "loss": outcome.loss,
        "accuracy": outcome.accuracy,
        "classes": [
            {"class": name, "precision": float(p), "recall": float(r), "f1": float(f), "examples": int(n)}
            for name, p, r, f, n in zip(class_names, precision, recall, f1, support, strict=True)
        ],
        "confusion_matrix": confusion_matrix(outcome.labels, outcome.predictions, labels=classes).tolist(),
    }


def prediction_rows(outcome: Outcome, files: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """A row an example, in the order of the data: its index from 0, label, prediction and the prediction's score.

    And its file, where each has one.
    """
    best = outcome.scores.max(axis=1)
    rows: list[dict[str, Any]] = [
        {"example": index, "label": int(label), "prediction": int(prediction), "score": f"{score:.6g}"}
        for index, (label, prediction, score) in enumerate(zip(outcome.labels, outcome.predictions, best, strict=True))
    ]
    if files is not None:
        for row, file in zip(rows, files, strict=True):
            row["file"] = printable(file)
    return rows
