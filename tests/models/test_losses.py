import keras
import numpy as np
import pytest

from cnnlab.data import Examples
from cnnlab.experiment.losses import CrossEntropy, MeanSquaredError, SumOfSquares
from cnnlab.models.inference import ForwardPass
from cnnlab.models.losses import class_scores, loss_function

LABELS = np.array([2, 0, 1, 1], np.int32)
OUTPUTS = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
PROBABILITIES = np.exp(OUTPUTS) / np.exp(OUTPUTS).sum(axis=1, keepdims=True)
ONE_HOT = np.eye(3, dtype=np.float32)[LABELS]


@pytest.mark.parametrize(
    ("loss", "outputs", "expected"),
    [
        (CrossEntropy(), OUTPUTS, -np.log(PROBABILITIES[np.arange(4), LABELS])),
        (CrossEntropy(from_logits=False), PROBABILITIES, -np.log(PROBABILITIES[np.arange(4), LABELS])),
        (CrossEntropy(label_smoothing=0.3), OUTPUTS, -((0.7 * ONE_HOT + 0.1) * np.log(PROBABILITIES)).sum(axis=1)),
        (CrossEntropy(label_smoothing=0.3, from_logits=False), PROBABILITIES, -((0.7 * ONE_HOT + 0.1) * np.log(PROBABILITIES)).sum(axis=1)),
        (MeanSquaredError(), OUTPUTS, ((OUTPUTS - ONE_HOT) ** 2).mean(axis=1)),
        (SumOfSquares(), OUTPUTS, ((OUTPUTS - ONE_HOT) ** 2).sum(axis=1)),
    ],
    ids=str,
)  # fmt: skip
def test_a_loss_matches_its_formula(loss, outputs, expected):
    np.testing.assert_allclose(loss_function(loss)(LABELS, outputs), expected, rtol=1e-5)


def test_label_smoothing_matches_keras():
    theirs = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1, reduction=None)
    ours = loss_function(CrossEntropy(label_smoothing=0.1))
    np.testing.assert_allclose(ours(LABELS, OUTPUTS), theirs(ONE_HOT, OUTPUTS), rtol=1e-5)


def test_scores_are_softmax_probabilities_if_the_network_outputs_logits():
    np.testing.assert_allclose(class_scores(CrossEntropy(), OUTPUTS), PROBABILITIES, rtol=1e-5)
    for loss in (CrossEntropy(from_logits=False), MeanSquaredError(), SumOfSquares()):
        np.testing.assert_array_equal(class_scores(loss, OUTPUTS), OUTPUTS)


@pytest.mark.parametrize(
    ("loss", "activation", "are_probabilities"),
    [
        (CrossEntropy(), "linear", True),
        (CrossEntropy(from_logits=False), "softmax", True),
        (CrossEntropy(from_logits=False), "linear", False),  # the loss treats them as probabilities
        (CrossEntropy(from_logits=False), "sigmoid", False),
        (MeanSquaredError(), "linear", False),
    ],
)
def test_only_probability_scores_are_called_probabilities(loss, activation, are_probabilities):
    keras.utils.set_random_seed(0)
    layers = [keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(3, activation)]
    images = np.random.default_rng(0).integers(0, 256, (20, 4, 4, 1), dtype=np.uint8)
    outcome = ForwardPass(keras.Sequential(layers), loss)(Examples(images, np.zeros(20, np.int32)))
    assert outcome.are_probabilities == are_probabilities
