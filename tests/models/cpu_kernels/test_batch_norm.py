"""Batch normalization by the fused kernel, compared with Keras's."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from cnnlab.config.load import load
from cnnlab.config.overrides import parse_set
from cnnlab.models.cpu_kernels import use_fast_kernels
from cnnlab.training.trainer import Trainer
from tests.models.cpu_kernels.steps import step

TOLERANCE = {"float32": 2e-5, "mixed_bfloat16": 0.02}


def network(images, precision, **options):
    keras.utils.set_random_seed(1)
    inputs = keras.Input(images.shape[1:])
    layer = keras.layers.BatchNormalization(
        momentum=0.6, gamma_initializer="random_uniform", beta_initializer="random_uniform", dtype=precision, **options
    )
    return keras.Model(inputs, layer(inputs)), layer


@pytest.mark.parametrize("precision", TOLERANCE)
@pytest.mark.parametrize("options", [{}, {"scale": False}, {"center": False, "epsilon": 0.1}], ids=str)
@pytest.mark.parametrize("shape", [(6, 5, 4, 16), (3, 2, 2, 48), (1, 1, 1, 16)], ids=str)
def test_outputs_gradients_and_averages_are_those_of_keras(shape, options, precision):
    draw = np.random.default_rng(0)
    images = tf.constant(draw.normal(3, 2, shape), tf.float32)
    if precision != "float32":  # numbers that bfloat16 has
        images = tf.cast(tf.cast(images, tf.bfloat16), tf.float32)
    weights = tf.constant(draw.normal(size=shape), tf.float32)
    model, layer = network(images, precision, **options)
    fused, fused_layer = network(images, precision, **options)
    use_fast_kernels(fused)
    expected, found = step(model, images, weights), step(fused, images, weights)
    assert "FusedBatchNormV3" in {
        op.type for op in step.get_concrete_function(fused, images, weights).graph.get_operations()
    }
    averages = [(same.moving_mean, same.moving_variance) for same in (layer, fused_layer)]
    tolerance = TOLERANCE[precision]
    for theirs, ours in zip(
        tf.nest.flatten((expected, averages[0])), tf.nest.flatten((found, averages[1])), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, atol=tolerance * max(1, np.abs(theirs).max()))
    np.testing.assert_allclose(fused(images), model(images), atol=tolerance * 5)


def kinds(model):
    function = tf.function(lambda images: model(images, training=True))
    operations = function.get_concrete_function(tf.TensorSpec((4, *model.input_shape[1:]))).graph.get_operations()
    return {operation.type for operation in operations}


@pytest.mark.parametrize("channels", [8, 24])
def test_other_numbers_of_channels_are_left_to_keras(channels):
    model, _ = network(np.zeros((1, 4, 4, channels)), "float32")
    use_fast_kernels(model)
    assert "FusedBatchNormV3" not in kinds(model)


def test_frozen_layers_stay_in_inference_mode():
    model, layer = network(np.zeros((1, 4, 4, 16)), "float32")
    use_fast_kernels(model)
    layer.trainable = False
    assert "FusedBatchNormV3" not in kinds(model)


def test_a_trained_network_is_saved_with_the_layer_of_keras(tmp_path):
    layers = "[{conv2d: {filters: 16, kernel_size: 3}}, batch_norm, flatten, {dense: 10}]"
    trainer = Trainer.from_experiment(
        load("digits", [parse_set(f"model.layers={layers}"), parse_set("data.limit=100")])
    )
    assert "FusedBatchNormV3" in kinds(trainer.model)
    for _ in trainer.engine.epoch(0):
        pass
    trainer.model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded.get_layer("batch_norm_1")) is keras.layers.BatchNormalization
    images = trainer.dataset.test.images[:5] / np.float32(255)
    np.testing.assert_allclose(loaded(images), trainer.model(images), atol=1e-5)
