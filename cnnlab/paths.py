"""Key paths in experiments: `('model', 'layers', 2, 'conv2d')`, written `model.layers[2].conv2d`."""

import re
from collections.abc import Sequence
from typing import Any

KeyPath = tuple[str | int, ...]
MAX_DEPTH = 50  # far deeper than any experiment
_STEP = re.compile(r"\[?(\d{1,6})\]?|([^.\[\]]+)")


def parse_path(key: str) -> KeyPath:
    """`model.layers[2].conv2d` as `('model', 'layers', 2, 'conv2d')`; empty for an invalid path."""
    steps = key.replace("[", ".[").split(".")
    matches = [_STEP.fullmatch(step) for step in steps]
    path = tuple(int(m[1]) if m[1] else m[2] for m in matches if m)
    return path if len(path) == len(steps) <= MAX_DEPTH else ()


def show_path(path: Sequence[str | int]) -> str:
    """`('model', 'layers', 2, 'conv2d')` as `model.layers[2].conv2d`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")


def value_at(data: Any, path: Sequence[str | int], default: Any = ...) -> Any:
    """The value at `path` in nested maps and lists, or the default. Raises KeyError without either."""
    for step in path:
        keys = data if isinstance(data, dict) else range(len(data)) if isinstance(data, list) else ()
        if step not in keys:
            if default is ...:
                raise KeyError(show_path(path))
            return default
        data = data[step]
    return data
