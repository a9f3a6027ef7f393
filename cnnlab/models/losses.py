"""Loss functions: from labels (n,) int32 and the network's outputs (n, classes) to one loss an example (n,)."""

from collections.abc import Callable

import tensorflow as tf

from cnnlab.config.schema import LossName


def cross_entropy(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """-log softmax(logits)[label]: softmax and logarithm in one, so that neither can overflow."""
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)


def mse(labels: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
    """The mean over the classes of (output - one-hot label)²."""
    targets = tf.one_hot(labels, tf.shape(outputs)[-1], dtype=outputs.dtype)
    return tf.reduce_mean(tf.math.squared_difference(outputs, targets), axis=-1)


LOSSES: dict[LossName, Callable[[tf.Tensor, tf.Tensor], tf.Tensor]] = {"cross_entropy": cross_entropy, "mse": mse}


def class_scores(loss: LossName, outputs: tf.Tensor) -> tf.Tensor:
    """How much the network believes in each class, (n, classes).

    Softmax for cross-entropy; for mse the outputs themselves, whose optimum is each class's probability.
    """
    return tf.nn.softmax(outputs) if loss == "cross_entropy" else outputs
