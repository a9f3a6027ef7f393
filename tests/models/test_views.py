import keras
import numpy as np
import pytest

from cnnlab.experiment.losses import CrossEntropy
from cnnlab.experiment.test_time import TestTime
from cnnlab.models.inference import ForwardPass
from cnnlab.models.views import averaged_over_views


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    layers = [keras.Input((6, 5, 2)), keras.layers.Flatten(), keras.layers.Dense(8, "tanh"), keras.layers.Dense(3)]
    return keras.Sequential(layers)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (7, 6, 5, 2), dtype=np.uint8)


def shifted(images, down, right):
    moved = np.zeros_like(images)
    height, width = images.shape[1:3]
    rows, columns = range(max(0, down), min(height, height + down)), range(max(0, right), min(width, width + right))
    for row in rows:
        for column in columns:
            moved[:, row, column] = images[:, row - down, column - right]
    return moved


def test_without_test_time_the_network_is_itself(model):
    assert averaged_over_views(model, None) is model


def test_a_flip_counts_as_much_as_the_image(model, images):
    pixels = images.astype(np.float32) / 255
    expected = (model(pixels) + model(pixels[:, :, ::-1])) / 2
    found = averaged_over_views(model, TestTime(flip=True))(pixels)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("flip", [False, True])
def test_shifted_images_have_half_of_the_weight(model, images, flip):
    pixels = images.astype(np.float32) / 255
    views = [(0.5, pixels), (0.25, shifted(pixels, -2, -2)), (0.25, shifted(pixels, 2, 2))]
    if flip:
        views = [(weight / 2, way) for weight, view in views for way in (view, view[:, :, ::-1])]
    expected = sum(weight * model(view).numpy() for weight, view in views)
    found = averaged_over_views(model, TestTime(flip=flip, translate=2))(pixels)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_the_forward_pass_averages_outputs_and_uses_the_weights_of_now(model, images):
    forward = ForwardPass(model, CrossEntropy(), TestTime(flip=True))
    pixels = images.astype(np.float32) / 255
    before = model.get_weights()
    for scale in (1.0, 2.0):
        model.set_weights([scale * weight for weight in before])
        outputs = (model(pixels) + model(pixels[:, :, ::-1])) / 2
        np.testing.assert_allclose(forward.scores(images), keras.ops.softmax(outputs), atol=1e-6)
    model.set_weights(before)
