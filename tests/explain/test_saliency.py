"""Maps, against small implementations of their own."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import spearmanr

from cnnlab.explain import saliency


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(3)
    inputs = keras.Input((8, 8, 2), name="image")
    value = keras.layers.Conv2D(5, 3, activation="relu", name="first")(inputs)
    value = keras.layers.Conv2D(6, 3, activation="relu", name="last")(value)
    value = keras.layers.Flatten(name="flat")(value)
    return keras.Model(inputs, keras.layers.Dense(4, name="scores")(keras.layers.Dense(7, activation="tanh")(value)))


@pytest.fixture(scope="module")
def image():
    return tf.constant(np.random.default_rng(0).random((1, 8, 8, 2)), tf.float32)


def test_grad_cam_is_the_weighted_sum_of_the_channels(model, image):
    head, features = keras.Input((4, 4, 6)), keras.Model(model.input, model.get_layer("last").output)(image)
    value = head
    for layer in model.layers[3:]:
        value = layer(value)
    rest = keras.Model(head, value)
    expected = np.zeros((4, 4))
    with tf.GradientTape() as tape:
        tape.watch(features)
        score = rest(features)[0, 2]
    slopes = tape.gradient(score, features).numpy()[0]
    for channel in range(6):
        expected += slopes[..., channel].mean() * features.numpy()[0, ..., channel]
    found = saliency.grad_cam(model, image, 2, "last")
    np.testing.assert_allclose(found, np.maximum(expected, 0), rtol=1e-4, atol=1e-6)
    assert found.max() > 0


def test_gradient_saliency_is_the_largest_slope_of_the_channels(model, image):
    found = saliency.gradient(model, image, 1)
    for row, column in [(0, 0), (3, 4), (7, 7)]:
        slopes = []
        for channel in range(2):
            step = np.zeros(image.shape, np.float32)
            step[0, row, column, channel] = 1e-3
            up, down = model(image + step)[0, 1], model(image - step)[0, 1]
            slopes.append(abs(float(up - down)) / 2e-3)
        assert found[row, column] == pytest.approx(max(slopes), rel=0.02, abs=1e-4)


@pytest.mark.parametrize("label", range(4))
def test_integrated_gradients_sum_to_the_difference_of_the_scores(model, image, label):
    found, wanted = saliency.integrated_gradients(model, image, label)
    difference = float(model(image)[0, label] - model(tf.zeros_like(image))[0, label])
    assert wanted == pytest.approx(difference, abs=1e-6)
    assert found.sum() == pytest.approx(difference, rel=0.011)


def test_integrated_gradients_of_a_linear_network_are_weights_times_pixels(image):
    inputs = keras.Input((8, 8, 2))
    linear = keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Flatten()(inputs)))
    found, _ = saliency.integrated_gradients(linear, image, 1)
    expected = linear.layers[-1].kernel.numpy()[:, 1].reshape(8, 8, 2) * image[0].numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-7)


def test_rank_correlation_is_that_of_scipy():
    random = np.random.default_rng(0)
    first, second = random.normal(size=(2, 6, 6)).astype(np.float32)
    second[0] = first[0]
    second[3] = 0  # ties
    assert saliency.rank_correlation(first, second) == pytest.approx(
        spearmanr(np.abs(first).ravel(), np.abs(second).ravel()).statistic
    )
    assert saliency.rank_correlation(first, -first) == pytest.approx(1)
    assert saliency.rank_correlation(first, np.zeros_like(first)) is None


def test_shuffled_weights_keep_their_values_and_come_back(model):
    before = [weight.numpy() for weight in model.weights]
    with saliency.shuffled(model, 0):
        for weight, values in zip(model.weights, before, strict=True):
            np.testing.assert_array_equal(np.sort(weight.numpy().ravel()), np.sort(values.ravel()))
        assert any((weight.numpy() != values).any() for weight, values in zip(model.weights, before, strict=True))
    for weight, values in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), values)


def test_maps_are_compared_with_those_of_shuffled_weights(model):
    pixels = np.random.default_rng(1).integers(0, 256, (8, 8, 2), np.uint8)
    pixels[:4] = 0  # where integrated gradients are 0 with any weights
    (found,) = saliency.explain(model, pixels, [3], "last", 5)
    assert [one.method for one in found.maps] == list(saliency.METHODS)
    image = tf.constant(pixels[None] / np.float32(255))
    with saliency.shuffled(model, 5):
        expected = saliency.grad_cam(model, image, 3, "last")
    np.testing.assert_allclose(found.maps[0].shuffled, expected, rtol=1e-4, atol=1e-6)
    last = found.maps[-1]
    own, other = np.abs(last.values[4:]).ravel(), np.abs(last.shuffled[4:]).ravel()
    assert last.correlation == pytest.approx(spearmanr(own, other).statistic)
    (without,) = saliency.explain(model, pixels, [3], None, 5)
    assert [one.method for one in without.maps] == list(saliency.METHODS[1:])
