"""Confident learning, on probabilities whose label errors are known."""

import numpy as np
import pytest

from cnnlab.analysis.label_errors import find_label_errors


def noisy(examples=3000, classes=3, rate=0.05, seed=0):
    """Labels, which of them are wrong, and probabilities that are mostly right about the true class."""
    random = np.random.default_rng(seed)
    truth = random.integers(classes, size=examples)
    wrong = random.random(examples) < rate
    labels = np.where(wrong, (truth + random.integers(1, classes, examples)) % classes, truth)
    logits = random.normal(size=(examples, classes)) + 6 * np.eye(classes)[truth]
    return labels, wrong, np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def test_wrong_labels_are_found_and_their_number_is_estimated():
    labels, wrong, probabilities = noisy()
    found = find_label_errors(labels, probabilities)
    assert wrong[found.suspects].mean() > 0.98
    assert wrong[found.suspects].sum() / wrong.sum() > 0.95
    assert found.noise_rate == pytest.approx(wrong.mean(), abs=0.005)
    assert found.joint.sum() == pytest.approx(len(labels))


def test_the_confident_joint_is_that_of_the_paper():
    """Thresholds: 0.6 for class 0, the mean of 0.9, 0.7 and 0.2; 0.7 for class 1, that of 0.8, 0.7 and 0.6."""
    labels = np.array([0, 0, 0, 1, 1, 1])
    of_zero = np.array([0.9, 0.7, 0.2, 0.2, 0.3, 0.4])
    found = find_label_errors(labels, np.stack([of_zero, 1 - of_zero], axis=1))
    # Given 0: two confidently 0, one confidently 1; given 1: two confidently 1 and one of neither, scaled to three.
    assert found.joint == pytest.approx(np.array([[2, 1], [0, 3]]))
    assert found.suspects.tolist() == [2]
    assert found.suggested.tolist() == [0, 0, 1, 1, 1, 1]
    assert found.margins == pytest.approx([0.8, 0.4, -0.6, 0.6, 0.4, 0.2])


def test_the_most_suspicious_come_first():
    labels, _, probabilities = noisy()
    found = find_label_errors(labels, probabilities)
    assert (np.diff(found.margins[found.suspects]) >= 0).all()
    assert (found.margins[found.suspects] < 0).all()


def test_right_labels_are_no_suspects_and_classes_may_be_absent():
    labels, _, probabilities = noisy(rate=0)
    right = probabilities.argmax(axis=1) == labels
    labels, probabilities = labels[right], np.pad(probabilities[right], ((0, 0), (0, 1)))
    found = find_label_errors(labels, probabilities)
    assert len(found.suspects) == 0
    assert np.isfinite(found.joint).all()
