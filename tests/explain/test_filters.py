"""Activity of filters, and their patches."""

import keras
import numpy as np
import pytest

from cnnlab.data import Examples
from cnnlab.experiment.schema import Experiment
from cnnlab.explain.filters import OUTSIDE, PATCHES, activity, counts, patches
from cnnlab.explain.receptive import receptive_fields
from cnnlab.explain.structure import Structure
from cnnlab.models.build import Inputs, build_for

SIDE, COUNT = 28, 23


@pytest.fixture(scope="module")
def experiment():
    conv = {"filters": 4, "kernel_size": 3, "strides": 2, "padding": "same", "activation": "relu"}
    layers = [{"conv2d": conv}, {"conv2d": {**conv, "filters": 3}}, "flatten", {"dense": 10}]
    return Experiment.model_validate({"name": "x", "data": {"name": "digits"}, "model": {"layers": layers}})


@pytest.fixture
def model(experiment):
    keras.utils.set_random_seed(1)
    model = build_for(experiment, Inputs(experiment.data.image_shape, 10))
    kernel, bias = model.get_layer("conv2d_0").get_weights()
    kernel[..., 1], bias[1] = 0, -1  # never above 0
    kernel[..., 2], bias[2] = 0, 1  # always above 0
    model.get_layer("conv2d_0").set_weights([kernel, bias])
    return model


@pytest.fixture(scope="module")
def examples(experiment):
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (COUNT, *experiment.data.image_shape), np.uint8)
    return Examples(images, np.zeros(COUNT, np.int32))


@pytest.mark.parametrize("batch_size", [5, 100])
def test_dead_and_always_open_filters_are_found(model, examples, batch_size):
    found = activity(model, ["conv2d_0", "conv2d_1"], examples, batch_size)
    assert found["conv2d_0"].dead == [1]
    assert found["conv2d_0"].always_open == [2]
    outputs = keras.Model(model.input, model.get_layer("conv2d_0").output)(examples.images / np.float32(255)).numpy()
    np.testing.assert_allclose(found["conv2d_0"].share, (outputs > 0).mean(axis=(0, 1, 2)))
    rows = counts(found, {"conv2d_0": True, "conv2d_1": False})
    assert [(row["dead"], row["always_open"]) for row in rows] == [(1, 1), (None, None)]


def test_patches_are_the_windows_of_the_largest_activations(model, experiment, examples):
    name = "conv2d_1"
    found = activity(model, [name], examples, 6)[name]
    cut = patches(found, receptive_fields(experiment)[name], examples)
    outputs = keras.Model(model.input, model.get_layer(name).output)(examples.images / np.float32(255)).numpy()
    flat = outputs.reshape(COUNT, -1, 3)
    padded = np.pad(examples.images, ((0, 0), (16, 16), (16, 16), (0, 0)), constant_values=OUTSIDE)
    for filter_ in range(3):
        order = np.argsort(-flat[..., filter_].max(axis=1), kind="stable")[:PATCHES]
        np.testing.assert_allclose(found.values[:, filter_], flat[order, :, filter_].max(axis=1), rtol=1e-5)
        assert found.examples[:, filter_].tolist() == order.tolist()
        for number, example in enumerate(order):
            row, column = np.unravel_index(flat[example, :, filter_].argmax(), outputs.shape[1:3])
            # Kernels of 3 at stride 2 twice, "same" on an even side: no padding before, so field 7 from 4 * index on.
            expected = padded[example, 16 + 4 * row : 23 + 4 * row, 16 + 4 * column : 23 + 4 * column]
            np.testing.assert_array_equal(cut[filter_, number], expected)


def test_only_a_rectifier_that_follows_makes_filters_dead():
    conv = {"conv2d": {"filters": 2, "kernel_size": 3, "padding": "same"}}
    branches = [[conv], ["batch_norm", {"activation": "relu"}, {"conv2d": {"filters": 2, "kernel_size": 1}}]]
    layers = [conv, "batch_norm", {"activation": "relu"}, {"parallel": branches}, "flatten", {"dense": 10}]
    data = {"name": "digits"}
    structure = Structure.from_experiment(
        Experiment.model_validate({"name": "x", "data": data, "model": {"layers": layers}})
    )
    first, in_branch, last = structure.convolutions
    assert structure.activated(first).place.name == "activation_2"
    assert structure.is_rectified(first)
    assert structure.activated(in_branch) is in_branch  # what comes next is in another branch
    assert not structure.is_rectified(last)
