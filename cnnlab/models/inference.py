"""The forward pass over whole sets of examples, compiled."""

import math
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cnnlab.data import Examples
from cnnlab.experiment.losses import CrossEntropy, Loss
from cnnlab.experiment.test_time import TestTime
from cnnlab.models.graph import compiled
from cnnlab.models.losses import class_scores, loss_function
from cnnlab.models.views import averaged_over_views

BATCH_SIZE = 256  # examples at once; larger batches leave the cache and were no faster on two cores
BATCH_BYTES = 1 << 26  # fewer large images: as many as take this as float32


@dataclass(frozen=True)
class Outcome:
    """What a network predicts for n examples: class scores (n, classes) float32 and losses (n,) float32."""

    labels: NDArray[np.int32]
    scores: NDArray[np.float32]
    losses: NDArray[np.float32]
    are_probabilities: bool = True
    """Otherwise scores may be any numbers."""

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


class ForwardPass:
    """The forward pass of a network in inference mode, over any number of images, compiled once.

    It uses the weights that the network has when it is called, and averages over the views of `test_time`.
    """

    def __init__(self, model: keras.Model, loss: Loss, test_time: TestTime | None = None) -> None:
        self._model, self._loss, self._loss_function = averaged_over_views(model, test_time), loss, loss_function(loss)
        self.batch_size = max(1, min(BATCH_SIZE, BATCH_BYTES // (4 * math.prod(model.input_shape[1:]))))
        self._classes = model.output_shape[-1]
        images = tf.TensorSpec([None, *model.input_shape[1:]], tf.uint8)
        labels, outputs = tf.TensorSpec([None], tf.int32), tf.TensorSpec([None, self._classes], tf.float32)
        self._run = compiled(self._outputs_and_scores, [images])
        self._measure = compiled(self._losses, [labels, outputs])

    def scores(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The score of every class, (n, classes), of images (n, height, width, channels) uint8: see `class_scores`."""
        _, scores = self._run(images)
        found: NDArray[np.float32] = scores.numpy()
        return found

    def __call__(self, examples: Examples) -> Outcome:
        """Scores and losses of labelled examples."""
        scores, losses = [], []
        # In parts, since images on disk may exceed memory; of whole batches, so that the parts change no number.
        for part in examples.chunks(multiple=self.batch_size):
            outputs, part_scores = self._run(examples.images[part])
            scores.append(part_scores.numpy())
            losses.append(self._measure(examples.labels[part], outputs).numpy())
        every = np.concatenate(scores)
        return Outcome(examples.labels, every, np.concatenate(losses), self.are_probabilities(every))

    def are_probabilities(self, scores: NDArray[np.float32]) -> bool:
        """Whether each row of scores (n, classes) is a distribution over the classes.

        Checked where the loss takes probabilities too, for the network need not end in a softmax.
        """
        return bool(
            isinstance(self._loss, CrossEntropy) and scores.min() >= 0 and np.allclose(scores.sum(axis=1), 1, atol=1e-3)
        )

    def _outputs_and_scores(self, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        batches = self._batches(images)
        outputs = tf.TensorArray(tf.float32, batches, infer_shape=False, element_shape=[None, self._classes])
        scores = tf.TensorArray(tf.float32, batches, infer_shape=False, element_shape=[None, self._classes])

        def one(batch: tf.Tensor, *written: tf.TensorArray) -> tuple[tf.Tensor, tf.TensorArray, tf.TensorArray]:
            batch_outputs = tf.cast(self._model(to_input(images[self._slice(batch)]), training=False), tf.float32)
            batch_scores = class_scores(self._loss, batch_outputs)
            return batch + 1, written[0].write(batch, batch_outputs), written[1].write(batch, batch_scores)

        _, outputs, scores = tf.while_loop(lambda batch, *_: batch < batches, one, (0, outputs, scores))
        return outputs.concat(), scores.concat()

    def _losses(self, labels: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        batches = self._batches(labels)
        losses = tf.TensorArray(tf.float32, batches, infer_shape=False, element_shape=[None])

        def one(batch: tf.Tensor, written: tf.TensorArray) -> tuple[tf.Tensor, tf.TensorArray]:
            part = self._slice(batch)
            return batch + 1, written.write(batch, self._loss_function(labels[part], outputs[part]))

        _, losses = tf.while_loop(lambda batch, _: batch < batches, one, (0, losses))
        return losses.concat()

    def _batches(self, values: tf.Tensor) -> tf.Tensor:
        return tf.math.floordiv(tf.shape(values)[0] + self.batch_size - 1, self.batch_size)

    def _slice(self, batch: tf.Tensor) -> slice:
        return slice(batch * self.batch_size, (batch + 1) * self.batch_size)  # the last batch may be shorter
