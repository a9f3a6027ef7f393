"""What the sources of the shipped experiments print, beside what ours came to."""

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
from cnnlab.experiment.summary import summarize
from cnnlab.messages import did_you_mean
from cnnlab.runs.record import ExperimentRecord

CLOSE = 0.005
"""An accuracy that is not further from the printed one is called the same."""


@dataclass(frozen=True)
class Comparison:
    """One printed figure and ours; None where nothing is printed, or not measured."""

    printed: float | None
    ours: Estimate | None
    is_noise: bool | None
    """Whether a single run of ours could have come to it; None where we have fewer than two."""

    @property
    def difference(self) -> float | None:
        """How far ours is above."""
        return None if self.printed is None or self.ours is None else self.ours.mean - self.printed


@dataclass(frozen=True)
class Line:
    """What is printed for one epoch of an experiment."""

    experiment: str
    id: str
    epoch: int
    accuracy: Comparison
    loss: Comparison

    @property
    def verdict(self) -> str:
        """In words."""
        if self.accuracy.ours is None:
            return "no results that far"
        if self.accuracy.printed is None and self.loss.printed is None:
            return "nothing printed"
        if self.accuracy.ours.n == 1:
            return "one seed: cannot be told"
        said = []
        if (points := self.accuracy.difference) is not None and not self.accuracy.is_noise:
            said.append(f"accuracy differs by {100 * points:+.1f} points")
        if (difference := self.loss.difference) is not None and not self.loss.is_noise:
            said.append(f"loss differs by {difference:+.3f}")
        if said:
            return ", ".join(said)
        if points is not None and abs(points) > CLOSE:
            return f"within noise, which is wide: {100 * points:+.1f} points"
        return "reproduced within noise"


def chosen(ids: Sequence[str]) -> dict[str, Experiment]:
    """The shipped experiments of these names or published ids, or else all that have a source; the cheapest first.

    Raises RequestError for one that there is not.
    """
    experiments = {name: load_file(path) for name, path in shipped.paths().items()}
    wanted = [] if ids else [name for name, experiment in experiments.items() if experiment.published]
    for id in ids:
        found = [name for name, experiment in experiments.items() if id in (name, _source(experiment).id)]
        if not found:
            known = {*experiments, *(_source(experiment).id or name for name, experiment in experiments.items())}
            raise RequestError(
                f"{id}: no such shipped experiment, nor a source's name of one; {did_you_mean(id, known)}"
            )
        wanted += found
    return dict(sorted(((name, experiments[name]) for name in wanted), key=lambda item: _cost(item[1])))


def printed(experiment: ExperimentRecord, figure: str) -> float | None:
    """What the source prints of an experiment that was trained, such as its `accuracy` on the test set.

    None where it prints none, or was trained for other epochs, or the shipped experiment on other data.
    """
    said = experiment.published
    if said.get("epochs") not in (None, experiment.epochs):
        return None
    like = _shipped().get((said.get("source"), said.get("id")))
    if like and experiment.data["name"] not in like:
        return None
    value = said.get(figure)
    return float(value) if isinstance(value, int | float) and abs(value) < sys.float_info.max else None


@cache
def _shipped() -> dict[tuple[Any, Any], set[str]]:
    """By source and its id, the data sets of the shipped experiments."""
    found: dict[tuple[Any, Any], set[str]] = {}
    for experiment in map(load_file, shipped.paths().values()):
        source = _source(experiment)
        found.setdefault((source.source, source.id), set()).add(experiment.data.name)
    return found


def lines(name: str, experiment: Experiment, runs: Sequence[Result], epochs: Sequence[Epoch]) -> Iterator[Line]:
    """What is printed for an experiment, an epoch a line, the last one last; at least that one."""
    source = _source(experiment)
    table = {int(epoch): (accuracy, loss) for epoch, accuracy, loss in source.table or []}
    last = source.epochs or experiment.train.epochs
    resolution = 1 / runs[0].test_examples if runs else 0.0
    table.setdefault(last, (source.accuracy, source.loss))  # type: ignore[arg-type] # None where nothing is printed
    for epoch, (accuracy, loss) in sorted(table.items()):
        if epoch == experiment.train.epochs:
            ours = [(run.accuracy, run.loss) for run in runs]
        else:
            ours = [(row.accuracy, row.loss) for row in epochs if row.epoch == epoch]
        yield Line(
            name,
            source.id or name,
            epoch,
            _compared(accuracy, [one[0] for one in ours], [row[0] for row in table.values()], resolution),
            _compared(loss, [one[1] for one in ours], [row[1] for row in table.values()], 0.0),
        )


def _source(experiment: Experiment) -> Published:
    return experiment.published or Published(source="none")


def _compared(
    printed: float | None, ours: Sequence[float], column: Sequence[float | None], resolution: float
) -> Comparison:
    if not ours:
        return Comparison(printed, None, None)
    found = estimate(ours)
    if printed is None or len(ours) < 2:
        return Comparison(printed, found, None)
    half = 10.0 ** -max(_decimals(figure) for figure in column if figure is not None) / 2
    # Anything that is printed so; the one that is nearest to ours.
    nearest = float(np.clip(found.mean, printed - half, printed + half))
    return Comparison(printed, found, significance.standard_deviations_off(nearest, ours, resolution)[1])


def _decimals(figure: float) -> int:
    exponent = Decimal(str(figure)).as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _cost(experiment: Experiment) -> float:
    """Products of a training, for as many examples as MNIST has: what takes longest is trained last."""
    return experiment.train.epochs * summarize(experiment.model.layers, experiment.input_shape).training.multiplications


def recorded(name: str, experiment: Experiment) -> list[Line]:
    """From the tables that come with cnnlab."""
    usual = results.of(experiment)
    return list(lines(name, experiment, usual, results.epochs(name) if usual else []))
