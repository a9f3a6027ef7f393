"""The same seed on the same machine gives the same bits."""

import keras
import tensorflow as tf


def make_deterministic(seed: int) -> None:
    """Seed everything that draws, and have TensorFlow choose kernels and rewrites that repeat themselves.

    For the whole process. Measuring needs it as training does: without it the same weights give losses that differ
    in the ninth digit.
    """
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
