"""What there is to say of a run at a glance, and at a second one. From its files alone."""

from collections.abc import Mapping
from typing import Any

from cnnlab.runs import checkpoints
from cnnlab.runs.folder import Run
from cnnlab.runs.status import epochs_done, status_of
from cnnlab.terminal import proposed

COLUMNS = ("run", "status", "epoch", "epochs", "val_accuracy", "test_accuracy", "started", "seconds")
TRAINING = {"loss": "train_loss", "accuracy": "train_accuracy"}
"""What run.json calls the last epoch's training pass, and what readers see, beside `val_…` and `test_…`."""


def overview(run: Run, record: Mapping[str, Any]) -> dict[str, Any]:
    """A row: `epoch` of `epochs` are done; what a run does not have is None."""
    results = _results(record)
    finished = record["status"] == "finished"
    seconds = record.get("seconds")
    return {
        "run": str(run.path),
        "status": status_of(run, record),
        "epoch": results.get("epoch") if finished and not stopped_early(record) else epochs_done(run),
        "epochs": epochs_of(record),
        "val_accuracy": results.get("val_accuracy"),
        "test_accuracy": results.get("test_accuracy"),
        "started": record.get("started"),
        "seconds": None if seconds is None else round(seconds, 1),
    }


def details(run: Run, record: Mapping[str, Any]) -> dict[str, Any]:
    """All of `overview`, what run.json says, and the checkpoints, the newest first.

    In `results`, the training pass is called `train_loss` and `train_accuracy`.
    """
    known = overview(run, record)
    said = {key: record[key] for key in record if key not in known or key == "seconds"}
    if isinstance(record.get("results"), dict):
        said["results"] = {TRAINING.get(key, key): value for key, value in record["results"].items()}
    if known["status"] == "finished" and known["test_accuracy"] is None:
        said["test"] = f"never measured; {proposed('evaluate', run.path)} does it"
    return {**known, **said, "checkpoints": [str(place) for place in checkpoints.places(run)]}


def remarks(run: Run, record: Mapping[str, Any]) -> list[str]:
    """What a reader of the results should know, a sentence each."""
    epoch, monitor = _results(record).get("epoch"), chosen_epoch(record.get("experiment"))
    if monitor is None or epoch is None:
        return []
    return [
        f"the results and weights are those of epoch {epoch}, the best of {epochs_done(run)} by {monitor}: its own "
        f"{monitor} is {'a maximum' if 'accuracy' in monitor else 'a minimum'} over epochs, a little too good"
    ]


def chosen_epoch(experiment: Any) -> str | None:
    """The column by which early stopping chose the epoch whose weights and results a run has; None: the last one."""
    train = experiment.get("train") if isinstance(experiment, Mapping) else None
    callbacks = train.get("callbacks") if isinstance(train, dict) else None
    for callback in callbacks if isinstance(callbacks, list) else []:
        options = callback.get("early_stopping") if isinstance(callback, dict) else None
        if isinstance(options, dict) and options.get("restore_best_weights"):
            return str(options.get("monitor"))
    return None


def _results(record: Mapping[str, Any]) -> dict[str, Any]:
    results = record.get("results")
    return results if isinstance(results, dict) else {}


def epochs_of(record: Mapping[str, Any]) -> int | None:
    """How many epochs the run is to have."""
    train = record.get("experiment", {}).get("train")
    epochs = train.get("epochs") if isinstance(train, dict) else None
    return epochs if isinstance(epochs, int) else None


def stopped_early(record: Mapping[str, Any]) -> bool:
    """Whether a callback ended the training before its last epoch."""
    return bool(record.get("stopped_early"))
