"""The points of samplers that do not learn: known before the first trial, whoever trains them."""

import json
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from cnnlab.config.space import DEFAULT_TRIALS, Space
from cnnlab.errors import ConfigError

MOST_ENUMERATED = 20_000  # points of a space
DRAWS_PER_TRIAL = 200  # after which a space is taken to have no more points


def fixed_points(space: Space) -> list[dict[str, Any]] | None:
    """The points of all trials, each once, without those that are too large; None where the sampler learns.

    A space that has no more points than `search.trials` is tried completely. Raises ConfigError where it has none.
    """
    search = space.search
    wanted = search.trials or DEFAULT_TRIALS
    is_small = space.size is not None and space.size <= MOST_ENUMERATED
    every = list(space.grid()) if is_small or search.sampler == "grid" else None
    if search.sampler == "grid" and every is not None:
        points = _fitting(space, every)[: search.trials]
    elif search.sampler in ("tpe", "cmaes"):
        if every is None or len(every) > wanted:
            return None
        points = _fitting(space, every)
    else:
        most = wanted if every is None else min(wanted, len(every))
        points = _distinct(space, _unit_cube(search.sampler, len(space.dimensions), search.seed), most)
        if every is not None and len(points) < most:  # what chance has not drawn; fewer points are the first of more
            points += [point for point in _fitting(space, every) if point not in points][: most - len(points)]
    if not points:
        raise ConfigError(
            f"{space.config.place(('search', 'max_parameters'))}: search.max_parameters: no network that was tried has "
            f"at most {search.max_parameters:,} parameters; raise it, or widen the ranges"
        )
    return points


def _fitting(space: Space, points: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [point for point in points if space.fits(space.experiment(point))]


def _distinct(space: Space, draws: Iterator[list[float]], wanted: int) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for draw, _ in zip(draws, range(DRAWS_PER_TRIAL * wanted), strict=False):
        values = {one.key: one.at(fraction) for one, fraction in zip(space.dimensions, draw, strict=True)}
        point = space.complete(values)
        identity = json.dumps(point, sort_keys=True)
        if identity not in found and space.fits(space.experiment(point)):
            found[identity] = point
            if len(found) == wanted:
                break
    return list(found.values())


def _unit_cube(sampler: str, dimensions: int, seed: int) -> Iterator[list[float]]:
    """Points in [0, 1) of so many dimensions, without end."""
    if sampler == "random":
        chance = np.random.default_rng(seed)
        while True:
            yield chance.random(dimensions).tolist()
    from scipy.stats import qmc

    sequence = qmc.Sobol(dimensions, rng=np.random.default_rng(seed))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that its first points are balanced in powers of two only
        while True:
            yield sequence.random(1)[0].tolist()


def sample(space: Space, count: int) -> list[dict[str, Any]]:
    """Random points of the space, for an estimate; fewer where it is small."""
    draws = _unit_cube("random", len(space.dimensions), 0)
    return _distinct(space, draws, count)
