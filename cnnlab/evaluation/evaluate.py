"""Measuring a run again, from nothing but its folder and the data."""

import math
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from cnnlab import data
from cnnlab.data import Dataset, Examples, fingerprint
from cnnlab.errors import RequestError, RunError
from cnnlab.evaluation.metrics import evaluation, prediction_rows
from cnnlab.models import weights
from cnnlab.models.build import build_for
from cnnlab.models.determinism import make_deterministic
from cnnlab.models.inference import Outcome, compile_forward
from cnnlab.runs import Run
from cnnlab.runs.record import RunRecord
from cnnlab.runs.recorded import BYTES, HEADERS, check_finished, experiment_of, parameters_of

TIMED_EXAMPLES, TIMED_REPETITIONS = 2560, 5


def evaluate(run: Run, split: str, *, figures: str | None = None) -> dict[str, Any]:
    """Rebuild the network from the run's config, read its weights, and measure them on a split of the same data.

    The result and a file of predictions go into the run's evaluation/ folder; so do `figures`, if wanted: png, svg or
    pdf. What is returned has also the paths of those, and `images_per_second` of the forward pass.
    Raises RunError where the run has no weights or the data are not those that it was trained on.
    """
    record = run.record()
    check_finished(record)
    experiment = experiment_of(run)
    parameters = parameters_of(run, experiment)
    arrays = weights.read(run.weights, 2 * BYTES * parameters + HEADERS)
    if parameters > 2 * (size := sum(array.size for array in arrays.values())):  # told before memory is taken for it
        raise RunError(f"{run.weights}: {size:,} weights; the network of config.yaml has {parameters:,}")
    dataset = data.load(experiment.data)
    check_same_data(record, dataset)
    splits = dataset.splits()
    if split not in splits:
        raise RequestError(f"--split {split}: this run held out no {split} examples; it has {' and '.join(splits)}")
    make_deterministic(experiment.seed)
    model = build_for(experiment, dataset)
    weights.assign(model, arrays, run.weights)
    forward = compile_forward(model, experiment.train.loss)
    outcome = forward(splits[split])
    if not math.isfinite(outcome.loss):
        raise RunError(f"{run.weights}: damaged: these weights give a loss of {outcome.loss}")
    if split == "test" or (split == "validation" and experiment.data.validation == "test"):
        run.record_test_use("evaluate")
    measured = keep(run, split, outcome, dataset)
    results = record.results
    if split == "test" and "test_accuracy" not in results:  # `train.test: never`; from now on it can be compared
        run.update({"results": {**results, "test_loss": outcome.loss, "test_accuracy": outcome.accuracy}})
    drawn = []
    if figures:
        from cnnlab.evaluation.figures import draw  # Matplotlib, which training needs not

        drawn = draw(run, measured, outcome, dataset, figures)
    return {
        **measured,
        "images_per_second": _throughput(forward, splits[split]),
        "pictures": [str(path) for path in drawn],
    }


def _throughput(forward: Callable[[Examples], Outcome], examples: Examples) -> float:
    """Pictures a second that go through the network, from memory to scores: the median of some repetitions."""
    part = examples.take(slice(0, TIMED_EXAMPLES))
    seconds = []
    for _ in range(TIMED_REPETITIONS):
        started = time.perf_counter()
        forward(part)
        seconds.append(time.perf_counter() - started)
    return len(part) / statistics.median(seconds)


def check_same_data(record: RunRecord, dataset: Dataset) -> None:
    """Raise RunError where `dataset` is not what the run was trained on, saying how it differs."""
    if found := fingerprint.differences(record.data.raw, fingerprint.record(dataset)):
        then, here = record.data.place, dataset.origin.place
        advice = "set CNNLAB_DATA_DIR to the data of the run" + (f", which were in {then}" if then else "")
        if then == here:
            advice = f"put those back into {then}"
        raise RunError(
            f"{record.run.path}: was trained on other examples of {dataset.name} than are here: {'; '.join(found)}; "
            f"{advice}"
        )


def keep(run: Run, split: str, outcome: Outcome, dataset: Dataset) -> dict[str, Any]:
    """Write what was measured into the run's evaluation/ folder, and return it."""
    measured = evaluation(split, outcome, dataset.class_names)
    files = dataset.splits()[split].files
    rows = prediction_rows(outcome, dataset.class_names, None if files is None else files.tolist())
    correct = np.packbits(outcome.predictions == outcome.labels).tobytes()
    run.write_evaluation(split, measured, rows, correct)
    return measured
