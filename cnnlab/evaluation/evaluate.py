"""Measuring a trained network on a split of its data."""

import math
import statistics
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from cnnlab.data import Dataset, Examples
from cnnlab.errors import RequestError, RunError
from cnnlab.evaluation.ensemble import Ensemble, load_ensemble
from cnnlab.evaluation.load import check_same_data, load_dataset, load_model
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
    examples = _split_of(dataset, split)
    outcome = loaded.forward(examples)
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
        "images_per_second": _throughput(loaded.forward, examples),
        "pictures": [str(path) for path in drawn],
    }


def evaluate_ensemble(runs: Sequence[Run], split: str) -> dict[str, Any]:
    """Measure the mean probabilities of several runs on a split of the data that all were trained on.

    The loss is the cross-entropy of the mean. Nothing is written but that each run's test set was used.
    Raises RunError where the data of one are others, and RequestError where they cannot be averaged.
    """
    ensemble = load_ensemble(runs)
    first = ensemble.members[0]
    dataset = load_dataset(first.record, first.experiment)
    for member in ensemble.members[1:]:
        check_same_data(member.record, dataset)
    examples = _split_of(dataset, split)
    outcome = ensemble.outcome(examples)
    for member in ensemble.members:
        if split == "test" or (split == "validation" and member.experiment.data.validation == "test"):
            member.record.run.record_test_use("evaluate")
    return {
        **evaluation(split, outcome, dataset.class_names),
        "runs": [str(run.path) for run in runs],
        "images_per_second": _throughput(ensemble, examples),
    }


def _split_of(dataset: Dataset, split: str) -> Examples:
    splits = dataset.splits()
    if split not in splits:
        raise RequestError(f"--split {split}: this run held out no {split} examples; it has {' and '.join(splits)}")
    return splits[split]


def write_evaluation(run: Run, split: str, outcome: Outcome, dataset: Dataset) -> dict[str, Any]:
    """Measure predictions, write all into the run's evaluation/ folder, and return the measurements."""
    measured = evaluation(split, outcome, dataset.class_names)
    files = dataset.splits()[split].files
    rows = prediction_rows(outcome, dataset.class_names, None if files is None else files.tolist())
    correct = np.packbits(outcome.predictions == outcome.labels).tobytes()
    run.write_evaluation(split, measured, rows, correct)
    return measured


def _throughput(forward: ForwardPass | Ensemble, examples: Examples) -> float:
    """Images per second through the network, from memory to scores: the median of some repetitions."""
    images = examples.take(slice(0, TIMED_EXAMPLES)).images[:]
    seconds = []
    for _ in range(TIMED_REPETITIONS):
        started = time.perf_counter()
        forward.scores(images)
        seconds.append(time.perf_counter() - started)
    return len(images) / statistics.median(seconds)
