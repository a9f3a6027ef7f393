"""Published results of the shipped experiments, compared with ours."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

import numpy as np

from cnnlab.analysis import results, significance
from cnnlab.analysis.results import Epoch, Result
from cnnlab.analysis.significance import Estimate, estimate
from cnnlab.config import shipped
from cnnlab.config.load import load_file
from cnnlab.errors import RequestError
from cnnlab.experiment.schema import Experiment, Published
from cnnlab.experiment.summary import summarize_experiment
from cnnlab.messages import did_you_mean
from cnnlab.runs.record import ExperimentRecord

MAX_EQUAL_DIFFERENCE = 0.005
"""The largest difference from the published accuracy that counts as the same."""


@dataclass(frozen=True)
class PublishedComparison:
    """A published value and ours; None where nothing is published, or measured."""

    published: float | None
    ours: Estimate | None
    is_within_noise: bool | None
    """Whether the published value is inside the prediction interval of ours; None with fewer than two runs."""

    @property
    def difference(self) -> float | None:
        """Ours minus the published value."""
        return None if self.published is None or self.ours is None else self.ours.mean - self.published


@dataclass(frozen=True)
class EpochComparison:
    """The published values of one epoch of an experiment, and ours."""

    experiment: str
    id: str
    epoch: int
    accuracy: PublishedComparison
    loss: PublishedComparison

    @property
    def verdict(self) -> str:
        """A short text for tables."""
        if self.accuracy.ours is None:
            return "no results for this epoch"
        if self.accuracy.published is None and self.loss.published is None:
            return "nothing published"
        if self.accuracy.ours.n == 1:
            return "not tested: one seed"
        texts = []
        if (points := self.accuracy.difference) is not None and not self.accuracy.is_within_noise:
            texts.append(f"accuracy differs by {100 * points:+.1f} points")
        if (difference := self.loss.difference) is not None and not self.loss.is_within_noise:
            texts.append(f"loss differs by {difference:+.3f}")
        if texts:
            return ", ".join(texts)
        if points is not None and abs(points) > MAX_EQUAL_DIFFERENCE:
            return f"within noise, which is wide: {100 * points:+.1f} points"
        return "reproduced within noise"


def select_experiments(ids: Sequence[str]) -> dict[str, Experiment]:
    """The shipped experiments of these names or published ids, by default all that have a source; the cheapest first.

    Raises RequestError for an unknown one.
    """
    experiments = {name: load_file(path) for name, path in shipped.paths().items()}
    wanted = [] if ids else [name for name, experiment in experiments.items() if experiment.published]
    for id in ids:
        found = [name for name, experiment in experiments.items() if id in (name, _source(experiment).id)]
        if not found:
            known = {*experiments, *(_source(experiment).id or name for name, experiment in experiments.items())}
            raise RequestError(
                f"{id}: neither a shipped experiment nor the source's name of one; {did_you_mean(id, known)}"
            )
        wanted += found
    return dict(sorted(((name, experiments[name]) for name in wanted), key=lambda item: _cost(item[1])))


def published_value(experiment: ExperimentRecord, figure: str) -> float | None:
    """The published value of an experiment that was trained, such as its `accuracy` on the test set.

    None where none is published, or where the published training had other epochs or data.
    """
    published = experiment.published
    if published.get("epochs") not in (None, experiment.epochs):
        return None
    like = _shipped().get((published.get("source"), published.get("id")))
    if like and experiment.data["name"] not in like:
        return None
    value = published.get(figure)
    return float(value) if isinstance(value, int | float) and abs(value) < sys.float_info.max else None


@cache
def _shipped() -> dict[tuple[Any, Any], set[str]]:
    """The data sets of the shipped experiments, by source and id."""
    found: dict[tuple[Any, Any], set[str]] = {}
    for experiment in map(load_file, shipped.paths().values()):
        source = _source(experiment)
        found.setdefault((source.source, source.id), set()).add(experiment.data.name)
    return found


def compare_with_published(
    name: str, experiment: Experiment, runs: Sequence[Result], epochs: Sequence[Epoch]
) -> Iterator[EpochComparison]:
    """Published and measured values of an experiment, one per epoch, in order; at least of the last epoch."""
    source = _source(experiment)
    table = {int(epoch): (accuracy, loss) for epoch, accuracy, loss in source.table or []}
    last = source.epochs or experiment.train.epochs
    resolution = 1 / runs[0].test_examples if runs else 0.0
    table.setdefault(last, (source.accuracy, source.loss))  # type: ignore[arg-type] # None where nothing is published
    for epoch, (accuracy, loss) in sorted(table.items()):
        if epoch == experiment.train.epochs:
            ours = [(run.accuracy, run.loss) for run in runs]
        else:
            ours = [(row.accuracy, row.loss) for row in epochs if row.epoch == epoch]
        yield EpochComparison(
            name,
            source.id or name,
            epoch,
            _compare(accuracy, [one[0] for one in ours], [row[0] for row in table.values()], resolution),
            _compare(loss, [one[1] for one in ours], [row[1] for row in table.values()], 0.0),
        )


def _source(experiment: Experiment) -> Published:
    return experiment.published or Published(source="none")


def _compare(
    published: float | None, ours: Sequence[float], column: Sequence[float | None], resolution: float
) -> PublishedComparison:
    if not ours:
        return PublishedComparison(published, None, None)
    found = estimate(ours)
    if published is None or len(ours) < 2:
        return PublishedComparison(published, found, None)
    half = 10.0 ** -max(_decimals(figure) for figure in column if figure is not None) / 2
    # Of all values that round to the published one, the nearest to ours.
    nearest = float(np.clip(found.mean, published - half, published + half))
    return PublishedComparison(published, found, significance.standard_deviations_off(nearest, ours, resolution)[1])


def _decimals(figure: float) -> int:
    exponent = Decimal(str(figure)).as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _cost(experiment: Experiment) -> float:
    """Multiplications of a training per example: the longest training comes last."""
    return experiment.train.epochs * summarize_experiment(experiment).training.multiplications


def shipped_comparisons(name: str, experiment: Experiment) -> list[EpochComparison]:
    """The comparisons by the results that come with cnnlab."""
    usual = results.results_for(experiment)
    return list(compare_with_published(name, experiment, usual, results.epochs(name) if usual else []))
