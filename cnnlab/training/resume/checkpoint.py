"""The state of a training: all that it needs to go on from where it is as if it had never stopped.

Every variable of the network (also the state of its dropout) and of the optimizer (its slots, its count of steps, the
learning rate, the scale of the loss), what the callbacks remember, the table, and how far the epoch is. The order of
the examples and augmentation depend on seed and epoch alone.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from cnnlab.errors import RunError
from cnnlab.experiment.schema import Experiment, Train
from cnnlab.runs import Run, checkpoints
from cnnlab.runs.checkpoints import Place
from cnnlab.runs.recorded import BYTES, HEADERS, parameters_of
from cnnlab.training.callbacks import state as memories
from cnnlab.training.callbacks.metrics_table import COLUMNS, COLUMNS_OF_IMBALANCED, MetricsTable
from cnnlab.training.callbacks.state import Kept, Memory
from cnnlab.training.engine.progress import START, Progress

Callbacks = Sequence[keras.callbacks.Callback]
Arrays = dict[str, NDArray[Any]]


class State(Kept):
    """What a checkpoint says besides its arrays."""

    epoch: int = Field(ge=0)
    step: int = Field(0, ge=0)
    examples: int = Field(0, ge=0)
    sums: list[float] = Field([0.0, 0.0], min_length=2, max_length=2)
    seconds: float = Field(0.0, ge=0)
    stopped: bool = False
    rows: list[dict[str, float | int | None]]
    callbacks: list[Memory]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if [row.get("epoch") for row in self.rows] != [*range(1, len(self.rows) + 1)] or len(self.rows) != self.epoch:
            raise PydanticCustomError("misfit", f"the table is not that of {self.epoch} epochs")
        if {tuple(row) for row in self.rows} not in (set(), {COLUMNS}, {COLUMNS_OF_IMBALANCED}):
            raise PydanticCustomError("misfit", "the table has other columns")
        if not 0 <= self.sums[1] <= self.examples or (self.stopped and not self.rows):
            raise PydanticCustomError("misfit", "its parts contradict each other")
        return self


@dataclass(frozen=True)
class Checkpoint:
    """The state after `state.epoch` whole epochs and `state.step` steps of the next one."""

    state: State
    arrays: Arrays
    path: Path | None = None

    @property
    def place(self) -> Place:
        """How far the training is."""
        return Place(self.state.epoch, self.state.step)

    @property
    def progress(self) -> Progress:
        """How far the epoch is."""
        first, second = self.state.sums
        return Progress(self.state.step, self.state.examples, (first, second)) if self.state.step else START

    def restore(self, model: keras.Model, callbacks: Callbacks, table: MetricsTable, *, is_chief: bool = True) -> None:
        """Bring a network that is built, and callbacks after `on_train_begin`, to this state.

        Of several workers the chief alone has the callbacks that write files. Raises RunError where it is the state of
        another network or of other callbacks.
        """
        self.restore_variables(model)
        table.restore(self.state.rows, self.state.seconds)
        waiting = memories.remembering(callbacks)
        for number, memory in enumerate(self.state.callbacks):
            if not (waiting and memory.callback == type(waiting[0]).__name__):
                if not is_chief:
                    continue
                raise RunError(f"{self.path}: is not of the callbacks in config.yaml; undo what was changed there")
            callback = waiting.pop(0)
            try:
                memories.recall(callback, memory, self.state.epoch)
            except ValueError as error:
                raise RunError(f"{self.path}: damaged: {error}") from error
            best = [array for name, array in sorted(self.arrays.items()) if name.startswith(f"best{number}/")]
            if best and [array.shape for array in best] != [tuple(weight.shape) for weight in model.weights]:
                raise RunError(f"{self.path}: damaged: its best weights are of another network")
            if best:
                callback.best_weights = best
        if waiting:
            raise RunError(f"{self.path}: is not of the callbacks in config.yaml; undo what was changed there")

    def check_fits(self, experiment: Experiment, size: int, steps: int) -> None:
        """Raise RunError where it cannot be of this experiment, of `size` examples in `steps` steps an epoch."""
        state = self.state
        examples = min(state.step * experiment.train.batch_size, size)
        if (
            state.epoch + (state.step > 0) > experiment.train.epochs
            or state.step >= steps
            or state.examples != examples
        ):
            raise RunError(f"{self.path}: damaged: there is no such step in the experiment of config.yaml")

    def restore_variables(self, model: keras.Model) -> None:
        """Bring the network and its optimizer to this state. Raises RunError where it is that of another network."""
        variables = variables_of(model)
        if {name: (str(variable.dtype), tuple(variable.shape)) for name, variable in variables.items()} != {
            name: (str(array.dtype), array.shape) for name, array in self.arrays.items() if not name.startswith("best")
        }:
            raise RunError(f"{self.path}: is not of the network in config.yaml; undo what was changed there")
        for name, variable in variables.items():
            variable.assign(self.arrays[name])


class CheckpointManager:
    """Keeps the last state that was good: in memory and, where there is a run, on disk."""

    def __init__(
        self, model: keras.Model, settings: Train, table: MetricsTable, callbacks: Callbacks, run: Run | None
    ) -> None:
        self._model, self._settings = model, settings
        self._table, self._callbacks, self._run = table, callbacks, run
        self._written = time.monotonic()
        self.last: Checkpoint | None = None

    @property
    def is_due(self) -> bool:
        """Whether the last one on disk is older than the experiment allows."""
        return self._run is not None and time.monotonic() - self._written > 60 * self._settings.checkpoint_minutes

    def write_last(self) -> None:
        """Have the last good state on disk, if it is not there yet."""
        last = self.last
        if self._run and last and last.place not in checkpoints.places(self._run):
            checkpoints.save(self._run, last.place, last.arrays, last.state.model_dump(), self._settings.keep)

    def keep(self, epoch: int, progress: Progress = START, *, write: bool = True) -> None:
        """Keep the state after `epoch` whole epochs and `progress` in the next.

        Raises RunError where it cannot be written; the checkpoint before is then the last.
        """
        arrays: Arrays = {
            name: keras.ops.convert_to_numpy(variable) for name, variable in variables_of(self._model).items()
        }
        for number, callback in enumerate(memories.remembering(self._callbacks)):
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
            callbacks=[memories.of(callback) for callback in memories.remembering(self._callbacks)],
        )
        self.last = Checkpoint(state, arrays)
        if self._run and write:
            checkpoints.save(self._run, self.last.place, arrays, state.model_dump(), self._settings.keep)
            self._written = time.monotonic()


def load(run: Run, experiment: Experiment, *, set_aside: bool = True) -> Checkpoint | None:
    """The newest checkpoint of `run` that is whole; None where there is none.

    Raises RunError where one is whole and yet not of cnnlab.
    """
    # Slots of the optimizer, and best weights that callbacks keep: with room to spare.
    copies = 4 + len(experiment.train.callbacks)
    rows = 1000 * experiment.train.epochs
    most = 2 * BYTES * copies * parameters_of(run, experiment) + rows + HEADERS
    found = checkpoints.newest(run, most, set_aside=set_aside)
    if found is None:
        return None
    path, said, arrays = found
    try:
        state = State.model_validate(said)
    except ValidationError as error:
        first = error.errors()[0]
        place = f"{'.'.join(map(str, first['loc']))}: " if first["loc"] else ""
        raise RunError(f"{path}: damaged: {place}{first['msg']}") from None
    return Checkpoint(state, arrays, path)


def variables_of(model: keras.Model) -> dict[str, keras.Variable]:
    """Every variable by a name that is the same in every process."""
    variables = {f"{layer.name}/{variable.name}": variable for layer in model.layers for variable in layer.variables}
    for number, variable in enumerate(model.optimizer.variables):
        variables[f"optimizer/{number:04}/{variable.name}"] = variable
    return variables
