import keras
import numpy as np
import pytest
import tensorflow as tf

from cnnlab.experiment.losses import CrossEntropy
from cnnlab.models.inspection import Inspector
from cnnlab.models.losses import loss_function


@pytest.fixture
def model():
    keras.utils.set_random_seed(0)
    layers = [
        keras.layers.Conv2D(3, 3, activation="tanh", name="conv"),
        keras.layers.Flatten(name="flatten"),
        keras.layers.Dropout(0.5, name="dropout"),
        keras.layers.Dense(4, name="dense"),
    ]
    inputs = value = keras.Input((6, 6, 1), name="image")
    for layer in layers:
        value = layer(value)
    return keras.Model(inputs, value)


@pytest.fixture
def batch():
    random = np.random.default_rng(0)
    return tf.constant(random.random((5, 6, 6, 1), np.float32)), tf.constant(random.integers(0, 4, 5, np.int32))


@pytest.fixture
def inspector(model):
    return Inspector(model, loss_function(CrossEntropy()), tf.distribute.get_strategy())


def test_outputs_are_those_of_each_layer_in_execution_order(model, inspector, batch):
    images, _ = batch
    outputs = inspector.outputs(images)
    assert list(outputs) == ["image", "conv", "flatten", "dropout", "dense"]
    np.testing.assert_array_equal(outputs["image"], images)
    np.testing.assert_allclose(outputs["conv"], model.get_layer("conv")(images), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(outputs["dropout"], outputs["flatten"])  # inference mode
    np.testing.assert_allclose(outputs["dense"], model(images), rtol=1e-5, atol=1e-6)
    trained = inspector.outputs(images, training=True)
    assert 0.2 < np.mean(np.asarray(trained["dropout"]) == 0) < 0.8


def test_gradients_match_a_tape_for_weights_images_and_outputs(model, inspector, batch):
    images, labels = batch
    found = inspector.gradients(images, labels)
    with tf.GradientTape() as tape:
        tape.watch(images)
        conv = model.get_layer("conv")(images)
        dense = model.get_layer("dense")(tf.reshape(conv, (5, -1)))
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, dense))
    weights = {f"{layer.name}/{weight.name}": weight.value for layer in model.layers for weight in layer.weights}
    of_weights, of_images, of_conv, of_dense = tape.gradient(loss, (list(weights.values()), images, conv, dense))
    assert found.weights.keys() == weights.keys()
    for name, expected in zip(weights, of_weights, strict=True):
        np.testing.assert_allclose(found.weights[name], expected, rtol=1e-4, atol=1e-7, err_msg=name)
    np.testing.assert_allclose(found.inputs, of_images, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(found.outputs["conv"], of_conv, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(found.outputs["dense"], of_dense, rtol=1e-4, atol=1e-7)


def test_the_network_is_unchanged(model, inspector, batch):
    before = [weight.numpy() for weight in model.weights]
    inspector.gradients(*batch)
    inspector.outputs(batch[0])
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), value)
