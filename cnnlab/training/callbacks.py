"""cnnlab's own callbacks: the table, the bar, the early stop."""

import time
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from cnnlab.data import Dataset
from cnnlab.data.balance import is_imbalanced
from cnnlab.experiment.callbacks import EarlyStopping
from cnnlab.experiment.schedules import Monitor
from cnnlab.runs import Run
from cnnlab.training.schedules import better

Logs = dict[str, Any] | None
COLUMNS = ("epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds")
BALANCED: Monitor = "val_balanced_accuracy"
COLUMNS_OF_IMBALANCED = (*COLUMNS[:5], BALANCED, *COLUMNS[5:])
WIDTHS = dict(zip(COLUMNS_OF_IMBALANCED, (5, 8, 8, 8, 12, 21, 13, 7), strict=True))
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
        """Go on with a table, perhaps one of fewer columns, in an epoch that has taken so many seconds."""
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

    def results(self, epoch: int) -> dict[str, Any]:
        """What `epoch`, counted from 1, came to."""
        return {column: value for column, value in self.rows[epoch - 1].items() if column not in UNMEASURED}

    def _write(self) -> None:
        if self._run:
            self._run.write_metrics(self.rows, self.columns)


class StopEarly(keras.callbacks.EarlyStopping):
    """Keras's early stopping, which also says in a line what it did."""

    def __init__(self, spec: EarlyStopping, console: Console | None) -> None:
        super().__init__(
            spec.monitor,
            min_delta=spec.min_delta,
            patience=spec.patience,
            mode=better(spec.monitor),
            restore_best_weights=spec.restore_best_weights,
        )
        self._console = console

    def on_train_end(self, logs: Logs = None) -> None:
        """Restore the weights if asked to."""
        super().on_train_end(logs)
        if self._console and self.stopped_epoch:
            kept = kept_epoch([self], self.stopped_epoch + 1)
            self._console.print(
                f"stopped early: {self.monitor} was best after epoch {self.best_epoch + 1}, and no better for "
                f"{self.patience} epochs; the weights are those of epoch {kept}"
            )


def kept_epoch(callbacks: Sequence[keras.callbacks.Callback], last: int) -> int:
    """The epoch, from 1, whose weights the network has after training that ended with the epoch `last`."""
    for callback in callbacks:
        if isinstance(callback, keras.callbacks.EarlyStopping) and callback.best_weights is not None:
            last = callback.best_epoch + 1
    return last


class ProgressReport(keras.callbacks.Callback):
    """A bar within the epoch, and the table's line after it."""

    def __init__(self, console: Console, table: MetricsTable, examples: int, batch_size: int) -> None:
        super().__init__()
        self._console, self._table = console, table
        self._total, self._batch_size = examples, batch_size
        self._started = 0.0
        self._bar = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(),
            TextColumn("{task.completed:,.0f}/{task.total:,}"),
            TextColumn("{task.fields[speed]}"),
            TextColumn("{task.fields[loss]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )

    def on_train_begin(self, logs: Logs = None) -> None:
        """Print the table's heading and start the bar."""
        self._console.print("  ".join(f"{name:>{WIDTHS[name]}}" for name in self._table.columns))
        self._task = self._bar.add_task("", total=self._total, epoch="", speed="", loss="")
        self._bar.start()

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Start the bar anew."""
        self._bar.reset(self._task, epoch=f"{epoch + 1}/{self.params['epochs']}", speed="", loss="")
        self._started = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Move the bar."""
        examples = min((batch + 1) * self._batch_size, self._total)
        speed = examples / (time.perf_counter() - self._started)
        loss = (logs or {})["loss"]
        self._bar.update(self._task, completed=examples, speed=f"{speed:,.0f} examples/s", loss=f"loss {loss:.4f}")

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Print the epoch's line."""
        row = self._table.rows[-1]
        self._console.print("  ".join(f"{_cell(name, value):>{WIDTHS[name]}}" for name, value in row.items()))

    def close(self) -> None:
        """Take the bar away, also when training ended early."""
        self._bar.stop()


def _cell(column: str, value: float | int | None) -> str:
    if value is None:
        return ""
    fraction = "{:.4f}" if abs(value) < 1000 else "{:.3g}"
    return {"epoch": "{}", "learning_rate": "{:.4g}", "seconds": "{:.2f}"}.get(column, fraction).format(value)
