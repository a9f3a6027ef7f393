"""The search space of a sweep: which experiments it may train, checked before any is."""

import itertools
import json
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cnnlab.config import yaml
from cnnlab.config.differences import short
from cnnlab.config.dimensions import Dimension, Point, is_inside, ordered
from cnnlab.config.files import Source
from cnnlab.config.lint import Finding, lint
from cnnlab.config.load import Config, changed, read
from cnnlab.config.overrides import Override, check_distinct
from cnnlab.config.schema_lookup import canonicalize, canonicalize_path
from cnnlab.config.space_rules import check_keys, check_trials, parse_search
from cnnlab.config.yaml import Document
from cnnlab.errors import ConfigError
from cnnlab.experiment.network import LayerError
from cnnlab.experiment.schema import Experiment
from cnnlab.experiment.search import Search
from cnnlab.experiment.summary import summarize_experiment
from cnnlab.messages import pluralize
from cnnlab.paths import parse_path

DEFAULT_TRIALS = 50
MOST_CORNERS = 1_000  # that are checked, some milliseconds each
MOST_SHOWN = 10  # problems
MOST_CHARACTERS = 60  # of a value in a message
MOST_POINTS = 100_000  # of a grid


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

    @property
    def size(self) -> int | None:
        """The number of combinations of values; None where a range is continuous."""
        if any(one.is_continuous for one in self.dimensions):
            return None
        return math.prod(one.count for one in self.dimensions)

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
            if one.is_continuous:
                raise ConfigError(
                    f"{one.place}: search.space.{one.key}: a grid needs single values, not a {one.values.kind} range; "
                    "list them, give a linear range a step, or choose another search.sampler"
                )
        count = self.size or 0
        if count > MOST_POINTS:
            raise ConfigError(
                f"{self.config.place(('search',))}: search: a grid of {count:,} combinations; expected at most "
                f"{MOST_POINTS:,}; choose another search.sampler, or fewer values"
            )
        yield from self._product([one.choices or [] for one in self.dimensions])

    def corners(self) -> list[dict[str, Any]]:
        """Every combination of choices and ends of ranges; where there are too many, every value and pair of values,
        and random ones."""
        extremes = [one.extremes for one in self.dimensions]
        if math.prod(map(len, extremes)) <= MOST_CORNERS:
            return list(self._product(extremes))
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

    def _product(self, values: Sequence[Sequence[Any]]) -> Iterator[dict[str, Any]]:
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
        config = self.config
        for stage in self._stages(self.overrides(point)):
            config = changed(config, stage)
        return config

    def _stages(self, overrides: Sequence[Override]) -> Iterator[list[Override]]:
        """Keys inside others come after those, whose values are then written out: `{dense: 10}` has its `units`."""
        inside = [one for one in overrides if any(is_inside(one.path, other.path) for other in overrides)]
        yield [one for one in overrides if one not in inside]
        if inside:
            yield from self._stages(inside)


def read_space(config: str | Source, changes: Sequence[Override] = (), searches: Sequence[str] = ()) -> Space:
    """The search space in a file, or that of `--search` options on an experiment. Raises ConfigError."""
    changes = [*changes, *map(parse_search, searches)]
    check_distinct(changes)
    loaded = read(config, changes)
    search = loaded.experiment.search
    if search is None:
        raise ConfigError(
            f"{loaded.path}: has no section `search`; add one, or name keys, such as "
            "--search train.optimizer.sgd.learning_rate=log:1e-3..1e-1"
        )
    base = replace(
        loaded,
        written=loaded.written.model_copy(update={"search": None}),
        experiment=loaded.experiment.model_copy(update={"search": None}),
    )
    dimensions = [
        Dimension(key, canonicalize_path(parse_path(key)), values, loaded.place(("search", "space", key)))
        for key, values in search.space.items()
    ]
    check_keys(dimensions)
    check_trials(base, search)
    return Space(base, search, ordered(dimensions))


def parameters(experiment: Experiment) -> int:
    """Of its network."""
    return summarize_experiment(experiment).cost.parameters


def cost(experiment: Experiment) -> tuple[int, int]:
    """Its parameters, and the multiplications of all epochs per example; (0, 0) where its layers do not fit."""
    try:
        found = summarize_experiment(experiment)
    except LayerError:
        return 0, 0
    return found.cost.parameters, found.training.multiplications * experiment.train.epochs


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
