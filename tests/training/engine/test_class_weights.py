"""Class weights: applied to gradients as in Keras's `fit(class_weight=...)`, not to reported losses."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.utils.class_weight import compute_class_weight

from cnnlab.config.lint import check
from cnnlab.config.load import load, read
from cnnlab.config.overrides import parse_set
from cnnlab.config.schema_lookup import models_at
from cnnlab.data import Examples
from cnnlab.data.balance import class_weights, is_imbalanced
from cnnlab.errors import ConfigError
from cnnlab.experiment.augmentation import Mixup
from cnnlab.models.inference import ForwardPass
from cnnlab.training.engine.engine import Engine

WEIGHTS = np.array([0.5, 2, 1, 1, 1, 0, 1, 1, 3, 1], np.float32)
KERAS_LOSSES = {
    "cross_entropy": lambda spec: keras.losses.CategoricalCrossentropy(
        from_logits=spec.from_logits, label_smoothing=spec.label_smoothing
    ),
    "mse": lambda spec: keras.losses.MeanSquaredError(),
    # Summed over 10 classes and the 50 examples of a batch.
    "sum_of_squares": lambda spec: lambda labels, outputs: 50 * tf.reduce_sum((labels - outputs) ** 2, axis=-1),
}
LOSSES = [
    *(model() for model in models_at(("train", "loss"))),
    load("fc", [parse_set("train.loss={cross_entropy: {label_smoothing: 0.1}}")]).train.loss,
]


@pytest.fixture(scope="module")
def examples():
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (150, 4, 4, 1), dtype=np.uint8)
    return Examples(images, random.integers(0, 10, 150, dtype=np.int32))


def new_model(rate):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(10)])
    model.compile(keras.optimizers.SGD(rate))
    model.optimizer.build(model.trainable_variables)
    return model


def trained(examples, loss, rate, weights, **options):
    model = new_model(rate)
    *_, progress = Engine(model, loss, examples, batch_size=50, seed=3, class_weights=weights, **options).epoch(0)
    return model, progress


def assert_same_weights(first, second, tolerance=1e-6):
    for mine, other in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, atol=tolerance)


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_every_loss_trains_as_in_fit(examples, loss, jit):
    rate = 2e-4 if loss.kind == "sum_of_squares" else 0.1
    ours, _ = trained(examples, loss, rate, WEIGHTS, jit=jit)
    theirs = new_model(rate)
    theirs.compile(theirs.optimizer, KERAS_LOSSES[loss.kind](loss))
    order = tf.random.experimental.stateless_shuffle(tf.range(150), tf.constant([3, 0], tf.int64)).numpy()
    theirs.fit(
        examples.images[order].astype(np.float32) / 255,
        keras.utils.to_categorical(examples.labels[order], 10),
        batch_size=50,
        shuffle=False,
        verbose=0,
        class_weight=dict(enumerate(WEIGHTS.tolist())),
    )
    assert_same_weights(ours, theirs)
    unweighted, _ = trained(examples, loss, rate, None)
    with pytest.raises(AssertionError):
        assert_same_weights(ours, unweighted)


@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_the_reported_loss_is_unweighted_as_in_validation(examples, loss):
    model, progress = trained(examples, loss, 1e-12, WEIGHTS)
    assert progress.loss == pytest.approx(ForwardPass(model, loss)(examples).loss, rel=1e-5)


def test_both_labels_of_mixed_images_are_weighted(examples):
    mixup = {"augmentation": [Mixup(alpha=10)]}
    double, _ = trained(examples, LOSSES[0], 0.1, np.full(10, 2, np.float32), **mixup)
    twice_the_rate, _ = trained(examples, LOSSES[0], 0.2, None, **mixup)
    assert_same_weights(double, twice_the_rate)
    # Of two mixed images only label 5 has a weight: no gradient towards label 0.
    pair = Examples(examples.images[:2], np.array([5, 0], np.int32))
    mixed, _ = trained(pair, LOSSES[0], 0.1, np.eye(10, dtype=np.float32)[5], **mixup)
    bias = mixed.get_weights()[1]
    assert (bias > 0).tolist() == (np.arange(10) == 5).tolist()


def test_balanced_weights_match_scikit_learn():
    labels = np.repeat(np.arange(3, dtype=np.int32), [5, 20, 75])
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    np.testing.assert_allclose(class_weights("balanced", labels, "abc"), expected, rtol=1e-6)
    np.testing.assert_allclose(expected, [100 / 15, 100 / 60, 100 / 225])


def test_a_class_without_training_examples_does_not_affect_balanced_weights():
    np.testing.assert_allclose(class_weights("balanced", np.array([0, 0, 2], np.int32), "abc"), [0.75, 1, 1.5])


def test_classes_are_weighted_by_name_and_others_have_weight_one():
    assert class_weights({"b": 3.0}, np.zeros(3, np.int32), "abc").tolist() == [1, 3, 1]
    assert class_weights(None, np.zeros(3, np.int32), "abc") is None


def test_an_unknown_class_is_an_error_before_and_after_the_data_are_read():
    with pytest.raises(ConfigError, match="no class 'd' in the data; expected one of a, b, c"):
        class_weights({"d": 3.0}, np.zeros(3, np.int32), ("a", "b", "c"))
    changes = ["train.class_weights={'3': 2, '7': 1}", "data.classes=['3', '8']"]
    with pytest.raises(ConfigError, match=r"train.class_weights: no class '7' in the data; expected one of 3, 8"):
        check(read("digits", [parse_set(change) for change in changes]))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("balnced", "expected 'balanced' or a map of class names to weights, {cat: 1, dog: 4.5}, got 'balnced'"),
        ("{}", "expected 'balanced' or a map of class names to weights, {cat: 1, dog: 4.5}, got {}"),
        ("{'0': -1}", "expected a weight of 0 or more for '0', got -1"),
        ("{'0': true}", "expected a weight of 0 or more for '0', got True"),
        ("{'0': 1e39}", "expected a weight of 0 or more for '0', got 1e+39"),
        ("{'0': 0}", "all weights are 0, with which nothing is learned"),
    ],
)
def test_an_invalid_weight_is_a_single_error(value, message):
    with pytest.raises(ConfigError) as caught:
        load("digits", [parse_set(f"train.class_weights={value}")])
    (line,) = caught.value.problems
    assert line.endswith(f"train.class_weights: {message}")


def test_classes_are_imbalanced_beyond_three_to_one():
    assert not is_imbalanced([30, 10])
    assert is_imbalanced([31, 10])
    assert is_imbalanced([5, 0])
