"""The forward pass over whole sets of examples, compiled."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cnnlab.data import Examples
from cnnlab.experiment.losses import CrossEntropy, Loss
from cnnlab.models.losses import class_scores, loss_function

BATCH_SIZE = 256  # examples at once; larger batches leave the cache and were no faster on two cores
BATCH_BYTES = 1 << 26  # of large pictures, fewer: as many as take this as float32


@dataclass(frozen=True)
class Outcome:
    """What a network makes of n examples: class scores (n, classes) float32 and losses (n,) float32."""

    labels: NDArray[np.int32]
    scores: NDArray[np.float32]
    losses: NDArray[np.float32]
    are_probabilities: bool = True
    """Else each class has a score of its own that may be any number."""

    @property
    def predictions(self) -> NDArray[np.intp]:
        """The class with the highest score, (n,)."""
        best: NDArray[np.intp] = self.scores.argmax(axis=1)
        return best

    @property
    def loss(self) -> float:
        """The mean loss of an example."""
        return float(np.mean(self.losses, dtype=np.float64))

    @property
    def accuracy(self) -> float:
        """The fraction of examples predicted right."""
        return float(np.mean(self.predictions == self.labels))

    @property
    def recalls(self) -> dict[int, float]:
        """Of each label that there is, the fraction of its examples predicted right."""
        counts = np.bincount(self.labels)
        right = np.bincount(self.labels[self.predictions == self.labels], minlength=len(counts))
        return {int(label): float(right[label] / counts[label]) for label in np.flatnonzero(counts)}

    @property
    def balanced_accuracy(self) -> float:
        """The mean of the recalls: the accuracy if all classes had equally many examples."""
        return float(np.mean(list(self.recalls.values())))


def to_input(images: tf.Tensor) -> tf.Tensor:
    """uint8 pixels in [0, 255] as float32 in [0, 1]."""
    return tf.cast(images, tf.float32) / 255.0


def compile_forward(model: keras.Model, loss: Loss) -> Callable[[Examples], Outcome]:
    """A function from examples to what `model`, in inference mode and as it is then, makes of them."""
    loss_of = loss_function(loss)
    batch_size = max(1, min(BATCH_SIZE, BATCH_BYTES // (4 * math.prod(model.input_shape[1:]))))
    images_spec = tf.TensorSpec([None, *model.input_shape[1:]], tf.uint8)
    labels_spec = tf.TensorSpec([None], tf.int32)

    @tf.function(input_signature=[images_spec, labels_spec])
    def forward(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        batches = tf.math.floordiv(tf.shape(labels)[0] + batch_size - 1, batch_size)
        scores = tf.TensorArray(tf.float32, batches, infer_shape=False, element_shape=[None, model.output_shape[-1]])
        losses = tf.TensorArray(tf.float32, batches, infer_shape=False, element_shape=[None])
        for batch in tf.range(batches):
            part = slice(batch * batch_size, (batch + 1) * batch_size)  # the last one is as short as it is
            outputs = tf.cast(model(to_input(images[part]), training=False), tf.float32)
            scores = scores.write(batch, class_scores(loss, outputs))
            losses = losses.write(batch, loss_of(labels[part], outputs))
        return scores.concat(), losses.concat()

    def run(examples: Examples) -> Outcome:
        # In parts, since pictures on disk may be more than memory; of whole batches, so that the parts do not matter.
        parts = [forward(examples.images[part], examples.labels[part]) for part in examples.chunks(multiple=batch_size)]
        scores = np.concatenate([part_scores.numpy() for part_scores, _ in parts])
        losses = np.concatenate([part_losses.numpy() for _, part_losses in parts])
        # Also where the loss is to take probabilities, for which the network need not end in softmax.
        are_probabilities = (
            isinstance(loss, CrossEntropy) and scores.min() >= 0 and np.allclose(scores.sum(axis=1), 1, atol=1e-3)
        )
        return Outcome(examples.labels, scores, losses, bool(are_probabilities))

    return run
