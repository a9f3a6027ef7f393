"""How often cross-validation claims a difference between two learners that are equally good.

`python -m benchmarks.cross_validation [--simulations 20000]` writes the table to docs/results.md. In every simulation a
data set is drawn, two learners are cross-validated on the same folds, and the difference is tested as
`cnnlab compare` does, with the weaker correction of Bouckaert and Frank for repetitions, and by the uncorrected paired
t-test. The learners see different halves of the features, which are equally informative: in expectation over data sets
neither is better, so that every claim is a false alarm. Nearest means hardly depend on single training examples,
nearest neighbours do.
"""

import argparse
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from cnnlab.analysis.significance import ALPHA, paired
from cnnlab.cli.tables import Format, render

DOCS = Path(__file__).parents[1] / "docs" / "results.md"
BEGIN, END = "<!-- cross-validation: begin -->", "<!-- cross-validation: end -->"
FEATURES = 4  # per learner
DISTANCE = 0.5  # between the classes, in standard deviations of each feature
DESIGNS = ((5, 1), (10, 1), (5, 3), (5, 10), (10, 10), (2, 5))
SIZES = (60, 200)
Learner = Callable[[NDArray[np.float64], NDArray[np.intp], NDArray[np.bool_]], float]
"""Of features, labels and which examples are held out, the accuracy on these."""


def false_alarms(
    learner: Learner, folds: int, repetitions: int, examples: int, simulations: int, seed: int
) -> dict[str, float]:
    """The fraction of simulations in which each test claims a difference."""
    random = np.random.default_rng(seed)
    claims = dict.fromkeys(("corrected", "repeated", "uncorrected"), 0)
    for _ in range(simulations):
        labels = np.arange(examples) % 2
        features = random.normal(size=(2, examples, FEATURES)) + DISTANCE * labels[:, None]
        first, second = _cross_validated(learner, features, labels, folds, repetitions, random)
        resolution = folds / examples
        claims["corrected"] += paired(first, second, resolution, folds).p < ALPHA
        claims["repeated"] += _repeated(first - second, folds, resolution) < ALPHA
        claims["uncorrected"] += paired(first, second, resolution).p < ALPHA
    return {test: count / simulations for test, count in claims.items()}


def _repeated(differences: NDArray[np.float64], folds: int, resolution: float) -> float:
    """The p of the corrected repeated k-fold cross-validation test. Bouckaert and Frank 2004."""
    n, variance = len(differences), max(differences.var(ddof=1), resolution**2 / 6)
    t = abs(differences.mean()) / np.sqrt(variance * (1 / n + 1 / (folds - 1)))
    return float(2 * stats.t.sf(t, n - 1))


def _cross_validated(
    learner: Learner,
    features: NDArray[np.float64],
    labels: NDArray[np.intp],
    folds: int,
    repetitions: int,
    random: np.random.Generator,
) -> NDArray[np.float64]:
    """The accuracy of each learner on each fold, (2, folds * repetitions)."""
    found = []
    for _ in range(repetitions):
        fold = np.empty(len(labels), np.intp)
        for label in (0, 1):  # stratified
            members = np.flatnonzero(labels == label)
            fold[random.permutation(members)] = np.arange(len(members)) % folds
        for number in range(folds):
            found.append([learner(own, labels, fold == number) for own in features])
    return np.array(found).T


def nearest_mean(features: NDArray[np.float64], labels: NDArray[np.intp], held_out: NDArray[np.bool_]) -> float:
    """Of the nearest class mean, learned from what is not held out."""
    train, is_one = features[~held_out], labels[~held_out] == 1
    low, high = train[~is_one].mean(0), train[is_one].mean(0)
    scores = (features[held_out] - (low + high) / 2) @ (high - low)
    return float(((scores > 0) == (labels[held_out] == 1)).mean())


def nearest_neighbour(features: NDArray[np.float64], labels: NDArray[np.intp], held_out: NDArray[np.bool_]) -> float:
    """Of the label of the nearest example that is not held out."""
    tested, known = features[held_out], features[~held_out]
    distances = (tested**2).sum(1)[:, None] - 2 * tested @ known.T + (known**2).sum(1)
    return float((labels[~held_out][distances.argmin(1)] == labels[held_out]).mean())


def rows(simulations: int) -> list[dict[str, Any]]:
    """One row per design and number of examples."""
    table = []
    cases = itertools.product((nearest_mean, nearest_neighbour), DESIGNS, SIZES)
    for learner, (folds, repetitions), examples in cases:
        found = false_alarms(learner, folds, repetitions, examples, simulations, seed=1)
        table.append(
            {
                "learner": learner.__name__.replace("_", " "),
                "folds": folds,
                "repetitions": repetitions,
                "examples": examples,
                "corrected": f"{100 * found['corrected']:.1f} %",
                "with 1/(k r)": f"{100 * found['repeated']:.1f} %",
                "uncorrected": f"{100 * found['uncorrected']:.1f} %",
            }
        )
    return table


def main() -> None:
    """Simulate, and write the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cross_validation")
    parser.add_argument("--simulations", type=int, default=2000, help="per row (default 2000)")
    options = parser.parse_args()
    found = rows(options.simulations)
    table = render(found, list(found[0]), Format.MD)
    text = DOCS.read_text(encoding="utf-8")
    begin, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    count = f"False alarms in {options.simulations:,} simulations per row:"
    DOCS.write_text(f"{text[:begin]}\n{count}\n\n{table}\n{text[end:]}", encoding="utf-8")
    print(table)


if __name__ == "__main__":
    main()
