"""Statistical tests compared with scipy, and their error rates in simulations."""

import itertools
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.stats import binomtest

from cnnlab.analysis.groups import METRICS, Group
from cnnlab.analysis.significance import (
    estimate,
    holm,
    mcnemar,
    paired,
    paired_accuracy_interval,
    seeds_needed,
    standard_deviations_off,
    student,
    unpaired,
    welch,
)
from cnnlab.analysis.verdicts import best_index, verdicts
from cnnlab.runs import Run
from cnnlab.runs.record import RunRecord
from tests.conftest import complete

values = st.lists(st.floats(0, 1).map(lambda x: round(x, 6)), min_size=2, max_size=12)
MANY = settings(max_examples=200, deadline=None)
pytestmark = pytest.mark.filterwarnings(
    "ignore:Precision loss occurred:RuntimeWarning"
)  # scipy warns about equal values


def spread(sample):
    return np.ptp(sample) > 1e-5


@MANY
@given(values)
def test_estimate_matches_scipy(sample):
    found = estimate(sample)
    assert found.mean == pytest.approx(np.mean(sample))
    assert found.std == pytest.approx(np.std(sample, ddof=1))
    if spread(sample):
        expected = stats.ttest_1samp(sample, 0).confidence_interval()
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
        inside = estimate(sample, (0, 1))
        assert (inside.low, inside.high) == pytest.approx((max(0, expected.low), min(1, expected.high)))


def test_estimate_of_a_single_value_has_no_interval():
    found = estimate([0.5])
    assert (found.n, found.mean, found.std, found.low, found.high) == (1, 0.5, None, None, None)


@MANY
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=12))
def test_paired_test_matches_scipy(pairs):
    first, second = np.round(np.array(pairs), 6).T
    if spread(first - second):
        expected = stats.ttest_rel(first, second)
        found = paired(first, second)
        assert found.p == pytest.approx(expected.pvalue, rel=1e-6)
        interval = expected.confidence_interval()
        assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


@MANY
@given(values, values)
def test_welch_test_matches_scipy(first, second):
    if spread(first) or spread(second):
        expected = stats.ttest_ind(first, second, equal_var=False)
        found = welch(first, second)
        assert found.p == pytest.approx(expected.pvalue, rel=1e-6)
        interval = expected.confidence_interval()
        assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


@MANY
@given(values, values)
def test_student_test_matches_scipy_and_unpaired_is_the_more_conservative_of_the_two(first, second):
    if spread(first) or spread(second):
        expected = stats.ttest_ind(first, second, equal_var=True)
        for found, difference in (student(first, second), 1), (student(second, first), -1):
            assert found.p == pytest.approx(expected.pvalue, rel=1e-6)
            middle = difference * (np.mean(first) - np.mean(second))
            assert found.low <= middle <= found.high
        others = stats.ttest_ind(first, second, equal_var=False).pvalue
        assert unpaired(first, second).p == pytest.approx(max(expected.pvalue, others), rel=1e-6)


@MANY
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_mcnemar_matches_the_binomial_test_of_scipy(pairs):
    first, second = np.array(pairs).T
    only_first, only_second = int((first & ~second).sum()), int((~first & second).sum())
    found = mcnemar(first, second).p
    if only_first + only_second:
        assert found == pytest.approx(binomtest(only_first, only_first + only_second).pvalue, rel=1e-9)
    else:
        assert found == 1


@MANY
@given(st.lists(st.floats(0, 1), min_size=1, max_size=7))
def test_holm_equals_closed_testing_with_bonferroni(p_values):
    """Holm's procedure is a shortcut for closed testing: Marcus, Peritz and Gabriel 1976."""
    sets = [set_ for size in range(1, 8) for set_ in itertools.combinations(range(len(p_values)), size)]
    bonferroni = {set_: min(1, len(set_) * min(p_values[index] for index in set_)) for set_ in sets}
    expected = [max(p for set_, p in bonferroni.items() if index in set_) for index in range(len(p_values))]
    assert holm(p_values) == pytest.approx(expected)


def test_holm_is_stricter_for_tests_selected_from_more():
    assert holm([0.01, 0.02]) == pytest.approx([0.02, 0.02])
    assert holm([0.02, 0.01], comparisons=3) == pytest.approx([0.04, 0.03])


