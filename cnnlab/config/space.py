"""The search space of a sweep: which experiments it may train, checked before any is."""

import itertools
import json
import math
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cnnlab.config import yaml
from cnnlab.config.differences import short
from cnnlab.config.files import Source
from cnnlab.config.lint import Finding, lint
from cnnlab.config.load import Config, changed, read
from cnnlab.config.overrides import Override
from cnnlab.config.schema_lookup import canonicalize, canonicalize_path
from cnnlab.config.yaml import Document
from cnnlab.errors import ConfigError
from cnnlab.experiment.network import LayerError
from cnnlab.experiment.schema import Experiment
from cnnlab.experiment.search import RANGES, Search, Values
from cnnlab.experiment.summary import summarize
from cnnlab.messages import did_you_mean, join_names, pluralize
from cnnlab.paths import KeyPath, parse_path

Point = Mapping[str, Any]
"""A value for each key of a space that applies."""

DEFAULT_TRIALS = 50
MOST_CORNERS = 1_000  # that are checked, some milliseconds each
MOST_SHOWN = 10  # problems
MOST_CHARACTERS = 60  # of a value in a message
MOST_POINTS = 100_000  # of a grid
UNSEARCHABLE = {
    "name": "names the sweep",
    "seed": "is chance, of which finalists get fresh seeds",
    "published": "changes no number",
    "search": "is the search itself",
    "data": "decides by which examples trials are compared",
    "train.test": "trials leave the test set alone",
    "train.devices": "is set up once per process",
    "train.threads": "is set up once per process",
}
_RANGE = re.compile(rf"(?:({'|'.join(RANGES)}):)?([^:|]+?)\.\.([^:|]+?)(?::([^:|]+))?")


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
            if key not in point or not any(_is(point[key], one) for one in _listed(wanted)):
                return False
        for other in dimensions:
            rest = self.path[len(other.path) :]
            is_inside = rest and self.path[: len(other.path)] == other.path
            if is_inside and (other.key not in point or not _has(point[other.key], rest)):
                return False
        return True


