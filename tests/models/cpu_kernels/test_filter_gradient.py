"""The gradient of a convolution by its kernel, compared with TensorFlow's."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from cnnlab.models.cpu_kernels import use_fast_kernels
from cnnlab.models.cpu_kernels.filter_gradient import kernel_gradient
from tests.models.cpu_kernels.steps import step


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("window", [(3, 3), (2, 2), (1, 3), (1, 1)], ids=str)
def test_matrix_products_are_the_gradient(window, padding):
    draw = np.random.default_rng(0)
    images = tf.constant(draw.normal(size=(3, 6, 5, 4)), tf.float32)
    kernel = tf.constant(draw.normal(size=(*window, 4, 7)), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(kernel)
        outputs = tf.nn.conv2d(images, kernel, 1, padding)
        weights = tf.constant(draw.normal(size=outputs.shape), tf.float32)
        loss = tf.reduce_sum(outputs * weights)
    found = kernel_gradient(images, weights, kernel.shape, padding)
    np.testing.assert_allclose(found, tape.gradient(loss, kernel), rtol=1e-4, atol=1e-4)


def network(shape, filters, precision="mixed_bfloat16", **options):
    keras.utils.set_random_seed(1)
    inputs = keras.Input(shape)
    layer = keras.layers.Conv2D(filters, 3, dtype=precision, **{"use_bias": False, **options})
    return keras.Model(inputs, layer(inputs))


def kinds(model):
    images = tf.zeros((2, *model.input_shape[1:]))
    function = step.get_concrete_function(model, images, tf.cast(model(images), tf.float32))
    return [operation.type for operation in function.graph.get_operations()]


@pytest.mark.parametrize("options", [{"padding": "same"}, {}, {"activation": "relu"}], ids=str)
@pytest.mark.parametrize("shape", [(7, 7, 64), (3, 4, 64)], ids=str)
def test_a_step_is_that_of_keras(shape, options):
    draw = np.random.default_rng(0)
    theirs, ours = network(shape, 128, **options), network(shape, 128, **options)
    use_fast_kernels(ours)
    # Numbers that bfloat16 has.
    images = tf.cast(tf.cast(draw.normal(size=(6, *shape)), tf.bfloat16), tf.float32)
    weights = tf.cast(tf.cast(draw.normal(size=(6, *theirs.output_shape[1:])), tf.bfloat16), tf.float32)
    assert "Conv2DBackpropFilter" not in kinds(ours)
    assert "MatMul" in kinds(ours)
    expected, found = step(theirs, images, weights), step(ours, images, weights)
    np.testing.assert_array_equal(found[0], expected[0])
    for one, other in zip(found[1], expected[1], strict=True):
        np.testing.assert_allclose(one, other, atol=0.01 * np.abs(other).max())


@pytest.mark.parametrize(
    ("shape", "filters", "options"),
    [
        ((7, 7, 64), 128, {"precision": "float32"}),
        ((8, 7, 64), 128, {"padding": "same"}),
        ((7, 7, 64), 64, {}),
        ((7, 7, 64), 128, {"use_bias": True}),
        ((7, 7, 64), 128, {"strides": 2}),
        ((7, 7, 64), 128, {"dilation_rate": 2}),
    ],
    ids=str,
)
def test_others_are_left_to_keras(shape, filters, options):
    model = network(shape, filters, **options)
    use_fast_kernels(model)
    assert "Conv2DBackpropFilter" in kinds(model)
    assert "MatMul" not in kinds(model)


def test_a_network_is_saved_with_the_layer_of_keras(tmp_path):
    model = network((5, 5, 64), 128)
    use_fast_kernels(model)
    step(model, tf.zeros((2, 5, 5, 64)), tf.zeros((2, 3, 3, 128)))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    images = np.random.default_rng(0).normal(size=(4, 5, 5, 64))
    np.testing.assert_array_equal(loaded(images), model(images))
