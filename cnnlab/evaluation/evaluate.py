"""Measuring a trained network on a split of its data."""

import math
import statistics
import time
from typing import Any

import numpy as np

from cnnlab.data import Dataset, Examples
from cnnlab.errors import RequestError, RunError
from cnnlab.evaluation.load import load_dataset, load_model
from cnnlab.evaluation.metrics import evaluation, prediction_rows
from cnnlab.models.inference import ForwardPass, Outcome
from cnnlab.runs import Run

TIMED_EXAMPLES, TIMED_REPETITIONS = 2560, 5


def evaluate(run: Run, split: str, *, figures: str | None = None) -> dict[str, Any]:
    """Measure the network of a finished run on a split of the data that it was trained on.

    The result and a file of predictions go into the run's evaluation/ folder; so do `figures`, if wanted: png, svg or
    pdf. What is returned has also their paths and `images_per_second` of the forward pass.
    Raises RunError where the run has no weights or the data are not those that it was trained on.
    """
    loaded = load_model(run)
    dataset = load_dataset(loaded.record, loaded.experiment)
    splits = dataset.splits()
    if split not in splits:
        raise RequestError(f"--split {split}: this run held out no {split} examples; it has {' and '.join(splits)}")
    outcome = loaded.forward(splits[split])
    if not math.isfinite(outcome.loss):
        raise RunError(f"{run.weights}: damaged: these weights give a loss of {outcome.loss}")
    if split == "test" or (split == "validation" and loaded.experiment.data.validation == "test"):
        run.record_test_use("evaluate")
    measured = write_evaluation(run, split, outcome, dataset)
    results = loaded.record.results
    if split == "test" and "test_accuracy" not in results:  # `train.test: never`; from now on it can be compared
        run.update({"results": {**results, "test_loss": outcome.loss, "test_accuracy": outcome.accuracy}})
    drawn = []
    if figures:
        from cnnlab.evaluation.figures import draw  # imports Matplotlib

        drawn = draw(run, measured, outcome, dataset, figures)
    return {
        **measured,
        "images_per_second": _throughput(loaded.forward, splits[split]),
        "pictures": [str(path) for path in drawn],
    }


def write_evaluation(run: Run, split: str, outcome: Outcome, dataset: Dataset) -> dict[str, Any]:
    """Measure predictions, write all into the run's evaluation/ folder, and return the measurements."""
    measured = evaluation(split, outcome, dataset.class_names)
    files = dataset.splits()[split].files
    rows = prediction_rows(outcome, dataset.class_names, None if files is None else files.tolist())
    correct = np.packbits(outcome.predictions == outcome.labels).tobytes()
    run.write_evaluation(split, measured, rows, correct)
    return measured


def _throughput(forward: ForwardPass, examples: Examples) -> float:
    """Images per second through the network, from memory to scores: the median of some repetitions."""
    images = examples.take(slice(0, TIMED_EXAMPLES)).images[:]
    seconds = []
    for _ in range(TIMED_REPETITIONS):
        started = time.perf_counter()
        forward.scores(images)
        seconds.append(time.perf_counter() - started)
    return len(images) / statistics.median(seconds)