@dataclass(frozen=True)
class Space:
    """An experiment, and the keys of it that are searched, each after those that it depends on."""

    config: Config
    search: Search
    dimensions: Sequence[Dimension]

    @property
    def base(self) -> Experiment:
        """The experiment without a search."""
        return self.config.experiment

    def overrides(self, point: Point) -> list[Override]:
        """What a point changes."""
        return [
            Override(one.path, canonicalize(Document(point[one.key]), one.path).data, one.place)
            for one in self.dimensions
            if one.key in point
        ]

    def experiment(self, point: Point) -> Experiment:
        """The experiment at a point. Raises ConfigError where it is none, or an error of lint."""
        config = self._checked(point)
        problems = [str(finding) for finding in lint(config) if finding.is_error]
        if problems:
            raise ConfigError(*(f"{problem} (where {self.describe(point)})" for problem in problems))
        return config.experiment

    def fits(self, experiment: Experiment) -> bool:
        """Whether it has no more than `search.max_parameters`."""
        most = self.search.max_parameters
        return most is None or parameters(experiment) <= most

    def complete(self, choose: Mapping[str, Any]) -> dict[str, Any]:
        """Of values for all keys, those of the keys that apply."""
        point: dict[str, Any] = {}
        for one in self.dimensions:
            if one.applies(point, self.dimensions):
                point[one.key] = choose[one.key]
        return point

    def describe(self, point: Point) -> str:
        """`batch_size=32, optimizer=adam`: keys by as much of their names as distinguishes them."""
        names = dict(
            zip((one.key for one in self.dimensions), short([one.key for one in self.dimensions]), strict=True)
        )
        return ", ".join(f"{names[key]}={_brief(value)}" for key, value in point.items())

    def grid(self) -> Iterator[dict[str, Any]]:
        """Every combination of values, once. Raises ConfigError where a range is continuous, or there are too many."""
        for one in self.dimensions:
            if one.choices is None:
                raise ConfigError(
                    f"{one.place}: search.space.{one.key}: a grid needs single values, not a {one.values.kind} range; "
                    "list them, give a linear range a step, or choose another search.sampler"
                )
        yield from self._product([one.choices or [] for one in self.dimensions], "a grid of")

    def corners(self) -> list[dict[str, Any]]:
        """Every combination of choices and ends of ranges; where there are too many, every value and pair of values,
        and random ones."""
        extremes = [one.extremes for one in self.dimensions]
        if math.prod(map(len, extremes)) <= MOST_CORNERS:
            return list(self._product(extremes, ""))
        chance = random.Random(0)
        first = [values[0] for values in extremes]
        tried = [dict.fromkeys(()), *self._variations(first, extremes)]
        while len(tried) < MOST_CORNERS:
            tried.append(self._point([chance.choice(values) for values in extremes]))
        unique = {_identity(point): point for point in tried[:MOST_CORNERS] if point}
        return list(unique.values())

    @property
    def has_unchecked_corners(self) -> bool:
        """Whether `corners` are not all."""
        return math.prod(len(one.extremes) for one in self.dimensions) > MOST_CORNERS

    def _variations(self, first: list[Any], extremes: Sequence[Sequence[Any]]) -> Iterator[dict[str, Any]]:
        for count in (1, 2):
            for indices in itertools.combinations(range(len(extremes)), count):
                for values in itertools.product(*(extremes[index] for index in indices)):
                    varied = list(first)
                    for index, value in zip(indices, values, strict=True):
                        varied[index] = value
                    yield self._point(varied)

    def _point(self, values: Sequence[Any]) -> dict[str, Any]:
        return self.complete({one.key: value for one, value in zip(self.dimensions, values, strict=True)})

    def _product(self, values: Sequence[Sequence[Any]], what: str) -> Iterator[dict[str, Any]]:
        count = math.prod(map(len, values))
        if count > MOST_POINTS:
            raise ConfigError(
                f"{self.config.place(('search',))}: search: {what} {count:,} combinations; expected at most "
                f"{MOST_POINTS:,}; choose another search.sampler, or fewer values"
            )
        seen = set()
        for combination in itertools.product(*values):
            point = self._point(combination)
            if (identity := _identity(point)) not in seen:
                seen.add(identity)
                yield point

    def check(self) -> list[str]:
        """Check the corners, and return warnings. Raises ConfigError with what is wrong in some."""
        problems: dict[str, list[Point]] = {}
        warnings: dict[str, list[Point]] = {}
        fitting = 0
        corners = self.corners()
        for point in corners:
            try:
                config = self._checked(point)
            except ConfigError as error:
                for problem in error.problems:
                    problems.setdefault(problem, []).append(point)
                continue
            findings: list[Finding] = lint(config)
            for finding in findings:
                (problems if finding.is_error else warnings).setdefault(str(finding), []).append(point)
            fitting += not any(finding.is_error for finding in findings) and self.fits(config.experiment)
        if problems:
            raise ConfigError(*self._with_corners(problems, len(corners)))
        if not fitting:
            raise ConfigError(
                f"{self.config.place(('search', 'max_parameters'))}: search.max_parameters: no network at an end of "
                f"the ranges has at most {self.search.max_parameters:,} parameters; raise it, or widen the ranges"
            )
        return self._with_corners(warnings, len(corners))

    def _with_corners(self, found: Mapping[str, Sequence[Point]], corners: int) -> list[str]:
        lines = [
            text if len(points) == corners else f"{text} (where {self.describe(_shared(points))})"
            for text, points in itertools.islice(found.items(), MOST_SHOWN)
        ]
        if len(found) > MOST_SHOWN:
            lines.append(f"{self.config.path}: and {pluralize(len(found) - MOST_SHOWN, 'problem')} more")
        return lines

    def _checked(self, point: Point) -> Config:
        return changed(self.config, self.overrides(point))


def read_space(config: str | Source, changes: Sequence[Override] = (), searches: Sequence[str] = ()) -> Space:
    """The search space in a file, or that of `--search` options on an experiment. Raises ConfigError."""
    loaded = read(config, [*changes, *map(parse_search, searches)])
    search = loaded.experiment.search
    if search is None:
        raise ConfigError(
            f"{loaded.path}: has no section `search`; add one, or name keys, such as "
            "--search train.optimizer.sgd.learning_rate=log:1e-3..1e-1"
        )
    base = replace(loaded, experiment=loaded.experiment.model_copy(update={"search": None}))
    dimensions = [
        Dimension(key, canonicalize_path(parse_path(key)), values, loaded.place(("search", "space", key)))
        for key, values in search.space.items()
    ]
    _check_keys(dimensions)
    _check_validation(base, search)
    return Space(base, search, _ordered(dimensions))


