"""Batch normalization in training by TensorFlow's fused kernel, where a CPU has a fast one."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

CHANNELS = 16
"""oneDNN has fast kernels for multiples of it; for others, its own reference implementation, slower than Keras."""


def use_fused_kernel(layer: keras.layers.BatchNormalization) -> None:
    """Have a batch normalization of images compute in one kernel what Keras composes of twenty.

    Where there are 16, 32, 48, … channels. Without oneDNN, TensorFlow's kernel is a fifth slower than Keras's
    operations.
    """
    if _is_fast(layer):
        layer.call = _fused(layer, layer.call)


def _is_fast(layer: keras.layers.BatchNormalization) -> bool:
    rank, channels = layer.input_spec.ndim, layer.moving_mean.shape[0]
    is_usual = layer.axis in (-1, 3) and not layer.renorm and not layer.synchronized
    return rank == 4 and channels % CHANNELS == 0 and is_usual and layer.compute_dtype in ("float32", "bfloat16")


def _fused(layer: keras.layers.BatchNormalization, call: Callable[..., tf.Tensor]) -> Callable[..., tf.Tensor]:
    """The layer's `call`, with the signature that Keras expects."""

    def fused(inputs: tf.Tensor, training: Any = None, mask: Any = None) -> tf.Tensor:
        if not training or not layer.trainable or mask is not None:
            return call(inputs, training=training, mask=mask)
        zeros = tf.zeros_like(layer.moving_mean)
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=tf.convert_to_tensor(layer.gamma) if layer.scale else tf.ones_like(zeros),
            offset=tf.convert_to_tensor(layer.beta) if layer.center else zeros,
            mean=tf.constant([], tf.float32),
            variance=tf.constant([], tf.float32),
            epsilon=layer.epsilon,
        )
        values = tf.cast(tf.size(inputs) // inputs.shape[-1], tf.float32)
        variance *= (values - 1) / values  # that of the sample: the kernel estimates that of the population
        for moving, now in ((layer.moving_mean, mean), (layer.moving_variance, variance)):
            moving.assign(moving * layer.momentum + now * (1.0 - layer.momentum))
        return outputs

    return fused
