"""Loss functions: from labels (n,) int32 and the network's outputs (n, classes) to one loss an example (n,)."""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cnnlab.experiment.losses import CrossEntropy, Loss, MeanSquaredError, SumOfSquares

LossFunction = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def loss_function(loss: Loss) -> LossFunction:
    """The function that `loss` describes."""
    match loss:
        case CrossEntropy():
            return _cross_entropy(loss)
        case MeanSquaredError():
            return lambda labels, outputs: tf.reduce_mean(_squares(labels, outputs), axis=-1)
        case SumOfSquares():
            return lambda labels, outputs: tf.reduce_sum(_squares(labels, outputs), axis=-1)


def weighted(loss: LossFunction, class_weights: NDArray[np.float32] | None) -> LossFunction:
    """`loss` with that of each example multiplied by the weight of its class, (classes,)."""
    if class_weights is None:
        return loss
    return lambda labels, outputs: tf.gather(tf.constant(class_weights), labels) * loss(labels, outputs)


def class_scores(loss: Loss, outputs: tf.Tensor) -> tf.Tensor:
    """How much the network believes in each class, (n, classes).

    Softmax of logits; else the outputs themselves: a squared error's optimum is each class's probability.
    """
    return tf.nn.softmax(outputs) if isinstance(loss, CrossEntropy) and loss.from_logits else outputs


def _cross_entropy(loss: CrossEntropy) -> LossFunction:
    """-log of the probability of the label; of logits softmax and logarithm in one, so that neither can overflow."""
    if loss.label_smoothing:

        def smoothed(labels: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
            targets = _one_hot(labels, outputs)
            return keras.losses.categorical_crossentropy(targets, outputs, loss.from_logits, loss.label_smoothing)

        return smoothed
    of_logits: LossFunction = tf.nn.sparse_softmax_cross_entropy_with_logits
    of_probabilities: LossFunction = keras.losses.sparse_categorical_crossentropy
    return of_logits if loss.from_logits else of_probabilities


def _squares(labels: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
    return tf.math.squared_difference(outputs, _one_hot(labels, outputs))


def _one_hot(labels: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
    return tf.one_hot(labels, tf.shape(outputs)[-1], dtype=outputs.dtype)
