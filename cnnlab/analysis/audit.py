"""Label errors by cross-fitting: every example is judged by networks that were not trained on it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnlab import data
from cnnlab.analysis.label_errors import LabelErrors, find_label_errors
from cnnlab.data import Examples
from cnnlab.data.exclusion import rows_of
from cnnlab.errors import RequestError
from cnnlab.evaluation.load import check_same_data, load_model
from cnnlab.experiment.schema import Experiment
from cnnlab.runs import Run


@dataclass(frozen=True)
class Audit:
    """The audited examples of a split, their probabilities (n, classes) out of sample, and what follows from these."""

    split: str
    examples: Examples
    class_names: tuple[str, ...]
    probabilities: NDArray[np.float32]
    errors: LabelErrors

    @property
    def accuracy(self) -> float:
        """The fraction of examples whose given label is the most probable one."""
        return float(np.mean(self.errors.suggested == self.examples.labels))

    @property
    def indices(self) -> NDArray[np.intp]:
        """The places of the examples in their split, as it was read."""
        return np.arange(len(self.examples)) if self.examples.indices is None else self.examples.indices

    def most_suspicious(self, count: int) -> NDArray[np.intp]:
        """The places of so many examples at most: of suspects, then of others whose label is not the most probable."""
        errors = self.errors
        others = np.setdiff1d(np.flatnonzero(errors.margins < 0), errors.suspects)
        ranked = others[np.argsort(errors.margins[others], kind="stable")]
        return np.concatenate([errors.suspects, ranked])[:count]

    def take(self, places: NDArray[np.intp]) -> Examples:
        """The examples at these places, in this order."""
        order = np.argsort(places)  # images on disk are read in their order
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        return self.examples.take(places[order]).take(back)

    def rows(self, places: NDArray[np.intp] | None = None) -> list[dict[str, Any]]:
        """One row per suspect, or example at these places: what `data.exclude` needs, and the suggested label."""
        places = self.errors.suspects if places is None else places
        suspects = {*self.errors.suspects.tolist()}
        identities = rows_of(self.split, self.take(places), self.class_names)
        return [
            {
                **identity,
                "suggested": self.class_names[self.errors.suggested[place]],
                "probability_of_label": float(self.probabilities[place, self.examples.labels[place]]),
                "probability_of_suggested": float(self.probabilities[place].max()),
                "margin": float(self.errors.margins[place]),
                "suspect": "yes" if place in suspects else "no",
            }
            for identity, place in zip(identities, places.tolist(), strict=True)
        ]


def audits(experiment: Experiment, runs: Sequence[Run], after_run: Callable[[], object] = lambda: None) -> list[Audit]:
    """The training examples, and the test set if the data have one, by the runs of all folds.

    `experiment` is the one without folds. The probabilities of a training example are those of the network of the fold
    that it is in, those of a test example the mean over all. Raises RunError where the data are others by now, and
    RequestError for networks that do not predict probabilities.
    """
    has_test = getattr(experiment.data, "test", None) != 0
    test = data.load(experiment.data, quiet=True).test if has_test else None
    found: list[tuple[Examples, NDArray[np.float32]]] = []
    of_test: list[NDArray[np.float32]] = []
    pool: Examples | None = None
    class_names: tuple[str, ...] = ()
    for run in runs:
        loaded = load_model(run)
        dataset = data.load(loaded.experiment.data, quiet=True)
        check_same_data(loaded.record, dataset)
        outcome = loaded.forward(dataset.test)
        if not outcome.are_probabilities:
            raise RequestError(f"{run.path}: predicts no probabilities, which an audit needs; train with cross_entropy")
        found.append((dataset.test, outcome.scores))
        if test is not None:
            of_test.append(loaded.forward(test).scores)
        pool, class_names = dataset.pool, dataset.class_names
        after_run()
    audited = [_of_folds(pool, class_names, found)] if pool is not None else []
    if test is not None:
        audited.append(_audit("test", test, class_names, np.mean(of_test, axis=0)))
    return audited


def _of_folds(
    pool: Examples, class_names: tuple[str, ...], found: Sequence[tuple[Examples, NDArray[np.float32]]]
) -> Audit:
    """Of all folds together, in the order in which the examples were read; `data.limit` leaves some out."""
    indices = np.concatenate([examples.indices for examples, _ in found if examples.indices is not None])
    order = np.argsort(indices)
    places = np.searchsorted(pool.indices if pool.indices is not None else np.arange(len(pool)), indices[order])
    return _audit("train", pool.take(places), class_names, np.concatenate([scores for _, scores in found])[order])


def _audit(split: str, examples: Examples, class_names: tuple[str, ...], probabilities: NDArray[np.float32]) -> Audit:
    return Audit(split, examples, class_names, probabilities, find_label_errors(examples.labels, probabilities))
