"""The keys that a search varies: their values, and where they apply."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cnnlab.errors import ConfigError
from cnnlab.experiment.search import Values
from cnnlab.messages import join_names
from cnnlab.paths import KeyPath

Point = Mapping[str, Any]
"""A value for each key of a space that applies."""


@dataclass(frozen=True)
class Dimension:
    """A key of the experiment, the values that it may have, and where they are given."""

    key: str
    path: KeyPath
    values: Values
    place: str

    @property
    def choices(self) -> list[Any] | None:
        """All values, in order; None of a continuous range."""
        values = self.values
        if values.kind == "choice":
            return list(values.choice or ())
        low, high = values.ends
        if values.kind == "log_integer":
            return list(range(int(low), int(high) + 1))
        if values.kind == "integer":
            return list(range(int(low), int(high) + 1, int(values.step or 1)))
        if values.kind == "linear" and values.step is not None:
            count = math.floor((high - low) / values.step + 1e-9) + 1
            return [float(f"{low + index * values.step:.12g}") for index in range(count)]
        return None

    @property
    def extremes(self) -> list[Any]:
        """All choices, or the ends of a range."""
        if self.values.kind == "choice":
            return list(self.values.choice or ())
        values = self.choices or self.values.ends
        return [values[0], values[-1]] if values[0] != values[-1] else [values[0]]

    def at(self, fraction: float) -> Any:
        """The value below which this fraction of the probability is, in [0, 1)."""
        if self.values.kind.startswith("log"):
            low, high = self.values.ends
            if self.values.kind == "log":
                return low * (high / low) ** fraction
            low, high = low - 0.5, high + 0.5  # each integer with its surroundings
            return min(round(low * (high / low) ** fraction), int(high))
        if (choices := self.choices) is not None:
            return choices[min(int(fraction * len(choices)), len(choices) - 1)]
        low, high = self.values.ends
        return low + fraction * (high - low)

    def applies(self, point: Point, dimensions: Sequence["Dimension"]) -> bool:
        """Whether the key exists, and is asked for, where the dimensions before it have the values of `point`."""
        for key, wanted in self.values.when.items():
            if key not in point or not any(is_value(point[key], one) for one in listed(wanted)):
                return False
        for other in dimensions:
            rest = self.path[len(other.path) :]
            if is_inside(self.path, other.path) and (other.key not in point or not _has(point[other.key], rest)):
                return False
        return True


def ordered(dimensions: Sequence[Dimension]) -> list[Dimension]:
    """Each after those that it depends on. Raises ConfigError for a circle."""
    ordered: list[Dimension] = []
    left = list(dimensions)
    while left:
        ready = [one for one in left if not any(_depends(one, other) for other in left if other is not one)]
        if not ready:
            keys = join_names(one.key for one in left)
            raise ConfigError(f"{left[0].place}: search.space: {keys} depend on one another (`when`)")
        ordered.append(ready[0])
        left.remove(ready[0])
    return ordered


def _depends(one: Dimension, other: Dimension) -> bool:
    return is_inside(one.path, other.path) or other.key in one.values.when


def is_inside(path: KeyPath, other: KeyPath) -> bool:
    """Whether a key is part of another one's value."""
    return len(path) > len(other) and path[: len(other)] == other


def listed(value: Any) -> list[Any]:
    """A value, or the values of a list."""
    return value if isinstance(value, list) else [value]


def is_value(value: Any, wanted: Any) -> bool:
    """Whether a value is the wanted one, or of the kind that it names."""
    return value == wanted or (isinstance(value, dict) and list(value) == [wanted])


def _has(value: Any, path: KeyPath) -> bool:
    """Whether a value of a key can have what is at `path` inside it: `adam` has `adam.beta_1`."""
    if not path or value is None:
        return not path
    step, rest = path[0], path[1:]
    if isinstance(value, str):
        return value == step
    if isinstance(value, list):
        return isinstance(step, int) and step < len(value) and _has(value[step], rest)
    if isinstance(value, dict):
        if step in value:
            return not rest or _has(value[step], rest) or isinstance(value[step], dict)
        return len(value) != 1 or next(iter(value)) == step
    return True
