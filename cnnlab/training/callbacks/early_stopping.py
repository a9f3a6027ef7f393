"""Ending a training early: without improvement, or at a target."""

from collections.abc import Sequence

import keras
from rich.console import Console

from cnnlab.experiment.callbacks import EarlyStopping, StopAt
from cnnlab.models.averages import averaged_weights
from cnnlab.training.callbacks.metrics_table import Logs
from cnnlab.training.callbacks.schedules import better


class ReportingEarlyStopping(keras.callbacks.EarlyStopping):
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

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Remember the best weights as they were measured: their averages, where the optimizer keeps those."""
        with averaged_weights(self.model):
            super().on_epoch_end(epoch, logs)

    def on_train_end(self, logs: Logs = None) -> None:
        """Restore the weights if asked to."""
        super().on_train_end(logs)
        if self._console and self.stopped_epoch:
            restored = restored_epoch([self], self.stopped_epoch + 1)
            self._console.print(
                f"stopped early: {self.monitor} was best after epoch {self.best_epoch + 1}, and no better for "
                f"{self.patience} epochs; the weights are those of epoch {restored}"
            )


class TargetStopping(keras.callbacks.Callback):
    """Stops training when the monitored value reaches the target, and says so in a line."""

    def __init__(self, spec: StopAt, console: Console | None) -> None:
        super().__init__()
        self._spec, self._console = spec, console

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Stop where the target is reached."""
        value = (logs or {})[self._spec.monitor]
        reached = value >= self._spec.value if better(self._spec.monitor) == "max" else value <= self._spec.value
        if not reached:
            return
        self.model.stop_training = True
        if self._console:
            self._console.print(f"{self._spec.monitor} reached {self._spec.value:g} in epoch {epoch + 1}: {value:.4f}")


def restored_epoch(callbacks: Sequence[keras.callbacks.Callback], last: int) -> int:
    """The epoch, from 1, whose weights the network has after training that ended with the epoch `last`."""
    for callback in callbacks:
        if isinstance(callback, keras.callbacks.EarlyStopping) and callback.best_weights is not None:
            last = callback.best_epoch + 1
    return last
