"""How training pictures come to the devices: all of them at once, or batch by batch while training goes on."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cnnlab import memory
from cnnlab.data import Examples
from cnnlab.errors import DataError

SHARE = 0.5  # of the device's memory that pictures may take: the rest is for the network, its gradients and the batch
AHEAD = 4  # batches read before they are needed, as long as they are small:
AHEAD_BYTES = 1 << 26
ALIGNMENT = 64  # bytes; what TensorFlow takes over without a copy must begin at a multiple of it


@dataclass(frozen=True)
class Placement:
    """The way that was chosen, and the line that says why."""

    kind: Literal["resident", "streamed"]
    why: str


def place(setting: Literal["auto", "resident", "streamed"], examples: Examples) -> Placement:
    """Resident where the pictures fit in `SHARE` of the smallest device's memory, unless the experiment says."""
    size = f"{examples.images.nbytes / 1e6:,.1f} MB"
    if setting != "auto":
        return Placement(setting, f"{size} {setting}, as the experiment says")
    room = _memory()
    if room is None or examples.images.nbytes <= SHARE * room:
        return Placement("resident", f"{size} resident")
    return Placement("streamed", f"{size} streamed: more than half of the device's {room / 1e6:,.1f} MB")


def _memory() -> int | None:
    """Bytes of the smallest device that trains; None where nothing tells."""
    if tf.config.list_logical_devices("GPU"):
        from tensorflow.python.client import device_lib  # its public places do not tell the memory

        gpus = [device for device in device_lib.list_local_devices() if device.device_type == "GPU"]
        return min(int(gpu.memory_limit) for gpu in gpus)
    return memory.available()


def resident(examples: Examples) -> tf.Tensor:
    """All pictures (n, height, width, channels) uint8 as one tensor on the host, in no more memory than they take.

    `tf.convert_to_tensor` of an array takes twice that at its peak.
    """
    shape = examples.images.shape
    buffer = np.empty(math.prod(shape) + ALIGNMENT, np.uint8)
    start = -buffer.ctypes.data % ALIGNMENT
    pictures = buffer[start : start + math.prod(shape)].reshape(shape)
    for part in examples.chunks():
        pictures[part] = examples.images[part]
    return tf.experimental.dlpack.from_dlpack(pictures.__dlpack__())


def batches(
    examples: Examples, order: NDArray[np.int32], batch_size: int, failures: list[DataError]
) -> tf.data.Dataset:
    """The pictures of an epoch, batch by batch (batch, height, width, channels) uint8, in the order of `order`.

    Why reading failed is put into `failures`: TensorFlow itself only tells that it did.
    Reading goes on beside training, `AHEAD` batches or `AHEAD_BYTES` at most, and always gives the same order.
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
    ahead = max(1, min(AHEAD, AHEAD_BYTES // (batch_size * math.prod(images.shape[1:]))))
    return tf.data.Dataset.range(steps).map(load, num_parallel_calls=2, deterministic=True).prefetch(ahead)
