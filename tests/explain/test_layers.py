"""The table of layers, against a tape on the plain Keras model."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from cnnlab import data
from cnnlab.explain.layers import inspect
from cnnlab.explain.structure import Structure
from cnnlab.models.losses import loss_function


def looks(loaded, number=3):
    experiment = loaded.experiment
    pixels = data.load(experiment.data).test.images[number : number + 1][0]
    return pixels, inspect(loaded, Structure.from_experiment(experiment), pixels, 7)


def tape(loaded, pixels, name):
    """Output of a layer, and gradients of the loss by it and by the layer's weights.

    Of two images, since TensorFlow fails with some gradients of one.
    """
    loss = loss_function(loaded.experiment.train.loss)
    layer = loaded.model.get_layer(name)
    both = keras.Model(loaded.model.input, [layer.output, loaded.model.output])
    images = tf.constant(np.stack([pixels] * 2) / np.float32(255))
    with tf.GradientTape() as recorded:
        recorded.watch(images)
        output, scores = both(images, training=False)
        value = tf.reduce_sum(loss(tf.constant([7, 7]), tf.cast(scores, tf.float32)))
    slopes = recorded.gradient(value, [output, *(weight.value for weight in layer.trainable_weights)])
    output, slope, *of_weights = (np.asarray(tf.cast(one, tf.float32)) for one in (output, *slopes))
    return [output[:1], slope[:1], *(one / 2 for one in of_weights)]


@pytest.mark.parametrize(("name", "tolerance"), [("tiny-1", 1e-5), ("flat-1", 1e-5), ("blocks-1", 2e-2)])
def test_every_number_agrees_with_a_tape(loaded, name, tolerance):
    network = loaded(name)
    pixels, views = looks(network)
    assert [view.name for view in views] == [layer.name for layer in network.model.layers]
    for view in views[1:]:
        output, slope, *of_weights = tape(network, pixels, view.name)
        row = view.row()
        if view.name.startswith("channel_max_pool"):
            output, slope = output.max(axis=-1), slope.sum(axis=-1)
        for key, array in (("activation", output), ("gradient", slope)):
            scale = float(np.abs(array).max())
            assert row[f"{key}_min"] == pytest.approx(float(array.min()), abs=tolerance * scale + 1e-7), (
                view.name,
                key,
            )
            assert row[f"{key}_max"] == pytest.approx(float(array.max()), abs=tolerance * scale + 1e-7), (
                view.name,
                key,
            )
        for weight, gradient in zip(view.weights.values(), of_weights, strict=True):
            np.testing.assert_allclose(weight.gradient, gradient, atol=tolerance * np.abs(gradient).max() + 1e-7)


def test_the_gradient_by_the_image_agrees_with_finite_differences(loaded):
    network = loaded("tiny-1")
    pixels, views = looks(network)
    loss = loss_function(network.experiment.train.loss)
    image = pixels[None].astype(np.float32) / 255
    gradient = views[0].gradients
    place = np.unravel_index(np.abs(gradient).argmax(), gradient.shape)
    step = np.zeros_like(image)
    step[0][place] = 1e-3
    up, down = (
        float(loss(tf.constant([7]), network.model(tf.constant(image + sign * step), training=False))[0])
        for sign in (1, -1)
    )
    assert gradient[place] == pytest.approx((up - down) / 2e-3, rel=0.02)


def test_rows_say_what_a_layer_is(loaded):
    network = loaded("tiny-1")
    rows = {view.name: view.row() for view in looks(network)[1]}
    assert list(rows) == ["image", "conv2d_0", "max_pool2d_1", "flatten_2", "dense_3"]
    side = network.experiment.data.image_shape[0]
    assert rows["image"]["output"] == f"{side}×{side}×1"
    assert {key: rows["conv2d_0"][key] for key in ("filter", "stride", "parameters")} == {
        "filter": "3×3",
        "stride": "2",
        "parameters": 3 * 3 * 4 + 4,
    }
    assert rows["max_pool2d_1"]["filter"] == "2×2"
    assert rows["dense_3"]["filter"] == ""
    assert sum(row["parameters"] for row in rows.values()) == network.model.count_params()


def test_maxout_has_the_output_of_the_network(loaded):
    network = loaded("blocks-1")
    _, views = looks(network)
    by_name = {view.name: view for view in views}
    pooled, flat = by_name["channel_max_pool_5"], by_name["flatten_6"]
    np.testing.assert_allclose(pooled.activations.ravel(), flat.activations, rtol=1e-6)
    np.testing.assert_allclose(pooled.gradients.ravel(), flat.gradients, rtol=1e-6)
