"""Random numbers for every pixel, which depend on two random numbers of the image alone.

TensorFlow's generators take one seed for a whole batch. Here the number of a pixel is a hash of its place and of its
image's key: the finalizer of MurmurHash3 (Appleby 2011), with the second half of the key between its two products.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from scipy.special import ndtri

LEVELS = 1 << 16  # 256 for each of the 256 levels of a pixel


def uniform(keys: tf.Tensor, shape: Sequence[int]) -> tf.Tensor:
    """Numbers (n, *shape) in [0, 1], multiples of 1 / 65535, for keys (n, 2) float32."""
    return tf.cast(_levels(keys, shape), tf.float32) / (LEVELS - 1)


def normal(keys: tf.Tensor, shape: Sequence[int]) -> tf.Tensor:
    """Numbers (n, *shape) of mean 0 and variance 1, each one of 65,536 quantiles, for keys (n, 2) float32."""
    return tf.gather(tf.constant(_quantiles()), _levels(keys, shape))


def _levels(keys: tf.Tensor, shape: Sequence[int]) -> tf.Tensor:
    """Numbers (n, *shape) int32 from 0 to 65535, two of each hash."""
    count = int(np.prod(shape))
    first, second = tf.unstack(tf.bitcast(keys, tf.uint32)[..., tf.newaxis], axis=1)
    places = np.arange(1, (count + 1) // 2 + 1, dtype=np.uint32) * np.uint32(0x9E3779B9)  # 2**32 / golden ratio
    hashed = tf.constant(places)[tf.newaxis] ^ first
    hashed = _xorshift(hashed, 16) * tf.constant(0x85EBCA6B, tf.uint32)
    hashed = _xorshift(hashed ^ second, 13) * tf.constant(0xC2B2AE35, tf.uint32)
    halves = tf.bitcast(_xorshift(hashed, 16), tf.uint16)
    levels = tf.reshape(halves, [-1, 2 * len(places)])[:, :count]
    return tf.reshape(tf.cast(levels, tf.int32), [-1, *shape])


def _xorshift(values: tf.Tensor, bits: int) -> tf.Tensor:
    return values ^ tf.bitwise.right_shift(values, tf.constant(bits, tf.uint32))


@cache
def _quantiles() -> NDArray[np.float32]:
    quantiles: NDArray[np.float32] = ndtri((np.arange(LEVELS) + 0.5) / LEVELS).astype(np.float32)
    return quantiles
