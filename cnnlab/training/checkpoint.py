"""The state of a training: all that it needs to go on from where it is as if it had never stopped.

Every variable of the network (also the state of its dropout) and of the optimizer (its slots, its count of steps, the
learning rate, the scale of the loss), what the callbacks remember, the table, and how far the epoch is. The order of
the examples and augmentation depend on seed and epoch alone.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self, runtime_checkable

import keras
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, JsonValue, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from cnnlab.analysis.recorded import BYTES, HEADERS, parameters_of
from cnnlab.errors import RunError, TrainingError
from cnnlab.experiment.choice import Strict
from cnnlab.experiment.schema import Experiment, Train
from cnnlab.runs import Run, checkpoints
from cnnlab.runs.checkpoints import Place
from cnnlab.training.callbacks import COLUMNS, MetricsTable
from cnnlab.training.progress import START, Progress

REMEMBERED: dict[type[keras.callbacks.Callback], tuple[str, ...]] = {
    keras.callbacks.EarlyStopping: ("wait", "stopped_epoch", "best", "best_epoch"),
    keras.callbacks.ReduceLROnPlateau: ("wait", "best", "cooldown_counter"),
    keras.callbacks.ModelCheckpoint: ("best",),
}
"""What Keras's callbacks forget when training begins anew."""
Callbacks = Sequence[keras.callbacks.Callback]
Arrays = dict[str, NDArray[Any]]


@runtime_checkable
class Remembering(Protocol):
    """A callback, of a user's own too, that tells what it needs to go on."""

    def get_state(self) -> dict[str, Any]:
        """What JSON can say, after an epoch or a graph call."""

    def set_state(self, state: dict[str, Any]) -> None:
        """Take that up, after `on_train_begin`."""


class State(Strict):
    """What a checkpoint says besides its arrays."""

    epoch: int = Field(ge=0)
    step: int = Field(0, ge=0)
    examples: int = Field(0, ge=0)
    sums: list[float] = Field([0.0, 0.0], min_length=2, max_length=2)
    seconds: float = Field(0.0, ge=0)
    stopped: bool = False
    rows: list[dict[str, float | int | None]]
    callbacks: list[dict[str, JsonValue]]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if [row.get("epoch") for row in self.rows] != [*range(1, len(self.rows) + 1)] or len(self.rows) != self.epoch:
            raise PydanticCustomError("misfit", f"the table is not that of {self.epoch} epochs")
        if any(list(row) != list(COLUMNS) for row in self.rows):
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

    def restore(self, model: keras.Model, callbacks: Callbacks, table: MetricsTable) -> None:
        """Bring a network that is built, and callbacks after `on_train_begin`, to this state.

        Raises RunError where it is that of another network.
        """
        self.restore_variables(model)
        table.restore(self.state.rows, self.state.seconds)
        remembering = _remembering(callbacks)
        if len(remembering) != len(self.state.callbacks):
            raise RunError(f"{self.path}: is not of the callbacks in config.yaml; undo what was changed there")
        for number, (callback, memory) in enumerate(zip(remembering, self.state.callbacks, strict=True)):
            if isinstance(callback, Remembering):
                self._set_state(callback, memory)
                continue
            names = _names(callback)
            if [*memory] != [*names] or not all(_fits(name, memory[name], self.state.epoch) for name in names):
                raise RunError(f"{self.path}: damaged: that is not what {type(callback).__name__} remembers")
            vars(callback).update(memory)
            best = [array for name, array in sorted(self.arrays.items()) if name.startswith(f"best{number}/")]
            if best and [array.shape for array in best] != [tuple(weight.shape) for weight in model.weights]:
                raise RunError(f"{self.path}: damaged: its best weights are of another network")
            if best:
                callback.best_weights = best

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

    def _set_state(self, callback: Remembering, memory: dict[str, Any]) -> None:
        name = type(callback).__name__
        try:
            callback.set_state(dict(memory))
        except RunError:
            raise
        except Exception as error:
            raise RunError(f"{self.path}: {name} cannot take up its state: {type(error).__name__}: {error}") from error

    def restore_variables(self, model: keras.Model) -> None:
        """Bring the network and its optimizer to this state. Raises RunError where it is that of another network."""
        variables = variables_of(model)
        if {name: (str(variable.dtype), tuple(variable.shape)) for name, variable in variables.items()} != {
            name: (str(array.dtype), array.shape) for name, array in self.arrays.items() if not name.startswith("best")
        }:
            raise RunError(f"{self.path}: is not of the network in config.yaml; undo what was changed there")
        for name, variable in variables.items():
            variable.assign(self.arrays[name])


class Keeper:
    """Keeps the last state that was good: in memory and, where there is a run, on disk."""

    def __init__(
        self, model: keras.Model, settings: Train, table: MetricsTable, callbacks: Callbacks, run: Run | None
    ) -> None:
        self._model, self._settings = model, settings
        self._table, self._callbacks, self._run = table, callbacks, run
        self._written = time.monotonic()
        self.last: Checkpoint | None = None
        self.seconds: list[float] = []
        """What each keeping took."""

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
        started = time.perf_counter()
        arrays: Arrays = {name: np.asarray(variable) for name, variable in variables_of(self._model).items()}
        memories = []
        for number, callback in enumerate(_remembering(self._callbacks)):
            if isinstance(callback, Remembering):
                memories.append(_state_of(callback))
                continue
            memories.append({name: _plain(getattr(callback, name)) for name in _names(callback)})
            for index, weight in enumerate(getattr(callback, "best_weights", None) or []):
                arrays[f"best{number}/{index:04}"] = np.asarray(weight)
        state = State(
            epoch=epoch,
            step=progress.steps,
            examples=progress.examples,
            sums=list(progress.sums),
            seconds=self._table.seconds_so_far if progress.steps else 0.0,
            stopped=bool(self._model.stop_training),
            rows=[dict(row) for row in self._table.rows],
            callbacks=memories,
        )
        self.last = Checkpoint(state, arrays)
        if self._run and write:
            checkpoints.save(self._run, self.last.place, arrays, state.model_dump(), self._settings.keep)
            self._written = time.monotonic()
        self.seconds.append(time.perf_counter() - started)


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


def _remembering(callbacks: Callbacks) -> list[keras.callbacks.Callback]:
    return [callback for callback in callbacks if isinstance(callback, Remembering) or _names(callback)]


def _names(callback: keras.callbacks.Callback) -> tuple[str, ...]:
    return next((names for kind, names in REMEMBERED.items() if isinstance(callback, kind)), ())


def _fits(name: str, value: Any, epochs: int) -> bool:
    """Whether a callback can have remembered it after so many epochs: the best value so far, or a count of epochs."""
    if name == "best":
        return value is None or isinstance(value, float)
    return type(value) is int and 0 <= value <= max(epochs, 1_000_000 if name == "cooldown_counter" else 0)


def _state_of(callback: Remembering) -> dict[str, Any]:
    """What it tells; raises TrainingError where that is nothing that JSON can say."""
    name = type(callback).__name__
    try:
        state = callback.get_state()
        told = json.loads(json.dumps(state, allow_nan=False))
    except RunError:
        raise
    except Exception as error:
        raise TrainingError(f"{name}.get_state: {type(error).__name__}: {error}") from error
    if not isinstance(state, dict) or told != state:
        raise TrainingError(f"{name}.get_state: expected a map of what JSON can say, got {str(state)[:100]}")
    return state


def _plain(value: Any) -> Any:
    """A number as JSON has it: also infinity, which Keras begins with."""
    return value.item() if isinstance(value, np.generic) else value
