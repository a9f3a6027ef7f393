"""Metrics of predictions, compared with their definitions and with the bootstrap of scipy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import calibration, metrics

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


@settings(max_examples=100, deadline=None)
@given(outcomes(), st.booleans())
def test_every_metric_is_scikit_learns(found, has_ties):
    if has_ties:
        found = outcome(found.labels, np.round(found.scores * 4) / 4)
    measured = evaluation("test", found, NAMES)
    labels, predictions, classes = found.labels, found.predictions, range(len(NAMES))
    assert measured["confusion_matrix"] == metrics.confusion_matrix(labels, predictions, labels=classes).tolist()
    expected = metrics.precision_recall_fscore_support(labels, predictions, labels=classes, zero_division=0)
    for row, precision, recall, f1, examples in zip(measured["classes"], *expected, strict=True):
        assert (row["examples"], row["precision"]) == (examples, precision)
        assert (row["recall"], row["f1"]) == ((recall, f1) if examples else (None, None))
    assert measured["weighted_f1"] == pytest.approx(
        metrics.f1_score(labels, predictions, average="weighted", zero_division=0), abs=1e-15
    )
    for k, accuracy in measured["top_k"].items():
        assert accuracy == metrics.top_k_accuracy_score(labels, found.scores, k=int(k), labels=classes)
    confidence = np.minimum(found.scores.max(axis=1).astype(float), 1)
    accuracies, means = calibration.calibration_curve(labels == predictions, confidence, n_bins=15, pos_label=True)
    assert [row["accuracy"] for row in measured["calibration"]] == accuracies.tolist()
    assert [row["confidence"] for row in measured["calibration"]] == means.tolist()


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
