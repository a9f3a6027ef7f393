"""Networks of `keras.applications` as a layer: described without TensorFlow as Keras builds them."""

import keras
import numpy as np
import pytest

from cnnlab.experiment.layers.architectures import ARCHITECTURES
from cnnlab.experiment.layers.backbone import Backbone
from cnnlab.experiment.schema import Model
from cnnlab.experiment.summary import summarize
from cnnlab.models import backbone
from cnnlab.models.build import build
from cnnlab.models.weights import layers_of, named

PREPROCESS = {
    "mobilenet_v2": keras.applications.mobilenet_v2.preprocess_input,
    "resnet50": keras.applications.resnet50.preprocess_input,
    "efficientnet_v2_b0": keras.applications.efficientnet_v2.preprocess_input,
}


def of(name, **options):
    return Backbone.model_validate({"backbone": {"name": name, **options}})


@pytest.mark.parametrize("shape", [(32, 32, 3), (47, 65, 3), (224, 224, 3)], ids=str)
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_shapes_weights_and_costs_are_those_of_keras(name, shape):
    (line,) = summarize([of(name)], shape).lines
    model = backbone.build(of(name), shape, "backbone_0", "float32")
    assert line.output_shape == model.output_shape[1:]
    assert line.cost.parameters == model.count_params()
    assert line.cost.trainable == sum(int(np.prod(weight.shape)) for weight in model.trainable_variables)
    assert line.weights == {name: tuple(weight.shape) for name, weight in named(model).items()}
    kernels = 0
    for _, layer in layers_of(model):
        if isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D):
            kernels += int(np.prod(layer.kernel.shape)) * int(np.prod(layer.output.shape[1:3]))
    parts = ARCHITECTURES[name](shape)
    assert kernels == sum(part.cost.multiplications for part in parts if part.spec and "conv2d" in part.spec.kind)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_preprocessing_of_the_application_is_inside(name):
    model = backbone.build(of(name), (32, 32, 3), "backbone_0", "float32")
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype(np.float32)
    if name == "efficientnet_v2_b0":  # does nothing there: the network begins with it
        assert (PREPROCESS[name](pixels.copy()) == pixels).all()
    inner = keras.Model(model.input, model.get_layer("preprocessing").output)
    np.testing.assert_allclose(inner(pixels / 255), PREPROCESS[name](pixels.copy()), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_it_computes_in_the_precision_of_the_training(precision):
    model = backbone.build(of("mobilenet_v2"), (32, 32, 3), "backbone_0", precision)
    assert keras.config.dtype_policy().name == "float32"
    assert model.get_layer("Conv1").compute_dtype == precision.removeprefix("mixed_")


def test_a_frozen_backbone_is_in_inference_mode_with_its_dropout():
    layers = [{"backbone": {"name": "efficientnet_v2_b0", "freeze": True}}, "global_avg_pool2d", {"dense": 3}]
    model = build(Model.model_validate({"layers": layers}), (32, 32, 3), 3, name="x")
    model.get_layer("backbone_0").trainable = False
    images = np.random.default_rng(0).random((4, 32, 32, 3), np.float32)
    np.testing.assert_array_equal(model(images, training=True), model(images, training=False))
