"""Receptive fields, against the pixels that change an output."""

import numpy as np
import pytest
import tensorflow as tf

from cnnlab.experiment.schema import Experiment
from cnnlab.experiment.summary import summarize
from cnnlab.explain.receptive import receptive_fields
from cnnlab.models.build import Inputs, build_for

LAYERS = {
    "same, stride 2": [
        {"conv2d": {"filters": 1, "kernel_size": 3, "strides": 2, "padding": "same"}},
        {"max_pool2d": 2},
    ],
    "even kernel": [
        {"conv2d": {"filters": 1, "kernel_size": [4, 2], "padding": "same"}},
        {"avg_pool2d": {"pool_size": 3, "strides": 2, "padding": "same"}},
        {"conv2d": {"filters": 1, "kernel_size": 2}},
    ],
    "padding": [{"zero_padding2d": 2}, {"conv2d": {"filters": 1, "kernel_size": 5, "strides": 3}}],
    "residual": [
        {"residual": {"layers": [{"conv2d": {"filters": 2, "kernel_size": 5, "strides": 2, "padding": "same"}}]}},
        {
            "parallel": [
                [{"conv2d": {"filters": 1, "kernel_size": 1}}],
                [{"avg_pool2d": {"pool_size": 3, "strides": 1, "padding": "same"}}],
            ]
        },
    ],
}


@pytest.mark.parametrize("zero_padding", [0, 1])
@pytest.mark.parametrize("layers", LAYERS.values(), ids=LAYERS)
def test_the_window_has_the_pixels_that_an_output_depends_on(layers, zero_padding):
    experiment = Experiment.model_validate(
        {
            "name": "x",
            "data": {"name": "digits"},
            "preprocessing": {"zero_padding": zero_padding},
            "model": {"layers": [*layers, "global_avg_pool2d", {"dense": 10}]},
        }
    )
    side = experiment.data.image_shape[0]
    model = build_for(experiment, Inputs(experiment.data.image_shape, 10))
    for weight in model.weights:
        weight.assign(tf.abs(weight) + 0.1)  # nothing cancels
    line = summarize(experiment.model.layers, experiment.input_shape).lines[-3]
    layer = next(one for one in model.layers if one.name == line.place.name)
    partial = tf.keras.Model(model.input, layer.output)
    axes = receptive_fields(experiment)[line.place.name]
    random = np.random.default_rng(0)
    image = tf.constant(random.random((2, side, side, 1)), tf.float32)
    height, width = line.output_shape[:2]
    touched = np.zeros((side, side), bool)
    for row, column in [(0, 0), (height - 1, width - 1), (height // 2, width // 3)]:
        with tf.GradientTape() as tape:
            tape.watch(image)
            value = tf.reduce_sum(partial(image)[0, row, column])
        seen = np.argwhere(np.asarray(tape.gradient(value, image))[0, ..., 0] != 0)
        touched[tuple(seen.T)] = True
        for axis, index, pixels in zip(axes, (row, column), seen.T, strict=True):
            first, last = axis.pixels(index, side)
            assert max(0, first) <= pixels.min()
            assert pixels.max() < min(side, last)
            if "max_pool2d" not in line.place.name and not any("max_pool2d" in one for one in layers):
                assert (pixels.min(), pixels.max() + 1) == (max(0, first), min(side, last))
    assert touched.any()