@pytest.mark.parametrize("test", [paired, welch])
def test_a_few_equal_values_are_not_significant(test):
    assert test([0.98, 0.98], [0.98, 0.98]).p == 1
    assert test([0.9801, 0.9801], [0.98, 0.98]).p == 0  # without a resolution the difference is certain
    assert test([0.9801, 0.9801], [0.98, 0.98], resolution=1e-4).p > 0.05
    assert test([0.99, 0.99], [0.98, 0.98], resolution=1e-4).p < 0.05


def test_prediction_interval_has_its_nominal_coverage():
    random = np.random.default_rng(0)
    for n in (2, 3, 5):
        draws = random.normal(0.98, 0.002, (4000, n + 1))
        inside = [standard_deviations_off(draw[-1], draw[:-1])[1] for draw in draws]
        assert np.mean(inside) == pytest.approx(0.95, abs=0.012)
    off, inside = standard_deviations_off(0.97, [0.98, 0.981, 0.979])
    assert (off, inside) == (pytest.approx(-10), False)
    assert standard_deviations_off(0.5, [0.5, 0.5]) == (0, True)
    assert standard_deviations_off(0.25, [0.5, 0.5]) == (-math.inf, False)


# Error rates on simulated data

ACCURACY = METRICS["test_accuracy"]
TEST_EXAMPLES = 10_000


def simulated_group(random, n, mean=0.98, deviation=0.002, first_seed=0):
    """A group of n seeds; accuracies are multiples of 1 / 10,000, as on a test set of 10,000."""
    accuracies = np.round(random.normal(mean, deviation, n) * TEST_EXAMPLES) / TEST_EXAMPLES
    return Group("simulated", [record_of(first_seed + seed, value) for seed, value in enumerate(accuracies)])


DATA = {"splits": {"test": {"examples": TEST_EXAMPLES}}}
SIMULATED = RunRecord.parse(Run(Path()), json.dumps(complete({"data": DATA})).encode())


def record_of(seed, accuracy):
    return replace(
        SIMULATED, experiment=replace(SIMULATED.experiment, seed=seed), results={"test_accuracy": float(accuracy)}
    )


def count_detected(groups, baseline=None, chosen="baseline"):
    """The number of groups detectably different from the reference (the best, or index `baseline`)."""
    estimates = [estimate(group.values(ACCURACY)) for group in groups]
    reference = best_index(estimates, ACCURACY) if baseline is None else baseline
    found = verdicts(groups, estimates, ACCURACY, reference, chosen="best" if baseline is None else chosen)
    return sum(verdict.is_detected for verdict in found)


SIMULATIONS = 1000
MAX_RATE = 0.05 + 3 * math.sqrt(0.05 * 0.95 / SIMULATIONS)  # three standard errors of the estimated rate


@pytest.mark.parametrize("deviation", [0.002, 0.00005], ids=["plain", "less than an example"])
@pytest.mark.parametrize("seeds", ["the same", "others"])
@pytest.mark.parametrize("sizes", [(2, 2), (5, 5), (1, 5), (2, 7), (3, 20)], ids=str)
def test_false_positive_rate_for_two_identical_experiments_is_at_most_five_percent(sizes, seeds, deviation):
    random = np.random.default_rng(sum(sizes))
    other = 0 if seeds == "the same" else 100
    detections = [
        count_detected(
            [
                simulated_group(random, sizes[0], 0.98, deviation),
                simulated_group(random, sizes[1], 0.98, deviation, other),
            ]
        )
        for _ in range(SIMULATIONS)
    ]
    assert np.mean(detections) <= MAX_RATE


