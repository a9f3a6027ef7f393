"""The state of a training: all that it needs to continue as if it had never stopped.

Every variable of the network (also the state of its dropout) and of the optimizer (its slots, its count of steps, the
learning rate, the scale of the loss), what the callbacks remember, the table, and how far the epoch is. The order of
the examples and augmentation depend on seed and epoch alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import keras
from numpy.typing import NDArray
from pydantic import Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from cnnlab.errors import RunError
from cnnlab.experiment.schema import Experiment
from cnnlab.models.weights import layers_of
from cnnlab.runs import Run, checkpoints
from cnnlab.runs.checkpoints import Position
from cnnlab.runs.experiment import BYTES, HEADERS, parameters_of
from cnnlab.training.callbacks import state as callback_states
from cnnlab.training.callbacks.metrics_table import COLUMNS, COLUMNS_OF_IMBALANCED, MetricsTable
from cnnlab.training.callbacks.state import CallbackState, CheckpointPart
from cnnlab.training.engine.progress import START, Progress

Callbacks = Sequence[keras.callbacks.Callback]
Arrays = dict[str, NDArray[Any]]


class State(CheckpointPart):
    """What a checkpoint holds besides arrays."""

    epoch: int = Field(ge=0)
    step: int = Field(0, ge=0)
    examples: int = Field(0, ge=0)
    sums: list[float] = Field([0.0, 0.0], min_length=2, max_length=2)
    seconds: float = Field(0.0, ge=0)
    stopped: bool = False
    rows: list[dict[str, float | int | None]]
    callbacks: list[CallbackState]

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
    def place(self) -> Position:
        """How far the training is."""
        return Position(self.state.epoch, self.state.step)

    @property
    def progress(self) -> Progress:
        """How far the epoch is."""
        first, second = self.state.sums
        return Progress(self.state.step, self.state.examples, (first, second)) if self.state.step else START

    @property
    def seconds(self) -> float:
        """The training time of its whole epochs."""
        return sum(row["seconds"] or 0.0 for row in self.state.rows)

    def restore(self, model: keras.Model, callbacks: Callbacks, table: MetricsTable, *, is_chief: bool = True) -> None:
        """Bring a network that is built, and callbacks after `on_train_begin`, to this state.

        Of several workers the chief alone has the callbacks that write files. Raises RunError where it is the state of
        another network or of other callbacks.
        """
        self.restore_variables(model)
        table.restore(self.state.rows, self.state.seconds)
        waiting = callback_states.stateful(callbacks)
        for number, saved in enumerate(self.state.callbacks):
            if not (waiting and saved.callback == type(waiting[0]).__name__):
                if not is_chief:
                    continue
                raise RunError(f"{self.path}: its callbacks are not those of config.yaml; undo the change there")
            callback = waiting.pop(0)
            try:
                callback_states.set_state(callback, saved, self.state.epoch)
            except ValueError as error:
                raise RunError(f"{self.path}: damaged: {error}") from error
            best = [array for name, array in sorted(self.arrays.items()) if name.startswith(f"best{number}/")]
            if best and [array.shape for array in best] != [tuple(weight.shape) for weight in model.weights]:
                raise RunError(f"{self.path}: damaged: its best weights are of another network")
            if best:
                callback.best_weights = best
        if waiting:
            raise RunError(f"{self.path}: its callbacks are not those of config.yaml; undo the change there")

    def check_fits(self, experiment: Experiment, size: int, steps: int) -> None:
        """Raise RunError where it cannot be of this experiment, of `size` examples in `steps` steps an epoch."""
        state = self.state
        examples = min(state.step * experiment.train.batch_size, size)
        if (
            state.epoch + (state.step > 0) > experiment.train.epochs
            or state.step >= steps
            or state.examples != examples
        ):
            raise RunError(f"{self.path}: damaged: the experiment of config.yaml has no such step")

    def restore_variables(self, model: keras.Model) -> None:
        """Bring the network and its optimizer to this state. Raises RunError where it is that of another network."""
        variables = variables_of(model)
        if {name: (str(variable.dtype), tuple(variable.shape)) for name, variable in variables.items()} != {
            name: (str(array.dtype), array.shape) for name, array in self.arrays.items() if not name.startswith("best")
        }:
            raise RunError(f"{self.path}: its network is not that of config.yaml; undo the change there")
        for name, variable in variables.items():
            variable.assign(self.arrays[name])


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
    path, content, arrays = found
    try:
        state = State.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = f"{'.'.join(map(str, first['loc']))}: " if first["loc"] else ""
        raise RunError(f"{path}: damaged: {place}{first['msg']}") from None
    return Checkpoint(state, arrays, path)


def variables_of(model: keras.Model) -> dict[str, keras.Variable]:
    """Every variable by a name that is the same in every process."""
    layers = layers_of(model)
    variables = {f"{name}/{variable.name}": variable for name, layer in layers for variable in layer.variables}
    for number, variable in enumerate(model.optimizer.variables):
        variables[f"optimizer/{number:04}/{variable.name}"] = variable
    return variables
