"""A run in one row of a table, and in full, from its files alone."""

from typing import Any

from cnnlab.runs import checkpoints
from cnnlab.runs.metrics import count_epochs
from cnnlab.runs.record import RunRecord
from cnnlab.runs.status import status_of
from cnnlab.terminal import proposed

COLUMNS = ("run", "status", "fold", "epoch", "epochs", "val_accuracy", "test_accuracy", "started", "seconds")
TRAINING = {"loss": "train_loss", "accuracy": "train_accuracy"}
"""The names in run.json of the results of the last training epoch, and the names that are shown."""


def overview(record: RunRecord) -> dict[str, Any]:
    """One row of `cnnlab runs list`; a missing value is None."""
    run, results, fold = record.run, record.results, record.experiment.fold
    at_end = record.status == "finished" and not record.stopped_early
    return {
        "run": str(run.path),
        "status": status_of(record),
        "fold": fold and f"{fold.number} of {fold.of}",
        "epoch": results.get("epoch") if at_end else count_epochs(run.metrics),
        "epochs": record.experiment.epochs,
        "val_accuracy": results.get("val_accuracy"),
        "test_accuracy": results.get("test_accuracy"),
        "started": record.started,
        "seconds": None if record.seconds is None else round(record.seconds, 1),
    }


def details(record: RunRecord) -> dict[str, Any]:
    """All of `overview` and of run.json, and the checkpoints, newest first.

    In `results`, the training pass is called `train_loss` and `train_accuracy`.
    """
    run, known = record.run, overview(record)
    recorded = {key: value for key, value in record.raw.items() if key not in known or key == "seconds"}
    if "results" in recorded:
        recorded["results"] = {TRAINING.get(key, key): value for key, value in record.results.items()}
    if known["status"] == "finished" and known["test_accuracy"] is None:
        recorded["test"] = f"never measured; {proposed('evaluate', run.path)} does it"
    return {**known, **recorded, "checkpoints": [str(position) for position in checkpoints.positions(run)]}


def notes(record: RunRecord) -> list[str]:
    """What a reader of the results should know, one sentence each."""
    epoch, monitor = record.results.get("epoch"), record.experiment.early_stopping_monitor
    if monitor is None or epoch is None:
        return []
    epochs, extreme = count_epochs(record.run.metrics), "a maximum" if "accuracy" in monitor else "a minimum"
    return [
        f"the results and weights are those of epoch {epoch}, the best of {epochs} by {monitor}: its {monitor} is "
        f"{extreme} over epochs, a little too good"
    ]
