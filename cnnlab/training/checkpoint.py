"""What a run needs to go on after its last whole epoch, in one file of numbers.

checkpoints/last.safetensors holds every variable of the network (also the state of its dropout) and of the optimizer,
and as text the epoch, the table so far and what the callbacks remember. The order of the examples and augmentation
depend on the epoch alone, so that a resumed run has the numbers of one that was not interrupted.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from cnnlab.errors import RunError
from cnnlab.runs import Run, files
from cnnlab.training.callbacks import MetricsTable

REMEMBERED: dict[type[keras.callbacks.Callback], tuple[str, ...]] = {
    keras.callbacks.EarlyStopping: ("wait", "stopped_epoch", "best", "best_epoch"),
    keras.callbacks.ReduceLROnPlateau: ("wait", "best", "cooldown_counter"),
}
"""What Keras's callbacks forget when training begins anew."""
Callbacks = Sequence[keras.callbacks.Callback]


@dataclass(frozen=True)
class Checkpoint:
    """The state after `epoch` whole epochs; `stopped` tells whether a callback ended the training there."""

    path: Path
    epoch: int
    stopped: bool
    rows: list[dict[str, Any]]
    memories: list[dict[str, Any]]
    arrays: dict[str, NDArray[Any]]

    def restore(self, model: keras.Model, callbacks: Callbacks, table: MetricsTable) -> None:
        """Bring a network that is built, and callbacks after `on_train_begin`, to this state.

        Raises RunError where it is that of another network.
        """
        variables = _variables(model)
        if {name: variable.shape for name, variable in variables.items()} != {
            name: array.shape for name, array in self.arrays.items() if not name.startswith("best")
        }:
            raise RunError(f"{self.path}: is not of the network in config.yaml; undo what was changed there")
        for name, variable in variables.items():
            variable.assign(self.arrays[name])
        table.rows[:] = self.rows
        for number, (callback, memory) in enumerate(zip(_remembering(callbacks), self.memories, strict=True)):
            vars(callback).update(memory)
            best = [array for name, array in self.arrays.items() if name.startswith(f"best{number}/")]
            if best:
                callback.best_weights = best


class KeepCheckpoint(keras.callbacks.Callback):
    """Writes the checkpoint after every epoch, when all `callbacks` have done theirs."""

    def __init__(self, run: Run, table: MetricsTable, callbacks: Callbacks) -> None:
        super().__init__()
        self._run, self._table, self._callbacks = run, table, callbacks

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Write it."""
        arrays = {name: np.asarray(variable) for name, variable in _variables(self.model).items()}
        memories = []
        for number, callback in enumerate(_remembering(self._callbacks)):
            memories.append({name: _plain(getattr(callback, name)) for name in _names(callback)})
            for index, weight in enumerate(getattr(callback, "best_weights", None) or []):
                arrays[f"best{number}/{index:04}"] = np.asarray(weight)
        stopped = bool(self.model.stop_training)
        state = {"epoch": epoch + 1, "stopped": stopped, "rows": self._table.rows, "callbacks": memories}
        text = {"state": json.dumps(state)}
        files.write(self._run.checkpoint, lambda path: path.write_bytes(safetensors.numpy.save(arrays, text)))


def load(run: Run) -> Checkpoint:
    """The last checkpoint of `run`. Raises RunError where there is none, or none that can be read."""
    path = run.checkpoint
    try:
        with safetensors.safe_open(path, "numpy") as file:
            state = json.loads(file.metadata()["state"])
            arrays = {name: file.get_tensor(name) for name in sorted(file.keys())}
        return Checkpoint(
            path, int(state["epoch"]), bool(state["stopped"]), list(state["rows"]), list(state["callbacks"]), arrays
        )
    except FileNotFoundError:
        raise RunError(f"{run.path}: has no checkpoint: it ended before its first epoch did; train it again") from None
    except (OSError, safetensors.SafetensorError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise RunError(f"{path}: damaged: {error}") from None


def _variables(model: keras.Model) -> dict[str, keras.Variable]:
    """Every variable by a name that is the same in every process."""
    variables = {f"{layer.name}/{variable.name}": variable for layer in model.layers for variable in layer.variables}
    for number, variable in enumerate(model.optimizer.variables):
        variables[f"optimizer/{number:04}/{variable.name}"] = variable
    return variables


def _remembering(callbacks: Callbacks) -> list[keras.callbacks.Callback]:
    return [callback for callback in callbacks if _names(callback)]


def _names(callback: keras.callbacks.Callback) -> tuple[str, ...]:
    return next((names for kind, names in REMEMBERED.items() if isinstance(callback, kind)), ())


def _plain(value: Any) -> Any:
    """A number as JSON has it: also infinity, which Keras begins with."""
    return value.item() if isinstance(value, np.generic) else value
