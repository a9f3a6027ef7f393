"""A look at what a network makes of a few examples."""

from collections.abc import Callable
from functools import cached_property
from typing import Any

import keras
import tensorflow as tf

from cnnlab.models.inference import to_input


class Probe:
    """A look at a network that leaves it as it is: gradients and outputs of examples, in inference mode."""

    def __init__(
        self,
        model: keras.Model,
        loss: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
        strategy: tf.distribute.Strategy,
    ) -> None:
        self._model, self._loss = model, loss
        layers = [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]
        self._names = [layer.name for layer in layers]
        self._whole = keras.Model(model.inputs, [model.output, *(layer.output for layer in layers)])
        self._strategy = strategy
        self._look = tf.function(lambda *batch: self._strategy.run(self._compute, batch))

    def __call__(self, images: Any, labels: Any) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
        """The gradient of the mean loss with respect to each weight, and the share of each layer's outputs that are
        not zero, of pictures (n, height, width, channels) uint8 and labels (n,).
        """
        every_replica = self._look(tf.constant(images), tf.constant(labels))
        gradients, shares = (self._strategy.experimental_local_results(part)[0] for part in every_replica)
        names = [f"{layer.name}/{weight.name}" for layer in self._model.layers for weight in layer.trainable_weights]
        return dict(zip(names, gradients, strict=True)), dict(zip(self._names, shares, strict=True))

    @cached_property
    def graph(self) -> bytes:
        """The graph of the forward pass, a GraphDef."""
        specification = tf.TensorSpec([None, *self._model.input_shape[1:]], tf.float32, name="images")
        forward = tf.function(lambda images: self._model(images, training=False)).get_concrete_function(specification)
        graph: bytes = forward.graph.as_graph_def().SerializeToString()
        return graph

    def _compute(self, images: tf.Tensor, labels: tf.Tensor) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
        weights = [weight for layer in self._model.layers for weight in layer.trainable_weights]
        with tf.GradientTape() as tape:
            outputs, *values = self._whole(to_input(images), training=False)
            loss = tf.reduce_mean(self._loss(labels, tf.cast(outputs, tf.float32)))
        shares = [tf.reduce_mean(tf.cast(value != 0, tf.float32)) for value in values]
        return tape.gradient(loss, weights), shares
