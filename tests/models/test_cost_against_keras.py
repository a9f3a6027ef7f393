"""Computed shapes and costs match the networks that Keras builds."""

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings

from cnnlab.config import shipped
from cnnlab.config.load import load
from cnnlab.experiment.network import LayerError, assemble
from cnnlab.experiment.schema import Model
from cnnlab.experiment.summary import summarize
from cnnlab.models.build import _KerasAssembler, build
from cnnlab.models.weights import named
from tests.experiment.architectures import image_shapes, networks

# Keras warns about networks with a single class, which occur among random networks.
pytestmark = pytest.mark.filterwarnings("ignore:.*You are using a softmax over axis:UserWarning")


class Recorder(_KerasAssembler):
    """Builds as cnnlab does, and records the name and shape of every layer."""

    def __init__(self):
        super().__init__()
        self.shapes = []

    def apply(self, spec, place, value):
        return self.note(place, super().apply(spec, place, value))

    def merge(self, kind, place, values):
        return self.note(place, super().merge(kind, place, values))

    def note(self, place, value):
        self.shapes.append((place.name, tuple(value.shape[1:])))
        return value


def compare_with_keras(layers, image_shape):
    summary = summarize(layers, image_shape)
    recorder = Recorder()
    inputs = keras.Input(image_shape)
    model = keras.Model(inputs, assemble(layers, inputs, recorder))
    assert [(line.place.name, line.output_shape) for line in summary.lines] == recorder.shapes
    assert summary.cost.parameters == model.count_params()
    assert summary.cost.trainable == sum(int(np.prod(v.shape)) for v in model.trainable_variables)
    by_name = {layer.name: layer.count_params() for layer in model.layers}
    for line in summary.lines:
        assert line.cost.parameters == by_name.get(line.place.name, 0)
    shapes = {name: tuple(weight.shape) for name, weight in named(model).items()}
    assert {name: shape for line in summary.lines for name, shape in line.weights.items()} == shapes
    return model


@pytest.mark.parametrize("name", shipped.paths())
def test_every_shipped_network_matches_keras(name):
    experiment = load(name)
    model = compare_with_keras(experiment.model.layers, experiment.data.image_shape)
    assert model.output_shape == (None, experiment.data.num_classes)


@given(networks, image_shapes)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
def test_random_networks_match_keras(layers, image_shape):
    model = Model.model_validate({"layers": layers})
    try:
        summarize(model.layers, image_shape)
    except LayerError:
        assume(False)
    built = compare_with_keras(model.layers, image_shape)
    outputs = built(np.ones((2, *image_shape), np.float32))
    assert tuple(outputs.shape) == (2, *built.output_shape[1:])


@given(networks, image_shapes)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
def test_rejected_networks_cannot_be_built_by_keras_either(layers, image_shape):
    model = Model.model_validate({"layers": layers})
    try:
        summarize(model.layers, image_shape)
        assume(False)
    except LayerError as misfit:
        assume("shortcut" not in str(misfit) and "added to features" not in str(misfit))  # restrictions of cnnlab
    inputs = keras.Input(image_shape)
    with pytest.raises(Exception, match=r"."):
        _unchecked(model.layers, inputs)


def _unchecked(layers, inputs):
    outputs = assemble(layers, inputs, _KerasAssembler())
    return keras.Model(inputs, outputs)(np.ones((2, *inputs.shape[1:]), np.float32))


@pytest.mark.parametrize(
    ("initializer", "limit", "stddev"),
    [
        ("xavier", 2 * (2 / (300 + 200)) ** 0.5, 0.8796 * (2 / (300 + 200)) ** 0.5),
        ("he", 2 * (2 / 300) ** 0.5, 0.8796 * (2 / 300) ** 0.5),
        ("glorot_normal", 2 * (2 / (300 + 200)) ** 0.5 / 0.8796, (2 / (300 + 200)) ** 0.5),
        ("he_normal", 2 * (2 / 300) ** 0.5 / 0.8796, (2 / 300) ** 0.5),
    ],
)
def test_initializers_match_the_course_and_keras(initializer, limit, stddev):
    # Intel's slides: truncated normal with stddev sqrt(2 / (n_in + n_out)) or sqrt(2 / n_in), truncated at two stddev.
    keras.utils.set_random_seed(0)
    layers = [{"dense": {"units": 300}}, {"dense": {"units": 200, "kernel_initializer": initializer}}]
    model = build(Model.model_validate({"layers": ["flatten", *layers]}), (4, 4, 1), 200, name="model")
    kernel = model.layers[-1].kernel.numpy()
    assert np.abs(kernel).max() == pytest.approx(limit, rel=0.01)
    assert np.abs(kernel).max() <= limit * 1.001
    assert kernel.std() == pytest.approx(stddev, rel=0.02)
