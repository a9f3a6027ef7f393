"""What there is to say of a run at a glance, and at a second one. From its files alone."""

from collections.abc import Mapping
from typing import Any

from cnnlab.runs import checkpoints
from cnnlab.runs.folder import Run
from cnnlab.runs.status import epochs_done, status_of
from cnnlab.terminal import proposed

COLUMNS = ("run", "status", "epoch", "epochs", "val_accuracy", "accuracy", "started", "seconds")


def overview(run: Run, record: Mapping[str, Any]) -> dict[str, Any]:
    """A row: `epoch` of `epochs` are done; `accuracy` is on the test set; what a run does not have is None."""
    results = record.get("results", {})
    finished = record["status"] == "finished"
    seconds = record.get("seconds")
    return {
        "run": str(run.path),
        "status": status_of(run, record),
        "epoch": results.get("epoch") if finished and not stopped_early(record) else epochs_done(run),
        "epochs": epochs_of(record),
        "val_accuracy": results.get("val_accuracy"),
        "accuracy": results.get("test_accuracy"),
        "started": record.get("started"),
        "seconds": None if seconds is None else round(seconds, 1),
    }


def details(run: Run, record: Mapping[str, Any]) -> dict[str, Any]:
    """All of `overview`, what run.json says, and the checkpoints, the newest first."""
    known = overview(run, record)
    found: dict[str, Any] = {"checkpoints": [str(place) for place in checkpoints.places(run)]}
    if known["status"] == "finished" and known["accuracy"] is None:
        found["test"] = f"never measured; {proposed('evaluate', run.path)} does it"
    return {**known, **{key: record[key] for key in record if key not in known or key == "seconds"}, **found}


def epochs_of(record: Mapping[str, Any]) -> int | None:
    """How many epochs the run is to have."""
    train = record.get("experiment", {}).get("train")
    epochs = train.get("epochs") if isinstance(train, dict) else None
    return epochs if isinstance(epochs, int) else None


def stopped_early(record: Mapping[str, Any]) -> bool:
    """Whether a callback ended the training before its last epoch."""
    return bool(record.get("stopped_early"))
