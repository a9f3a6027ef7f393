"""The networks of `keras.applications`, with their preprocessing, as one layer."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras

from cnnlab.data.backbones import weights_path
from cnnlab.errors import ConfigError
from cnnlab.experiment.layers.backbone import Backbone
from cnnlab.experiment.schema import Experiment, Precision
from cnnlab.models.weights import Arrays, named

APPLICATIONS = {
    "mobilenet_v2": keras.applications.MobileNetV2,
    "resnet50": keras.applications.ResNet50,
    "efficientnet_v2_b0": keras.applications.EfficientNetV2B0,
}
IMAGENET_BGR_MEAN = (103.939, 116.779, 123.68)
"""Of `preprocess_input` with mode `caffe`, keras/src/applications/imagenet_utils.py."""


def build(
    spec: Backbone, shape: tuple[int, ...], name: str, precision: Precision, *, frozen: bool = False
) -> keras.Model:
    """The network, with random weights, for images of `shape` in [0, 1]; without its dropout where it is `frozen`."""
    with _policy(precision):
        images = keras.Input(shape)
        application = APPLICATIONS[spec.name](include_top=False, weights=None, input_tensor=_preprocessed(spec, images))
    if frozen:
        for layer in application.layers:
            if isinstance(layer, keras.layers.Dropout):
                layer.rate = 0.0
    return keras.Model(images, application.output, name=name)


def _preprocessed(spec: Backbone, images: keras.KerasTensor) -> keras.KerasTensor:
    """As `preprocess_input` of the application does for pixels in [0, 255]."""
    match spec.name:
        case "mobilenet_v2":
            return keras.layers.Rescaling(2.0, -1.0, name="preprocessing", dtype="float32")(images)
        case "resnet50":
            offset = [-mean for mean in IMAGENET_BGR_MEAN]
            bgr = keras.ops.flip(images, axis=-1)
            return keras.layers.Rescaling(255.0, offset, name="preprocessing", dtype="float32")(bgr)
    return keras.layers.Rescaling(255.0, name="preprocessing", dtype="float32")(images)  # the rest is in the network


@contextmanager
def _policy(precision: Precision) -> Iterator[None]:
    """Applications take their precision from Keras's global setting."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def files(experiment: Experiment) -> dict[str, Path]:
    """The file of weights of each backbone that has one, by the name of its layer. Raises as `weights_path`."""
    return {
        f"backbone_{index}": weights_path(layer)
        for index, layer in enumerate(experiment.model.layers)
        if isinstance(layer, Backbone) and layer.weights
    }


def load(model: keras.Model, paths: dict[str, Path]) -> Arrays:
    """Set the weights of backbones to those in their files, and return them by name. Raises ConfigError."""
    arrays: Arrays = {}
    for name, path in paths.items():
        layer = model.get_layer(name)
        try:
            layer.load_weights(path)
        except (OSError, ValueError, KeyError, TypeError) as error:
            reason = " ".join(str(error).split())
            raise ConfigError(f"backbone.weights: {path}: not weights of this network: {reason[:300]}") from None
        arrays |= {weight: variable.numpy() for weight, variable in named(layer).items()}
    return arrays
