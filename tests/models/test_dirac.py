"""The initializer `dirac`."""

import keras
import numpy as np
import pytest

from cnnlab.config.lint import lint
from cnnlab.config.load import read
from cnnlab.experiment.schema import Experiment
from cnnlab.models.build import Inputs, build_for


def model_of(*layers, precision="float32"):
    data = {"name": "synthetic", "image_shape": [8, 8, 3], "num_classes": 3}
    experiment = Experiment.model_validate(
        {"name": "dirac", "data": data, "model": {"layers": [*layers, "flatten", {"dense": 3}]}, "train": {"precision": precision}}
    )  # fmt: skip
    keras.utils.set_random_seed(0)
    return build_for(experiment, Inputs((8, 8, 3), 3))


def outputs_of(model, name):
    images = np.random.default_rng(0).uniform(size=(4, 8, 8, 3)).astype(np.float32)
    return images, np.asarray(keras.Model(model.input, model.get_layer(name).output)(images))


@pytest.mark.parametrize("filters", [2, 3, 7])
@pytest.mark.parametrize("window", [1, 2, 3, 5, [3, 1]])
def test_the_first_filters_pass_on_the_channels(filters, window):
    layer = {"filters": filters, "kernel_size": window, "padding": "same", "kernel_initializer": "dirac"}
    images, outputs = outputs_of(model_of({"conv2d": layer}), "conv2d_0")
    count = min(3, filters)
    np.testing.assert_array_equal(outputs[..., :count], images[..., :count])


def test_the_other_filters_are_those_of_glorot_uniform():
    def kernel(initializer):
        model = model_of({"conv2d": {"filters": 7, "kernel_size": 3, "kernel_initializer": initializer}})
        return np.asarray(model.get_layer("conv2d_0").kernel)

    np.testing.assert_array_equal(kernel("dirac")[..., 3:], kernel("glorot_uniform")[..., 3:])
    assert not kernel("dirac")[..., :3].all()


def test_layers_in_blocks_and_dense_layers_too():
    convolution = {"conv2d": {"filters": 3, "kernel_size": 3, "padding": "same", "kernel_initializer": "dirac"}}
    model = model_of(
        {"residual": {"layers": [convolution]}}, "flatten", {"dense": {"units": 192, "kernel_initializer": "dirac"}}
    )
    images, outputs = outputs_of(model, "dense_2")
    np.testing.assert_allclose(outputs, 2 * images.reshape(4, -1), rtol=1e-6)


def test_layers_without_a_weight_per_pair_of_channels_are_an_error(tmp_path):
    (tmp_path / "x.yaml").write_text(
        "data: mnist\nmodel:\n  layers:\n    - depthwise_conv2d: {kernel_size: 3, kernel_initializer: dirac}\n"
        "    - flatten\n    - dense: {units: 10, kernel_initializer: dirac}\n"
    )
    (found,) = lint(read(str(tmp_path / "x.yaml")))
    assert found.is_error
    assert str(found).endswith(
        "x.yaml:4:42: model.layers[0].depthwise_conv2d.kernel_initializer: dirac: expected at a conv2d or a dense"
    )
