"""Metrics of predictions, compared with their definitions and with the bootstrap of scipy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cnnlab.evaluation.metrics import bootstrap_interval, evaluation, most_confident_mistakes
from cnnlab.models.inference import Outcome

NAMES = tuple("abcd")


def outcome(labels, scores, *, probabilities=True):
    scores = np.array(scores, np.float32)
    return Outcome(np.array(labels, np.int32), scores, np.zeros(len(labels), np.float32), probabilities)


@st.composite
def outcomes(draw):
    n = draw(st.integers(1, 40))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    logits = random.normal(0, draw(st.sampled_from([0.1, 1, 10])), (n, len(NAMES)))
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return outcome(random.integers(0, draw(st.integers(1, 4)), n), scores)


@settings(max_examples=100, deadline=None)
@given(outcomes())
def test_every_metric_matches_its_definition(found):
    measured = evaluation("test", found, NAMES)
    labels, predictions = found.labels, found.predictions
    right = labels == predictions
    assert measured["accuracy"] == pytest.approx(right.mean())
    slices = [right[labels == label].mean() for label in np.unique(labels)]
    assert measured["balanced_accuracy"] == pytest.approx(np.mean(slices))
    f1 = {}
    for label in set(labels):  # F1 is undefined for a class without examples
        hits = (right & (labels == label)).sum()
        f1[label] = 2 * hits / ((labels == label).sum() + (predictions == label).sum())
    assert measured["macro_f1"] == pytest.approx(np.mean(list(f1.values())))
    assert measured["weighted_f1"] == pytest.approx(np.mean([f1[label] for label in labels]))
    order = np.argsort(-found.scores, axis=1)
    assert measured["top_k"] == {
        str(k): pytest.approx((order[:, :k] == labels[:, None]).any(axis=1).mean()) for k in (2, 3)
    }
    confidence = found.scores.max(axis=1).astype(float)
    bins = np.minimum((confidence * 15).astype(int), 14)
    error = sum(abs(right[bins == b].sum() - confidence[bins == b].sum()) for b in range(15)) / len(labels)
    assert measured["expected_calibration_error"] == pytest.approx(error, abs=1e-6)
    assert sum(part["examples"] for part in measured["calibration"]) == len(labels)


def test_the_calibration_error_of_fully_confident_predictions_is_their_error_rate():
    measured = evaluation("test", outcome([0, 1, 1, 1], [[1, 0], [0, 1], [0, 1], [1, 0]]), ("a", "b"))
    assert measured["expected_calibration_error"] == 0.25
    assert measured["calibration"] == [{"confidence": 1.0, "accuracy": 0.75, "examples": 4}]
    assert measured["top_k"] == {}


def test_scores_that_are_not_probabilities_have_no_calibration():
    measured = evaluation("test", outcome([0, 1], [[7, -3, 0, 0], [2, 1, 0, 0]], probabilities=False), NAMES)
    assert measured["expected_calibration_error"] is measured["calibration"] is None
    assert measured["top_k"]["2"] == 1


@pytest.mark.parametrize(("right", "examples"), [(9890, 10_000), (351, 360), (5, 10), (1, 30)])
def test_the_bootstrap_interval_matches_scipy_with_all_resamples(right, examples):
    sample = np.arange(examples) < right
    drawn = stats.bootstrap(
        (sample,), np.mean, n_resamples=20_000, batch=500, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    assert bootstrap_interval(right / examples, examples) == pytest.approx(tuple(drawn), abs=1.01 / examples)


@pytest.mark.parametrize("examples", [1, 10, 10_000])
def test_all_or_none_correct_give_the_exact_interval(examples):
    for right in (0, examples):
        exact = stats.binomtest(right, examples).proportion_ci()
        assert bootstrap_interval(right / examples, examples) == pytest.approx((exact.low, exact.high))


def test_the_most_confident_mistakes_come_first():
    found = outcome([0, 0, 0, 1], [[0.4, 0.6], [0.1, 0.9], [1, 0], [0.7, 0.3]])
    assert most_confident_mistakes(found, 2).tolist() == [1, 3]
    assert most_confident_mistakes(found, 9).tolist() == [1, 3, 0]
