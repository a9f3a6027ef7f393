"""What a sweep costs, before it begins."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from cnnlab import memory
from cnnlab.config.space import DEFAULT_TRIALS, Space, cost
from cnnlab.experiment.schema import Experiment
from cnnlab.jobs.cores import Shares
from cnnlab.jobs.measure import Speed, measure
from cnnlab.messages import pluralize
from cnnlab.quantities import rounded_time
from cnnlab.sweep.points import sample

BYTES = 16  # of a weight, its gradient and the two slots of Adam
SAMPLE = 64  # points that stand for all


def describe_cost(
    space: Space, points: Sequence[Mapping[str, Any]] | None, shares: Shares, *, measures: bool
) -> Iterator[str]:
    """Lines about the trials, the parameters of their networks and, where it is measured, the time that they take."""
    search = space.search
    count = len(points) if points is not None else search.trials or DEFAULT_TRIALS
    fewer = ""
    if points is not None and search.trials is not None and count < search.trials:
        fewer = f", all that the space has (search.trials: {search.trials})"
    every = points if points is not None else sample(space, SAMPLE)
    known = [space.experiment(point) for point in every[:: max(1, len(every) // SAMPLE)]]
    sizes = [cost(experiment)[0] for experiment in known]
    low, high = min(sizes), max(sizes)
    size = f"{low:,} parameters" if low == high else f"{low:,} to {high:,} parameters"
    finals = min(search.finalists, count) * search.seeds
    then = f"; then {pluralize(finals, 'run')} on fresh seeds" if finals else ""
    yield f"{space.base.name}: {pluralize(count, 'trial')} by {search.sampler}{fewer}, networks of {size}{then}"
    if shares.text:
        yield shares.text
    if measures and (seconds := _seconds(known, shares)) is not None:
        jobs = len(shares.variables)
        total = (float(np.mean(seconds)) * count + float(np.mean(seconds)) * finals) / jobs
        least, most = rounded_time(float(seconds.min())), rounded_time(float(seconds.max()))
        each = least if least == most else f"{least} to {most}"
        yield f"measured: a trial takes about {each}; all together about {rounded_time(total)}" + (
            "" if search.pruner == "none" else ", less what is pruned"
        )


def _seconds(experiments: Sequence[Experiment], shares: Shares) -> Any:
    """The seconds that each takes, (experiments,), from measuring the one of the fewest and of the most products.

    None where these cannot be trained, or have no room in memory.
    """
    room = memory.available()
    if room is not None and max(BYTES * cost(experiment)[0] for experiment in experiments) > room:
        return None
    works = np.array([cost(experiment)[1] / experiment.train.epochs for experiment in experiments], float)
    epochs = np.array([experiment.train.epochs for experiment in experiments], float)
    ends = dict.fromkeys([int(works.argmin()), int(works.argmax())])
    speeds: list[Speed] = measure([experiments[index] for index in ends], shares)
    if len(speeds) < len(ends):
        return None
    known = [works[index] for index in ends]
    start = np.mean([speed.start for speed in speeds])
    return start + epochs * np.interp(works, known, [speed.epoch for speed in speeds])
