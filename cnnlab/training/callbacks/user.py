"""Callbacks that an experiment names by their import path."""

import importlib
import inspect
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras

from cnnlab.errors import CnnlabError, ConfigError, TrainingError
from cnnlab.experiment.callbacks import Callback, UserCallback
from cnnlab.messages import did_you_mean
from cnnlab.runs import Run

Factory = Callable[[Run | None], keras.callbacks.Callback | None]
RUN = "{run}"
WRITERS = (
    keras.callbacks.CSVLogger,
    keras.callbacks.ModelCheckpoint,
    keras.callbacks.TensorBoard,
)
"""Keras's callbacks that write files: of several workers, only the chief's do."""


def factories(callbacks: Sequence[Callback]) -> list[Factory]:
    """What makes the user callbacks among `callbacks`, in their order; imports their modules.

    Raises ConfigError where a path leads to nothing that can be called.
    """
    return [
        _factory(f"train.callbacks[{index}].callback", spec)
        for index, spec in enumerate(callbacks)
        if isinstance(spec, UserCallback)
    ]


def make(made_by: Sequence[Factory], run: Run | None) -> list[keras.callbacks.Callback]:
    """The callbacks; of several workers, the chief alone has those of Keras that write files or that name `{run}`.

    Raises ConfigError where one cannot be made with its arguments, or is no callback of Keras.
    """
    callbacks = (factory(run) for factory in made_by)
    return [callback for callback in callbacks if callback and (run or not isinstance(callback, WRITERS))]


@contextmanager
def attributed_errors(callbacks: Sequence[keras.callbacks.Callback]) -> Iterator[None]:
    """Have an error that one of these raises become a TrainingError with its file and line."""
    files = {
        getattr(sys.modules.get(type(callback).__module__), "__file__", None): type(callback).__name__
        for callback in callbacks
    }
    try:
        yield
    except (CnnlabError, KeyboardInterrupt):
        raise
    except (Exception, SystemExit) as error:
        for frame in reversed(traceback.extract_tb(error.__traceback__)):
            if name := files.get(frame.filename):
                reason = " ".join(f"{type(error).__name__}: {error}".split())
                location = f"{Path(frame.filename).name}, line {frame.lineno}"
                raise TrainingError(f"train.callbacks: {name}: {reason} ({location})") from error
        raise


def _factory(key: str, spec: UserCallback) -> Factory:
    target = _find(f"{key}.path", spec.path)
    if target is keras.callbacks.BackupAndRestore:
        raise ConfigError(f"{key}.path: `cnnlab resume RUN` resumes an interrupted run; leave BackupAndRestore out")
    if isinstance(target, type) and not issubclass(target, keras.callbacks.Callback):
        raise ConfigError(f"{key}.path: {spec.path} is no keras.callbacks.Callback")
    try:
        inspect.signature(target).bind(**spec.arguments)
    except TypeError as error:
        raise ConfigError(f"{key}.arguments: {spec.path}: {error}") from None

    def make(run: Run | None) -> keras.callbacks.Callback | None:
        if run is None and RUN in json.dumps(spec.arguments):
            return None
        try:
            callback = target(**_with_run(spec.arguments, run))
        except Exception as error:
            raise ConfigError(f"{key}: {spec.path} cannot be made: {_describe(error)}") from error
        if not isinstance(callback, keras.callbacks.Callback):
            raise ConfigError(
                f"{key}.path: {spec.path} makes a {type(callback).__name__}; expected a keras.callbacks.Callback"
            )
        return callback

    return make


def _find(key: str, path: str) -> Callable[..., Any]:
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # last, so that no file there hides an installed package
    module_name, _, name = path.rpartition(".")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise ConfigError(f"{key}: importing {module_name} failed: {_describe(error)}") from error
        raise ConfigError(
            f"{key}: no module {error.name}; expected one in the working directory or an installed package"
        ) from None
    except Exception as error:
        raise ConfigError(f"{key}: importing {module_name} failed: {_describe(error)}") from error
    found = getattr(module, name, None)
    if not callable(found):
        names = [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]
        hint = "it is not a class or function" if hasattr(module, name) else did_you_mean(name, names)
        raise ConfigError(f"{key}: {module_name} has no callback {name}; {hint}")
    target: Callable[..., Any] = found
    return target


def _with_run(value: Any, run: Run | None) -> Any:
    """`value` with `{run}` replaced in every text of it."""
    if isinstance(value, str):
        return value.replace(RUN, str(run.path)) if run else value
    if isinstance(value, dict):
        return {key: _with_run(item, run) for key, item in value.items()}
    return [_with_run(item, run) for item in value] if isinstance(value, list) else value


def _describe(error: Exception) -> str:
    """`NameError: name 'x' is not defined (my_callbacks.py, line 3)`."""
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg} ({Path(error.filename or '').name}, line {error.lineno})"
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({Path(last.filename).name}, line {last.lineno})"
