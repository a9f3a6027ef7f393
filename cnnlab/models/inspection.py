"""A look inside a network: the outputs of its layers, and gradients, of a few examples."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import keras
import tensorflow as tf

from cnnlab.models.graph import compiled
from cnnlab.models.losses import LossFunction
from cnnlab.models.weights import layers_of

_Raw = tuple[list[tf.Tensor], tf.Tensor, list[tf.Tensor]]
"""Gradients by weights, images and outputs of layers."""


@dataclass(frozen=True)
class Gradients:
    """Gradients of the mean loss of n examples."""

    weights: dict[str, tf.Tensor]
    """By weight, such as `conv2d_0/kernel`; each of the weight's shape."""
    inputs: tf.Tensor
    """With respect to the images, (n, height, width, channels)."""
    outputs: dict[str, tf.Tensor]
    """With respect to the output of each layer, by its name, (n, ...)."""


class Inspector:
    """Outputs of every layer and gradients of a network, which is not changed.

    Images are (n, height, width, channels) float32 in [0, 1], labels (n,) int32. Of several replicas the first one
    computes.
    """

    def __init__(self, model: keras.Model, loss: LossFunction, strategy: tf.distribute.Strategy) -> None:
        self._model, self._loss, self._strategy = model, loss, strategy
        self._names = [layer.name for layer in model.layers]
        self._all = keras.Model(model.inputs, [model.output, *map(output_in, model.layers)])
        self._compiled = compiled(lambda *batch: strategy.run(self._gradients, batch))

    def outputs(self, images: tf.Tensor, *, training: bool = False) -> dict[str, tf.Tensor]:
        """The output of each layer by its name, the input layer's among them; in the order in which they compute."""
        _, *outputs = self._all(images, training=training)
        return dict(zip(self._names, outputs, strict=True))

    def gradients(self, images: tf.Tensor, labels: tf.Tensor) -> Gradients:
        """Gradients of the mean loss, in inference mode; what regularizers add is no part of it."""
        per_replica = self._compiled(images, labels)
        return self._named(tf.nest.map_structure(self._first, per_replica))

    def outputs_and_gradients(self, images: tf.Tensor, labels: tf.Tensor) -> tuple[dict[str, tf.Tensor], Gradients]:
        """What `outputs` and `gradients` give, of one pass that is not compiled: quicker where it is done once."""
        outputs, gradients = self._outputs_and_gradients(images, labels)
        return dict(zip(self._names, outputs, strict=True)), self._named(gradients)

    @cached_property
    def graph(self) -> bytes:
        """The graph of the forward pass, a GraphDef."""
        specification = tf.TensorSpec([None, *self._model.input_shape[1:]], tf.float32, name="images")
        forward = compiled(lambda images: self._model(images, training=False), [specification])
        graph: bytes = forward.get_concrete_function().graph.as_graph_def().SerializeToString()
        return graph

    @property
    def _weights(self) -> list[tuple[str, keras.Variable]]:
        layers = layers_of(self._model)
        return [(f"{name}/{weight.name}", weight) for name, layer in layers for weight in layer.trainable_weights]

    def _named(self, gradients: _Raw) -> Gradients:
        weights, inputs, outputs = gradients
        names = [name for name, _ in self._weights]
        return Gradients(dict(zip(names, weights, strict=True)), inputs, dict(zip(self._names, outputs, strict=True)))

    def _gradients(self, images: tf.Tensor, labels: tf.Tensor) -> _Raw:
        return self._outputs_and_gradients(images, labels)[1]

    def _outputs_and_gradients(self, images: tf.Tensor, labels: tf.Tensor) -> tuple[list[tf.Tensor], _Raw]:
        if images.shape[0] == 1:
            # As two copies: for a batch of one, oneDNN's gradient by a kernel of one pixel with strides corrupts
            # memory, as of TensorFlow 2.21. Of the mean loss, that of each copy is half.
            outputs, (weights, inputs, slopes) = self._outputs_and_gradients(
                tf.repeat(images, 2, axis=0), tf.repeat(labels, 2, axis=0)
            )
            return [values[:1] for values in outputs], (weights, 2 * inputs[:1], [2 * slope[:1] for slope in slopes])
        with tf.GradientTape() as tape:
            tape.watch(images)
            scores, *outputs = self._all(images, training=False)
            loss = tf.reduce_mean(self._loss(labels, tf.cast(scores, tf.float32)))
        weights = [weight for _, weight in self._weights]
        zero = tf.UnconnectedGradients.ZERO
        of_weights, of_images, of_outputs = tape.gradient(loss, (weights, images, outputs), unconnected_gradients=zero)
        return outputs, (of_weights, of_images, of_outputs)

    def _first(self, value: Any) -> tf.Tensor:
        return self._strategy.experimental_local_results(value)[0]


def output_in(layer: keras.Layer) -> keras.KerasTensor:
    """The output of a layer inside its network; that of a backbone, which is a network itself, is elsewhere."""
    return layer._inbound_nodes[0].output_tensors[0] if isinstance(layer, keras.Model) else layer.output
