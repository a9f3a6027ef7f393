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
    def is_continuous(self) -> bool:
        """Whether it has infinitely many values."""
        return self.values.kind == "log" or (self.values.kind == "linear" and self.values.step is None)

    @property
    def count(self) -> int:
        """The number of values, if they are not infinitely many."""
        if self.values.kind == "choice":
            return len(self.values.choice or ())
        low, high = self.values.ends
        return math.floor((high - low) / (self.values.step or 1) + 1e-9) + 1

    def value(self, index: int) -> Any:
        """One of its values in order, from 0, if they are not infinitely many."""
        if self.values.kind == "choice":
            return (self.values.choice or [])[index]
        value = self.values.ends[0] + index * (self.values.step or 1)
        return float(f"{value:.12g}") if self.values.kind == "linear" else int(value)

    @property
    def choices(self) -> list[Any] | None:
        """All values, in order; None of a continuous range."""
        return None if self.is_continuous else [self.value(index) for index in range(self.count)]

    @property
    def extremes(self) -> list[Any]:
        """All choices, or the ends of a range."""
        if self.values.kind == "choice":
            return list(self.values.choice or ())
        if self.is_continuous:
            return list(self.values.ends)
        return [self.value(index) for index in dict.fromkeys((0, self.count - 1))]

    def at(self, fraction: float) -> Any:
        """The value below which this fraction of the probability is, in [0, 1)."""
        low, high = self.values.ends if self.values.kind != "choice" else (0, 0)
        if self.values.kind == "log":
            return low * (high / low) ** fraction
        if self.values.kind == "log_integer":
            low, high = low - 0.5, high + 0.5  # each integer with its surroundings
            return min(round(low * (high / low) ** fraction), int(high))
        if self.is_continuous:
            return low + fraction * (high - low)
        return self.value(min(int(fraction * self.count), self.count - 1))

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
