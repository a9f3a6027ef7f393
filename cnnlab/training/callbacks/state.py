"""What callbacks remember of a training, so that it goes on as if it had never stopped."""

import json
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import keras
import numpy as np
from pydantic import BaseModel, ConfigDict, JsonValue

from cnnlab.errors import RunError, TrainingError

MOST = 1 << 20  # characters of JSON that a callback may remember

STATE_ATTRIBUTES: dict[type[keras.callbacks.Callback], tuple[str, ...]] = {
    keras.callbacks.EarlyStopping: ("wait", "stopped_epoch", "best", "best_epoch"),
    keras.callbacks.ReduceLROnPlateau: ("wait", "best", "cooldown_counter"),
    keras.callbacks.ModelCheckpoint: ("best",),
}
"""What Keras's callbacks forget when training begins anew."""


@runtime_checkable
class StatefulCallback(Protocol):
    """A callback, of a user's own too, that tells what it needs to go on."""

    def get_state(self) -> dict[str, Any]:
        """What JSON can say, after an epoch or a graph call."""

    def set_state(self, state: dict[str, Any]) -> None:
        """Take that up, after `on_train_begin`."""


class Kept(BaseModel):
    """A part of what a checkpoint says: its keys are known, its values of the stated type and finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Memory(Kept):
    """What one callback remembers; `callback` is the name of its class."""

    callback: str
    state: dict[str, JsonValue]


def remembering(callbacks: Sequence[keras.callbacks.Callback]) -> list[keras.callbacks.Callback]:
    """Those that remember something."""
    return [callback for callback in callbacks if isinstance(callback, StatefulCallback) or _names(callback)]


def of(callback: keras.callbacks.Callback) -> Memory:
    """What it remembers at this moment. Raises TrainingError where that is nothing that JSON can say."""
    if isinstance(callback, StatefulCallback):
        state = _told(callback)
    else:
        state = {name: _plain(getattr(callback, name)) for name in _names(callback)}
    return Memory(callback=type(callback).__name__, state=state)


def recall(callback: keras.callbacks.Callback, memory: Memory, epochs: int) -> None:
    """Have it go on with that, after so many epochs. Raises ValueError where it cannot."""
    state = dict(memory.state)
    if isinstance(callback, StatefulCallback):
        try:
            callback.set_state(state)
        except RunError:
            raise
        except Exception as error:
            raise ValueError(f"{memory.callback}.set_state: {type(error).__name__}: {error}") from error
        return
    names = _names(callback)
    if [*state] != [*names] or not all(_fits(name, state[name], epochs) for name in names):
        raise ValueError(f"that is not what {memory.callback} remembers")
    vars(callback).update(state)


def _names(callback: keras.callbacks.Callback) -> tuple[str, ...]:
    return next((names for kind, names in STATE_ATTRIBUTES.items() if isinstance(callback, kind)), ())


def _fits(name: str, value: Any, epochs: int) -> bool:
    """Whether a callback can have remembered it after so many epochs: the best value so far, or a count of epochs."""
    if name == "best":
        return value is None or isinstance(value, float)
    return type(value) is int and 0 <= value <= max(epochs, 1_000_000 if name == "cooldown_counter" else 0)


def _told(callback: StatefulCallback) -> dict[str, Any]:
    """What a callback tells of itself."""
    name = type(callback).__name__
    try:
        state = callback.get_state()
        text = json.dumps(state, allow_nan=False)
    except RunError:
        raise
    except Exception as error:
        raise TrainingError(f"{name}.get_state: {type(error).__name__}: {error}") from error
    if not isinstance(state, dict) or json.loads(text) != state:
        raise TrainingError(f"{name}.get_state: expected a map of what JSON can say, got {str(state)[:100]}")
    if len(text) > MOST:
        raise TrainingError(f"{name}.get_state: {len(text):,} characters; expected at most {MOST:,}")
    return state


def _plain(value: Any) -> Any:
    """A number as JSON has it: also infinity, which Keras begins with."""
    return value.item() if isinstance(value, np.generic) else value
