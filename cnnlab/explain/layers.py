"""What every layer makes of one example, and the gradients of its loss."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cnnlab.evaluation.load import LoadedModel
from cnnlab.experiment.layers.pooling import Pooling
from cnnlab.experiment.layers.weighted import Convolution
from cnnlab.experiment.summary import Line
from cnnlab.explain.structure import Structure
from cnnlab.models.inference import to_input
from cnnlab.models.inspection import Inspector
from cnnlab.models.losses import loss_function
from cnnlab.models.weights import named

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Weights:
    """A weight and the gradient of the loss with respect to it, of the same shape."""

    values: Array
    gradient: Array


@dataclass(frozen=True)
class LayerView:
    """A layer, its output for one example (height, width, channels) or (features,), and the loss's gradient by that.

    `line` is None for the image and for what preprocessing puts before the network. `weights` are those that are
    trained, by their names.
    """

    name: str
    line: Line | None
    parameters: int
    activations: Array
    gradients: Array
    weights: Mapping[str, Weights]

    @property
    def size(self) -> str:
        """Of its output: `28×28×6`."""
        return "×".join(map(str, self.activations.shape))

    @property
    def window(self) -> tuple[str, str]:
        """Its filter's size and stride, empty where it has none."""
        if self.line is None or not isinstance(self.line.spec, Convolution | Pooling):
            return "", ""
        window = self.line.spec.window(self.line.input_shape)
        height, width = window.strides
        return "×".join(map(str, window.size)), str(height) if height == width else f"{height}×{width}"

    def row(self) -> dict[str, Any]:
        """As ConvNetJS prints a layer."""
        window, stride = self.window
        return {
            "layer": self.name,
            "output": self.size,
            "filter": window,
            "stride": stride,
            "parameters": self.parameters,
            "activation_min": float(self.activations.min()),
            "activation_max": float(self.activations.max()),
            "gradient_min": float(self.gradients.min()),
            "gradient_max": float(self.gradients.max()),
        }


def inspect(loaded: LoadedModel, structure: Structure, pixels: NDArray[np.uint8], label: int) -> list[LayerView]:
    """Every layer for one image (height, width, channels), in the order of computation; the loss is that of `label`."""
    inspector = Inspector(loaded.model, loss_function(loaded.experiment.train.loss), tf.distribute.get_strategy())
    images = to_input(tf.constant(pixels[None]))
    outputs, gradients = inspector.outputs_and_gradients(images, tf.constant([label]))
    views = []
    for layer in loaded.model.layers:
        name = layer.name
        of_output = gradients.inputs if name == "image" else gradients.outputs[name]
        weights = {
            key.removeprefix(f"{name}/"): Weights(_array(weight.value), _array(gradients.weights[key]))
            for key, weight in named(layer).items()
            if weight.trainable
        }
        activations, slope = _array(outputs[name])[0], _array(of_output)[0]
        if activations.ndim == 4:  # groups of channels, of which channel_max_pool takes the largest
            activations, slope = activations.max(axis=-1), slope.sum(axis=-1)
        line = structure.by_name.get(name)
        views.append(LayerView(name, line, layer.count_params(), activations, slope, weights))
    return views


def _array(value: Any) -> Array:
    array: Array = tf.cast(value, tf.float32).numpy()
    return array
