"""Cross-validations: groups of folds, their interval and their test."""

import numpy as np
import pytest
from scipy import stats

from benchmarks.cross_validation import false_alarms, nearest_mean, nearest_neighbour
from cnnlab.analysis.compare import compare
from cnnlab.analysis.outcomes import legend
from cnnlab.analysis.significance import estimate, paired
from tests.analysis.test_compare import EXAMPLES, experiment, record
from tests.conftest import make_run


@pytest.fixture
def add(tmp_path):
    """A function that writes the run of a fold with this accuracy."""

    def make(accuracy, number, rate=0.1, of=5, partition=0, pool="p", **changes):
        plain = experiment(of * partition + number - 1, rate)
        plain["data"]["fold"] = {"number": number, "of": of, "seed": partition}
        fold = f"{pool}-{partition}-{number}-{of}"
        split = {"examples": EXAMPLES, "pictures": fold, "labels": fold}
        data = {"fingerprint": fold, "pool": pool, "splits": {"test": split}}
        return make_run(tmp_path, "tiny", None, record(accuracy, **{"experiment": plain, "data": data, **changes}))

    return make


def test_folds_are_one_group_and_paired_by_fold(add, tmp_path):
    accuracies = {0.1: [0.90, 0.92, 0.94, 0.96, 0.98], 0.2: [0.88, 0.91, 0.92, 0.95, 0.96]}
    for rate, values in accuracies.items():
        for number in (3, 1, 2, 5, 4):
            add(values[number - 1], number, rate)
    found = compare([tmp_path])
    best, other = found.rows
    assert (best.group.folds, best.estimate.n, found.settings) == (5, 5, ["train.optimizer.sgd.learning_rate"])
    test = other.verdict.test
    assert test.p == pytest.approx(paired(accuracies[0.2], accuracies[0.1], 1 / EXAMPLES, folds=5).p)
    assert test.method == "corrected resampled t"
    assert "paired by fold" in legend(found)[0]
    assert found.notes[-1].startswith("all: 5-fold cross-validation: test_accuracy is on the held-out folds")


def test_repetitions_count_as_more_folds_of_one_group(add, tmp_path):
    for partition in (0, 1, 2):
        for number in (1, 2):
            for rate in (0.1, 0.2):
                add(0.9 - rate / 10 + 0.01 * number + 0.001 * partition, number, rate, of=2, partition=partition)
    found = compare([tmp_path])
    assert [row.estimate.n for row in found.rows] == [6, 6]
    half = stats.t.ppf(0.975, 5) * found.rows[0].estimate.std * np.sqrt(1 / 2 + 1 / 1)
    assert found.rows[0].estimate.low == pytest.approx(found.rows[0].estimate.mean - half)
    assert found.rows[1].verdict.test is not None


def test_the_variance_is_corrected_for_the_examples_that_folds_share():
    """Nadeau and Bengio 2003, equation for the corrected resampled t-test, with J = 5 and test : training = 1 : 4."""
    first, second = np.array([0.90, 0.92, 0.94, 0.96, 0.98]), np.array([0.88, 0.91, 0.92, 0.95, 0.96])
    differences = first - second
    t = differences.mean() / np.sqrt((1 / 5 + 1 / 4) * differences.var(ddof=1))
    found = paired(first, second, folds=5)
    assert found.p == pytest.approx(2 * stats.t.sf(t, 4))
    half = stats.t.ppf(0.975, 4) * np.sqrt((1 / 5 + 1 / 4) * first.var(ddof=1))
    interval = estimate(first, folds=5)
    assert (interval.low, interval.high) == (pytest.approx(first.mean() - half), pytest.approx(first.mean() + half))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"of": 4}, "other test examples"),
        ({"pool": "q"}, "other test examples"),
        ({"partition": 1}, "other folds or seeds"),
    ],
)
def test_other_folds_are_not_tested(add, tmp_path, changes, why):
    for number in (1, 2, 3, 4):
        add(0.9, number)
        add(0.8, number, rate=0.2, **changes)
    found = compare([tmp_path])
    assert found.rows[1].verdict.text == f"not tested: {why}"


def test_missing_folds_are_named(add, tmp_path):
    for number in (1, 2, 4):
        add(0.9, number)
        add(0.9, number, rate=0.2)
    add(0.9, 5)
    found = compare([tmp_path])
    assert any("tiny-1: 1 of 5 folds have no finished run" in note for note in found.notes)
    assert found.rows[1].verdict.text == "not tested: other folds or seeds"


def test_a_cross_validation_is_not_tested_against_runs_on_the_test_set(add, tmp_path):
    for number in (1, 2, 3, 4, 5):
        add(0.9, number)
    make_run(tmp_path, "tiny", None, record(0.8))
    assert compare([tmp_path]).rows[1].verdict.text == "not tested: other test examples"


@pytest.mark.parametrize("learner", [nearest_mean, nearest_neighbour])
@pytest.mark.parametrize(("folds", "repetitions"), [(5, 1), (10, 1), (5, 3)])
def test_at_most_five_percent_false_alarms_where_the_uncorrected_test_has_more(learner, folds, repetitions):
    """Two learners that are equally good, compared by cross-validation on many data sets; benchmarks/ has more."""
    found = false_alarms(learner, folds, repetitions, examples=60, simulations=1000, seed=0)
    assert found["corrected"] <= 0.05
    assert found["uncorrected"] > 0.06
