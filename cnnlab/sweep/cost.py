"""What a sweep costs, before it begins."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from cnnlab.config.space import DEFAULT_TRIALS, Space, cost
from cnnlab.jobs.cores import Shares
from cnnlab.messages import pluralize
from cnnlab.sweep.points import sample

SAMPLE = 64  # points of a space whose sampler learns


def describe_cost(
    space: Space, points: Sequence[Mapping[str, Any]] | None, shares: Shares, *, measure: bool
) -> Iterator[str]:
    """Lines about the trials, the parameters of their networks and, where it is measured, the time that they take."""
    search = space.search
    count = len(points) if points is not None else search.trials or DEFAULT_TRIALS
    fewer = ""
    if points is not None and search.trials is not None and count < search.trials:
        fewer = f", all that the space has (search.trials: {search.trials})"
    known = [space.experiment(point) for point in (points if points is not None else sample(space, SAMPLE))]
    costs = np.array([cost(experiment) for experiment in known], float).reshape(-1, 2)
    low, high = int(costs[:, 0].min()), int(costs[:, 0].max())
    size = f"{low:,} parameters" if low == high else f"{low:,} to {high:,} parameters"
    finals = search.finalists * search.seeds
    yield (
        f"{space.base.name}: {pluralize(count, 'trial')} by {search.sampler}{fewer}, networks of {size}; then "
        f"{pluralize(finals, 'run')} on fresh seeds"
    )
    if shares.text:
        yield shares.text
    if not measure:
        return