def parse_search(text: str) -> Override:
    """The override that `--search TEXT` asks for: `KEY=log:1e-4..1e-1`, `KEY=integer:4..32:4` or `KEY=32|64|128`."""
    option = f"--search {text}"
    key, separator, values = text.partition("=")
    if not separator or not key or not values:
        raise ConfigError(f"{option}: expected KEY=VALUES, such as train.batch_size=32|64|128")

    def value(part: str) -> Any:
        return yaml.parse(part.strip(), option).data

    if match := _RANGE.fullmatch(values.strip()):
        ends = [value(match[2]), value(match[3])]
        kind = match[1] or ("integer" if all(isinstance(end, int) for end in ends) else "linear")
        given: dict[str, Any] = {kind: ends, **({"step": value(match[4])} if match[4] else {})}
    elif ".." in values and "|" not in values:
        raise ConfigError(f"{option}: expected a range such as log:1e-4..1e-1 or integer:4..32:4, got '{values}'")
    else:
        given = {"choice": [value(part) for part in values.split("|")]}
    return Override(("search", "space", key), given, option)


def parameters(experiment: Experiment) -> int:
    """Of its network."""
    return summarize(experiment.model.layers, experiment.input_shape).cost.parameters


def cost(experiment: Experiment) -> tuple[int, int]:
    """Its parameters, and the multiplications of all epochs per example; (0, 0) where its layers do not fit."""
    try:
        found = summarize(experiment.model.layers, experiment.input_shape)
    except LayerError:
        return 0, 0
    return found.cost.parameters, found.training.multiplications * experiment.train.epochs


def _check_keys(dimensions: Sequence[Dimension]) -> None:
    problems = []
    keys = [one.key for one in dimensions]
    for one in dimensions:
        name = f"{one.place}: search.space.{one.key}"
        if not one.path:
            problems.append(f"{name}: expected a key such as train.batch_size or model.layers[0].conv2d.filters")
            continue
        for fixed, why in UNSEARCHABLE.items():
            if one.path[: len(parse_path(fixed))] == parse_path(fixed):
                problems.append(f"{name}: cannot be searched: {fixed} {why}")
        if (twins := [other.key for other in dimensions if other.path == one.path]) and twins[0] != one.key:
            problems.append(f"{name}: is the same key as {twins[0]}; keep one")
        for key in one.values.when:
            if key not in keys:
                problems.append(f"{name}: when: {key}: no such key in the space; {did_you_mean(key, keys)}")
            elif key == one.key:
                problems.append(f"{name}: when: cannot depend on itself")
            elif wanted := [
                value
                for value in _listed(one.values.when[key])
                if not any(_is(choice, value) for choice in dimensions[keys.index(key)].choices or ())
            ]:
                problems.append(f"{name}: when: {key} never is {_brief(wanted[0])}; expected one of its values")
    if problems:
        raise ConfigError(*problems)


def _check_validation(config: Config, search: Search) -> None:
    data = config.experiment.data
    place = config.place(("data", "validation"))
    if data.validation == "test":
        raise ConfigError(
            f"{place}: data.validation: test: trials would be chosen by the test set; hold out training examples, "
            "such as --set data.validation=0.1"
        )
    if data.holds_out_nothing():
        raise ConfigError(
            f"{place}: data.validation: no examples are held out, by which trials are compared; set it, such as "
            "--set data.validation=0.1"
        )
    if search.metric == "val_loss" and any(key.startswith("train.loss") for key in search.space):
        raise ConfigError(
            f"{config.place(('search', 'metric'))}: search.metric: val_loss of different losses are not on one scale; "
            "expected val_accuracy"
        )


def _ordered(dimensions: Sequence[Dimension]) -> list[Dimension]:
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
    is_inside = len(one.path) > len(other.path) and one.path[: len(other.path)] == other.path
    return is_inside or other.key in one.values.when


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _is(value: Any, wanted: Any) -> bool:
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


def _shared(points: Sequence[Point]) -> Point:
    """The part of the first point that all have."""
    first = points[0]
    same = {key: value for key, value in first.items() if all(point.get(key) == value for point in points)}
    return same or first


def _brief(value: Any) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else yaml.dump_inline(value)
    return text if len(text) <= MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 3]}..."


def _identity(point: Point) -> str:
    return json.dumps(point, sort_keys=True)
