"""How training images get to the devices: all at once, or batch by batch during training."""

import math
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cnnlab import memory
from cnnlab.data import Examples
from cnnlab.data.dataset import Images
from cnnlab.errors import DataError

MAX_MEMORY_FRACTION = (
    0.5  # of the device's memory that images may take: the rest is for the network, its gradients and the batch
)
MAX_PREFETCHED_BATCHES = 4  # batches read before they are needed, as long as they are small:
MAX_PREFETCHED_BYTES = 1 << 26
ALIGNMENT = 64  # bytes; what TensorFlow takes over without a copy must begin at a multiple of it
NumberT = TypeVar("NumberT", np.uint8, np.float32)


@dataclass(frozen=True)
class Placement:
    """The way that was chosen, and the line that says why."""

    kind: Literal["resident", "streamed"]
    why: str


def choose_placement(setting: Literal["auto", "resident", "streamed"], nbytes: int, what: str = "") -> Placement:
    """Resident if `nbytes` fit in MAX_MEMORY_FRACTION of the smallest device's memory, unless the setting says."""
    size = f"{nbytes / 1e6:,.1f} MB{what}"
    if setting != "auto":
        return Placement(setting, f"{size} {setting}, as the experiment says")
    memory = _device_memory()
    if memory is None or nbytes <= MAX_MEMORY_FRACTION * memory:
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
    images = aligned(examples.images.shape, np.uint8)
    for part in examples.chunks():
        images[part] = examples.images[part]
    return as_tensor(images)


def aligned(shape: tuple[int, ...], dtype: type[NumberT]) -> NDArray[NumberT]:
    """An array to be filled, which `as_tensor` takes over without a copy."""
    nbytes = math.prod(shape) * np.dtype(dtype).itemsize
    buffer = np.empty(nbytes + ALIGNMENT, np.uint8)
    start = -buffer.ctypes.data % ALIGNMENT
    return buffer[start : start + nbytes].view(dtype).reshape(shape)


def as_tensor(array: NDArray[NumberT]) -> tf.Tensor:
    """The same memory as a tensor on the host."""
    return tf.experimental.dlpack.from_dlpack(array.__dlpack__())


def batches(
    images: Images | NDArray[np.float32], order: NDArray[np.int32], batch_size: int, failures: list[DataError]
) -> tf.data.Dataset:
    """The images of an epoch, or outputs of frozen layers, batch by batch (batch, …), in the order of `order`.

    The errors of failed reads are appended to `failures`: TensorFlow only reports that a read failed.
    At most MAX_PREFETCHED_BATCHES batches, or MAX_PREFETCHED_BYTES, are read ahead of training, always in the same
    order.
    """
    shape = [None, *images.shape[1:]]
    dtype = tf.as_dtype(images.dtype)

    def read(step: np.int64) -> NDArray[np.uint8] | NDArray[np.float32]:
        try:
            return images[order[step * batch_size : (step + 1) * batch_size]]
        except DataError as error:
            failures.append(error)
            raise

    def load(step: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(tf.numpy_function(read, [step], dtype, stateful=False), shape)

    steps = -(-len(order) // batch_size)
    batch_bytes = batch_size * dtype.size * math.prod(images.shape[1:])
    ahead = max(1, min(MAX_PREFETCHED_BATCHES, MAX_PREFETCHED_BYTES // batch_bytes))
    options = tf.data.Options()
    options.autotune.enabled = False  # nothing is left to tune, and its thread can hold up the end for seconds
    loaded = tf.data.Dataset.range(steps).map(load, num_parallel_calls=2, deterministic=True)
    return loaded.prefetch(ahead).with_options(options)
