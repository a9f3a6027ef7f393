"""The state of callbacks, which a checkpoint saves and restores."""

import json
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import keras
import numpy as np
from pydantic import BaseModel, ConfigDict, JsonValue

from cnnlab.errors import RunError, TrainingError

MAX_CHARACTERS = 1 << 20  # of JSON, per callback

STATE_ATTRIBUTES: dict[type[keras.callbacks.Callback], tuple[str, ...]] = {
    keras.callbacks.EarlyStopping: ("wait", "stopped_epoch", "best", "best_epoch"),
    keras.callbacks.ReduceLROnPlateau: ("wait", "best", "cooldown_counter"),
    keras.callbacks.ModelCheckpoint: ("best",),
}
"""The attributes that Keras's callbacks reset in `on_train_begin`."""


@runtime_checkable
class StatefulCallback(Protocol):
    """A callback, a user's too, that has a state to save."""

    def get_state(self) -> dict[str, Any]:
        """A map that JSON can represent, after an epoch or a graph call."""

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore it, after `on_train_begin`."""


class CheckpointPart(BaseModel):
    """A part of a checkpoint's JSON: only known keys, values of the stated types, finite numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class CallbackState(CheckpointPart):
    """The state of one callback; `callback` is the name of its class."""

    callback: str
    state: dict[str, JsonValue]


def stateful(callbacks: Sequence[keras.callbacks.Callback]) -> list[keras.callbacks.Callback]:
    """The callbacks that have a state."""
    return [callback for callback in callbacks if isinstance(callback, StatefulCallback) or _names(callback)]


def get_state(callback: keras.callbacks.Callback) -> CallbackState:
    """Its present state. Raises TrainingError where JSON cannot represent that."""
    if isinstance(callback, StatefulCallback):
        state = _user_state(callback)
    else:
        state = {name: _plain(getattr(callback, name)) for name in _names(callback)}
    return CallbackState(callback=type(callback).__name__, state=state)


def set_state(callback: keras.callbacks.Callback, saved: CallbackState, epochs: int) -> None:
    """Restore the state of after so many epochs. Raises ValueError where it cannot be that."""
    state = dict(saved.state)
    if isinstance(callback, StatefulCallback):
        try:
            callback.set_state(state)
        except RunError:
            raise
        except Exception as error:
            raise ValueError(f"{saved.callback}.set_state: {type(error).__name__}: {error}") from error
        return
    names = _names(callback)
    if [*state] != [*names] or not all(_fits(name, state[name], epochs) for name in names):
        raise ValueError(f"not a state of {saved.callback}")
    vars(callback).update(state)


def _names(callback: keras.callbacks.Callback) -> tuple[str, ...]:
    return next((names for kind, names in STATE_ATTRIBUTES.items() if isinstance(callback, kind)), ())


def _fits(name: str, value: Any, epochs: int) -> bool:
    """Whether it can be that attribute after so many epochs: the best value so far, or a count of epochs."""
    if name == "best":
        return value is None or isinstance(value, float)
    return type(value) is int and 0 <= value <= max(epochs, 1_000_000 if name == "cooldown_counter" else 0)


def _user_state(callback: StatefulCallback) -> dict[str, Any]:
    """What `get_state` returns, checked."""
    name = type(callback).__name__
    try:
        state = callback.get_state()
        text = json.dumps(state, allow_nan=False)
    except RunError:
        raise
    except Exception as error:
        raise TrainingError(f"{name}.get_state: {type(error).__name__}: {error}") from error
    if not isinstance(state, dict) or json.loads(text) != state:
        raise TrainingError(f"{name}.get_state: expected a map that JSON can represent, got {str(state)[:100]}")
    if len(text) > MAX_CHARACTERS:
        raise TrainingError(f"{name}.get_state: {len(text):,} characters; expected at most {MAX_CHARACTERS:,}")
    return state


def _plain(value: Any) -> Any:
    """A NumPy number as a Python one; Keras begins with infinity."""
    return value.item() if isinstance(value, np.generic) else value
