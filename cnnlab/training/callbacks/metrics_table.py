"""The table of epochs, metrics.csv."""

import time
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from cnnlab.data import Dataset
from cnnlab.data.balance import is_imbalanced
from cnnlab.experiment.schedules import Monitor
from cnnlab.runs import Run

Logs = dict[str, Any] | None
COLUMNS = ("epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds")
BALANCED: Monitor = "val_balanced_accuracy"
COLUMNS_OF_IMBALANCED = (*COLUMNS[:5], BALANCED, *COLUMNS[5:])
UNMEASURED = ("learning_rate", "seconds")


def columns_for(dataset: Dataset, monitors: Sequence[Monitor]) -> tuple[str, ...]:
    """The table's columns: with the balanced accuracy where classes are unequal, or where it is monitored."""
    counts = np.bincount(dataset.train.labels, minlength=dataset.num_classes)
    is_shown = dataset.validation is not None and (BALANCED in monitors or is_imbalanced(counts))
    return COLUMNS_OF_IMBALANCED if is_shown else COLUMNS


class MetricsTable(keras.callbacks.Callback):
    """The table of epochs, written into the run's metrics.csv, if there is a run, after every one."""

    def __init__(self, run: Run | None, columns: Sequence[str] = COLUMNS) -> None:
        super().__init__()
        self._run, self.columns = run, tuple(columns)
        self._began = self._seconds = self._before = 0.0
        self.rows: list[dict[str, Any]] = []

    @property
    def seconds_so_far(self) -> float:
        """What the epoch's training pass has taken, with what it took before it was interrupted."""
        return self._seconds

    def restore(self, rows: Sequence[dict[str, Any]], seconds: float) -> None:
        """Continue a table, perhaps of fewer columns, in an epoch that has taken `seconds`."""
        self.rows[:] = [{column: row.get(column) for column in self.columns} for row in rows]
        self._before = seconds
        self._write()

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Start the clock."""
        self._began = time.perf_counter() - self._before
        self._seconds = self._before
        self._before = 0.0

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Read it: the last reading is that of the training pass, without validation."""
        self._seconds = time.perf_counter() - self._began

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Add the epoch's row; `epoch` counts from 0, in the table from 1."""
        row: dict[str, Any] = {"epoch": epoch + 1, **{column: (logs or {}).get(column) for column in self.columns[1:]}}
        row["learning_rate"] = float(str(np.float32(row["learning_rate"])))  # 0.1, not float32's 0.10000000149
        row["seconds"] = round(self._seconds, 3)
        self.rows.append(row)
        self._write()

    def _write(self) -> None:
        if self._run:
            self._run.write_metrics(self.rows, self.columns)
