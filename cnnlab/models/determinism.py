"""The same seed on the same machine gives the same bits."""

from collections.abc import Callable
from functools import partial

import keras
import tensorflow as tf

from cnnlab.models.weights import layers_of


def make_deterministic(seed: int, *, deterministic: bool = True) -> None:
    """Seed everything that draws, and have TensorFlow choose kernels and rewrites that repeat themselves.

    Without `deterministic` they may be others, where nothing in this process has asked for them yet.

    For the whole process. Measuring needs it as training does: without it the same weights give losses that differ
    in the ninth digit.
    """
    keras.utils.set_random_seed(seed)
    if deterministic:
        tf.config.experimental.enable_op_determinism()


def draw_by_replica(model: keras.Model) -> None:
    """Have the dropout of every replica draw numbers of its own; Keras gives all the same, from the first one's state.

    A single replica draws as it would without this.
    """
    for _, layer in layers_of(model):
        if generator := getattr(layer, "seed_generator", None):
            generator.next = partial(_seed_of_replica, generator.next)


def _seed_of_replica(next_seed: Callable[[bool], tf.Tensor], ordered: bool = True) -> tf.Tensor:
    seed = next_seed(ordered)
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return seed
    return seed + tf.cast(tf.stack([context.replica_id_in_sync_group, 0]), seed.dtype)
