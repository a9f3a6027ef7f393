"""Saving the state of a training."""

import time

import keras
import numpy as np

from cnnlab.experiment.schema import Train
from cnnlab.runs import Run, checkpoints
from cnnlab.training.callbacks import state as callback_states
from cnnlab.training.callbacks.metrics_table import MetricsTable
from cnnlab.training.engine.progress import START, Progress
from cnnlab.training.resume.checkpoint import Arrays, Callbacks, Checkpoint, State, variables_of


class CheckpointManager:
    """Saves the state of a training: the last finite one in memory and, where there is a run, on disk."""

    def __init__(
        self, model: keras.Model, settings: Train, table: MetricsTable, callbacks: Callbacks, run: Run | None
    ) -> None:
        self._model, self._settings = model, settings
        self._table, self._callbacks, self._run = table, callbacks, run
        self._written = time.monotonic()
        self.last: Checkpoint | None = None

    @property
    def should_save(self) -> bool:
        """Whether the last checkpoint on disk is older than the experiment allows."""
        return self._run is not None and time.monotonic() - self._written > 60 * self._settings.checkpoint_minutes

    def write_last(self) -> None:
        """Write the last saved state to disk, unless it is there."""
        if self._run and self.last and self.last.place not in checkpoints.positions(self._run):
            self._write(self._run, self.last)

    def save(self, epoch: int, progress: Progress = START, *, write: bool = True) -> None:
        """Save the state after `epoch` epochs and `progress` in the next one.

        Raises RunError where it cannot be written; earlier checkpoints are then unchanged.
        """
        arrays: Arrays = {
            name: keras.ops.convert_to_numpy(variable) for name, variable in variables_of(self._model).items()
        }
        stateful = callback_states.stateful(self._callbacks)
        for number, callback in enumerate(stateful):
            for index, weight in enumerate(getattr(callback, "best_weights", None) or []):
                arrays[f"best{number}/{index:04}"] = np.asarray(weight)
        state = State(
            epoch=epoch,
            step=progress.steps,
            examples=progress.examples,
            sums=list(progress.sums),
            seconds=self._table.seconds_so_far if progress.steps else 0.0,
            stopped=bool(self._model.stop_training and self._table.rows and not progress.steps),
            rows=[dict(row) for row in self._table.rows],
            callbacks=[callback_states.get_state(callback) for callback in stateful],
        )
        self.last = Checkpoint(state, arrays)
        if self._run and write:
            self._write(self._run, self.last)
            self._written = time.monotonic()

    def _write(self, run: Run, checkpoint: Checkpoint) -> None:
        content = checkpoint.state.model_dump()
        checkpoints.save(run, checkpoint.place, checkpoint.arrays, content, self._settings.keep)