@pytest.mark.parametrize("baseline", [None, 0], ids=["against the best", "against a baseline"])
@pytest.mark.parametrize("count", [3, 8])
def test_familywise_error_rate_for_identical_experiments_is_at_most_five_percent(count, baseline):
    """Also relative to the best, which is selected on the results."""
    random = np.random.default_rng(count)
    detections = [
        count_detected([simulated_group(random, 5) for _ in range(count)], baseline) > 0
        for _ in range(SIMULATIONS // 2)
    ]
    assert np.mean(detections) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / (SIMULATIONS // 2))


@pytest.mark.parametrize("agreement", [0.0, 0.9], ids=["apart", "alike"])
def test_false_positive_rate_for_the_best_by_validation_is_at_most_five_percent(agreement):
    """For any correlation of validation and test accuracies."""
    random = np.random.default_rng(3)
    detections = []
    for _ in range(SIMULATIONS // 2):
        groups = [simulated_group(random, 5) for _ in range(4)]
        noise = random.normal(0, 0.002, (4, 5)) * math.sqrt(1 - agreement**2)
        validation = [
            agreement * np.mean(group.values(ACCURACY)) + part.mean() for group, part in zip(groups, noise, strict=True)
        ]
        detections.append(count_detected(groups, int(np.argmax(validation)), "best by validation") > 0)
    assert np.mean(detections) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / (SIMULATIONS // 2))


@pytest.mark.parametrize("gap", [1.5, 2.5, 4.0], ids=lambda gap: f"{gap} std")
def test_recommended_number_of_seeds_gives_eighty_percent_power(gap):
    """Student's test on simulated samples with a known difference and standard deviation."""
    n = seeds_needed([-gap / 2 - 0.5**0.5, -gap / 2 + 0.5**0.5], [gap / 2 - 0.5**0.5, gap / 2 + 0.5**0.5])
    random = np.random.default_rng(4)
    found = [student(random.normal(0, 1, n), random.normal(gap, 1, n)).p < 0.05 for _ in range(SIMULATIONS)]
    fewer = [student(random.normal(0, 1, n - 1), random.normal(gap, 1, n - 1)).p < 0.05 for _ in range(SIMULATIONS)]
    assert np.mean(found) > 0.8 - 0.03
    assert np.mean(fewer) < 0.8 + 0.03 or n == 3


def test_recommended_number_of_seeds_exceeds_the_current_one_and_is_bounded():
    assert seeds_needed([0.9, 0.9], [0.1, 0.1]) == 3
    assert seeds_needed([0.9] * 7, [0.1, 0.1]) == 8
    assert seeds_needed([0.5, 0.6], [0.55, 0.5501]) is None
    assert seeds_needed([0.5, 0.6], [0.5, 0.6]) is None
    strict, plain = (seeds_needed([0.90, 0.92], [0.94, 0.96], alpha=alpha) for alpha in (0.005, 0.05))
    assert strict > plain


@pytest.mark.parametrize("seeds", [0, 100], ids=["paired", "Welch"])
def test_five_seeds_detect_a_difference_of_one_point(seeds):
    random = np.random.default_rng(1)
    detections = [
        count_detected([simulated_group(random, 5, 0.98), simulated_group(random, 5, 0.97, first_seed=seeds)])
        for _ in range(500)
    ]
    assert np.mean(detections) > 0.99


def test_false_positive_rate_for_two_equally_good_networks_is_at_most_five_percent():
    random = np.random.default_rng(2)
    detections = [mcnemar(random.random(2000) < 0.97, random.random(2000) < 0.97).p < 0.05 for _ in range(SIMULATIONS)]
    assert np.mean(detections) <= MAX_RATE
    assert mcnemar(random.random(10_000) < 0.98, random.random(10_000) < 0.97).p < 0.05


def test_the_paired_interval_of_accuracies_is_that_of_agresti_and_min():
    first, second = [True] * 90 + [False] * 10, [True] * 80 + [False] * 15 + [True] * 5
    low, high = paired_accuracy_interval(first, second)  # 10 better, 5 worse, of 100
    difference = (10.5 - 5.5) / 102
    half = 1.959964 * ((16 / 102 - difference**2) / 102) ** 0.5
    assert (low, high) == pytest.approx((difference - half, difference + half))
    assert paired_accuracy_interval(second, first) == pytest.approx((-high, -low))


def test_the_paired_interval_contains_the_difference_as_often_as_it_says():
    random = np.random.default_rng(0)
    inside = 0
    for _ in range(1000):  # the second is right where the first is, but for 5 %, and right in 8 % of the others
        first = random.random(300) < 0.9
        second = np.where(first, random.random(300) < 0.95, random.random(300) < 0.08)
        low, high = paired_accuracy_interval(first, second)
        inside += low <= 0.9 * 0.05 - 0.1 * 0.08 <= high
    assert 930 <= inside <= 975
    assert paired_accuracy_interval([True] * 10, [True] * 10)[1] > 0
