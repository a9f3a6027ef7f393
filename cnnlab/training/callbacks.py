"""What happens at the ends of epochs: the table, the bar, and the stop when the loss is no number any more."""

import math
import time
from typing import Any

import keras
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from cnnlab.errors import TrainingError
from cnnlab.runs import Run

Logs = dict[str, Any] | None
COLUMNS = ("epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds")
WIDTHS = dict(zip(COLUMNS, (5, 8, 8, 8, 12, 13, 7), strict=True))


def table_row(epoch: int, logs: dict[str, Any]) -> dict[str, Any]:
    """A row of metrics.csv from what Keras's callbacks hear; `epoch` counts from 0 there and from 1 in the table."""
    row: dict[str, Any] = {"epoch": epoch + 1, **{column: logs.get(column) for column in COLUMNS[1:]}}
    row["learning_rate"] = float(str(np.float32(row["learning_rate"])))  # 0.1, not float32's 0.10000000149
    row["seconds"] = round(row["seconds"], 3)
    return row


class MetricsTable(keras.callbacks.Callback):
    """Writes the run's metrics.csv anew after every epoch."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        self._run = run
        self.rows: list[dict[str, Any]] = []

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Add the epoch's row."""
        self.rows.append(table_row(epoch, logs or {}))
        self._run.write_metrics(self.rows, COLUMNS)

    def last(self) -> dict[str, Any]:
        """What the last epoch came to."""
        return {column: self.rows[-1][column] for column in COLUMNS[:5]}


class StopWhenDiverged(keras.callbacks.Callback):
    """Ends training with a TrainingError as soon as the loss is NaN or infinite."""

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Check the mean loss of the epoch so far; `batch` counts steps from 0."""
        loss = (logs or {})["loss"]
        if not math.isfinite(loss):
            rate = float(self.model.optimizer.learning_rate)
            kind = self.model.optimizer.name.lower()
            raise TrainingError(
                f"diverged: the loss became {loss} by step {batch + 1} at learning rate {rate:.3g}; "
                f"try a smaller one, such as --set train.optimizer.{kind}.learning_rate={rate / 10:.3g}"
            )


class ProgressReport(keras.callbacks.Callback):
    """A bar within the epoch, and a line of the table after it."""

    def __init__(self, console: Console, examples_per_epoch: int) -> None:
        super().__init__()
        self._console = console
        self._total = examples_per_epoch
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
        self._console.print("  ".join(f"{name:>{width}}" for name, width in WIDTHS.items()))
        self._task = self._bar.add_task("", total=self._total, epoch="", speed="", loss="")
        self._bar.start()

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Start the bar anew."""
        self._bar.reset(self._task, epoch=f"{epoch + 1}/{self.params['epochs']}", speed="", loss="")
        self._started = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Move the bar."""
        logs = logs or {}
        speed = logs["examples"] / (time.perf_counter() - self._started)
        self._bar.update(
            self._task, completed=logs["examples"], speed=f"{speed:,.0f} examples/s", loss=f"loss {logs['loss']:.4f}"
        )

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Print the epoch's line."""
        row = table_row(epoch, logs or {})
        self._console.print("  ".join(f"{_cell(name, row[name]):>{width}}" for name, width in WIDTHS.items()))

    def close(self) -> None:
        """Take the bar away, also when training ended early."""
        self._bar.stop()


def _cell(column: str, value: float | int | None) -> str:
    if value is None:
        return ""
    return {"epoch": "{}", "learning_rate": "{:.4g}", "seconds": "{:.2f}"}.get(column, "{:.4f}").format(value)
