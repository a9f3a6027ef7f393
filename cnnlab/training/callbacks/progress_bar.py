"""The progress bar of an epoch, and the table of epochs on the terminal."""

import time

import keras
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from cnnlab.training.callbacks.metrics_table import COLUMNS_OF_IMBALANCED, Logs, MetricsTable

WIDTHS = dict(zip(COLUMNS_OF_IMBALANCED, (5, 8, 8, 8, 12, 21, 13, 7), strict=True))


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
