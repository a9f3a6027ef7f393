"""From an experiment's model to a Keras model."""

import re
from typing import Any

import keras
import tensorflow as tf

from cnnlab.config.choice import Choice
from cnnlab.config.layers import Layer
from cnnlab.config.schema import Model, Train
from cnnlab.errors import ConfigError

LAYERS: dict[str, type[keras.Layer]] = {
    "dense": keras.layers.Dense,
    "conv2d": keras.layers.Conv2D,
    "max_pool2d": keras.layers.MaxPooling2D,
    "zero_padding2d": keras.layers.ZeroPadding2D,
    "flatten": keras.layers.Flatten,
    "dropout": keras.layers.Dropout,
}
INITIALIZERS: dict[str, type[keras.initializers.Initializer]] = {
    "glorot_uniform": keras.initializers.GlorotUniform,
    "glorot_normal": keras.initializers.GlorotNormal,
    "he_normal": keras.initializers.HeNormal,
    "he_uniform": keras.initializers.HeUniform,
    "truncated_normal": keras.initializers.TruncatedNormal,
}
OPTIMIZERS: dict[str, type[keras.optimizers.Optimizer]] = {
    "sgd": keras.optimizers.SGD,
    "adam": keras.optimizers.Adam,
}


def build(model: Model, image_shape: tuple[int, int, int], num_classes: int, *, name: str) -> keras.Model:
    """A network from images (n, *image_shape) float32 in [0, 1] to outputs (n, num_classes).

    Its layers are named by kind and position (`conv2d_0`), so that the same model has the same names everywhere.
    Raises ConfigError where a layer cannot take what the one before it gives.
    """
    outputs = inputs = keras.Input(image_shape, name="image")
    for index, spec in enumerate(model.layers):
        outputs = _append(spec, index, outputs)
    if outputs.shape[1:] != (num_classes,):
        raise ConfigError(
            f"model.layers[{len(model.layers) - 1}]: the network ends in the shape {_shape(outputs)}; expected "
            f"({num_classes},), one output a class, such as from a last layer dense: {num_classes}"
        )
    return keras.Model(inputs, outputs, name=name)


def attach_optimizer(model: keras.Model, train: Train) -> None:
    """Give `model` the optimizer, where Keras's callbacks look for it, and the loss, for users of model.keras."""
    loss = {
        "cross_entropy": lambda: keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        "mse": keras.losses.MeanSquaredError,
    }[train.loss]
    model.compile(_make(OPTIMIZERS, train.optimizer), loss(), metrics=["accuracy"])
    model.optimizer.build(model.trainable_variables)


def _append(spec: Layer, index: int, inputs: keras.KerasTensor) -> keras.KerasTensor:
    try:
        return _make(LAYERS, spec, name=f"{spec.kind}_{index}")(inputs)
    except (OverflowError, tf.errors.ResourceExhaustedError) as error:
        raise ConfigError(f"model.layers[{index}].{spec.kind}: its weights need more memory than there is") from error
    except (ValueError, tf.errors.OpError) as error:
        # Keras heads the reason with a line that says no more than that there was one.
        lines = [line.strip() for line in re.sub(r"\x1b\[\d+m", "", str(error)).splitlines() if line.strip()]
        reason = next((line for line in lines if not line.startswith("Exception encountered")), lines[0])
        raise ConfigError(
            f"model.layers[{index}].{spec.kind}: cannot take an input of the shape {_shape(inputs)}: {reason}"
        ) from error


def _make(classes: dict[str, type], spec: Choice, **extra: Any) -> Any:
    """The Keras object of `spec`, whose fields are its keyword arguments."""
    arguments = dict(spec)
    if "kernel_initializer" in arguments:
        arguments["kernel_initializer"] = _make(INITIALIZERS, arguments["kernel_initializer"])
    return classes[spec.kind](**arguments, **extra)


def _shape(tensor: keras.KerasTensor) -> str:
    sizes = [str(size) for size in tensor.shape[1:]]
    return f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"
