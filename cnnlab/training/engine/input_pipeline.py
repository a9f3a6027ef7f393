"""How training images get to the devices: all at once, or batch by batch during training."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cnnlab import memory
from cnnlab.data import Examples
from cnnlab.errors import DataError

MAX_MEMORY_FRACTION = (
    0.5  # of the device's memory that images may take: the rest is for the network, its gradients and the batch
)
MAX_PREFETCHED_BATCHES = 4  # batches read before they are needed, as long as they are small:
MAX_PREFETCHED_BYTES = 1 << 26
ALIGNMENT = 64  # bytes; what TensorFlow takes over without a copy must begin at a multiple of it


@dataclass(frozen=True)
class Placement:
    """The way that was chosen, and the line that says why."""

    kind: Literal["resident", "streamed"]
    why: str


def choose_placement(setting: Literal["auto", "resident", "streamed"], examples: Examples) -> Placement:
    """Resident if the images fit in MAX_MEMORY_FRACTION of the smallest device's memory, unless the setting says."""
    size = f"{examples.images.nbytes / 1e6:,.1f} MB"
    if setting != "auto":
        return Placement(setting, f"{size} {setting}, as the experiment says")
    memory = _device_memory()
    if memory is None or examples.images.nbytes <= MAX_MEMORY_FRACTION * memory:
        return Placement("resident", f"{size} resident")
    return Placement("streamed", f"{size} streamed: more than half of the device's {memory / 1e6:,.1f} MB")


def _device_memory() -> int | None:
    """Bytes of the smallest device that trains; None where the system does not say."""
    if tf.config.list_logical_devices("GPU"):
        from tensorflow.python.client import device_lib  # its public places do not tell the memory

        gpus = [device for device in device_lib.list_local_devices() if device.device_type == "GPU"]
        return min(int(gpu.memory_limit) for gpu in gpus)
    return memory.available()


def resident(examples: Examples) -> tf.Tensor:
    """All images (n, height, width, channels) uint8 as one tensor on the host, in no more memory than they take.

    `tf.convert_to_tensor` of an array takes twice that at its peak.
    """
    shape = examples.images.shape
    buffer = np.empty(math.prod(shape) + ALIGNMENT, np.uint8)
    start = -buffer.ctypes.data % ALIGNMENT
    aligned = buffer[start : start + math.prod(shape)].reshape(shape)
    for part in examples.chunks():
        aligned[part] = examples.images[part]
    return tf.experimental.dlpack.from_dlpack(aligned.__dlpack__())


def batches(
    examples: Examples, order: NDArray[np.int32], batch_size: int, failures: list[DataError]
) -> tf.data.Dataset:
    """The images of an epoch, batch by batch (batch, height, width, channels) uint8, in the order of `order`.

    The errors of failed reads are appended to `failures`: TensorFlow only reports that a read failed.
    At most MAX_PREFETCHED_BATCHES batches, or MAX_PREFETCHED_BYTES, are read ahead of training, always in the same
    order.
    """
    images = examples.images
    shape = [None, *images.shape[1:]]

    def read(step: np.int64) -> NDArray[np.uint8]:
        try:
            return images[order[step * batch_size : (step + 1) * batch_size]]
        except DataError as error:
            failures.append(error)
            raise

    def load(step: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(tf.numpy_function(read, [step], tf.uint8, stateful=False), shape)

    steps = -(-len(order) // batch_size)
    ahead = max(1, min(MAX_PREFETCHED_BATCHES, MAX_PREFETCHED_BYTES // (batch_size * math.prod(images.shape[1:]))))
    options = tf.data.Options()
    options.autotune.enabled = False  # nothing is left to tune, and its thread can hold up the end for seconds
    loaded = tf.data.Dataset.range(steps).map(load, num_parallel_calls=2, deterministic=True)
    return loaded.prefetch(ahead).with_options(options)
