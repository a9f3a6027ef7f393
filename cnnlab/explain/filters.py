"""What filters answer to over many examples: the patches that activate each most, and which are dead."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cnnlab.data import Examples
from cnnlab.explain.receptive import Axes
from cnnlab.models.graph import compiled
from cnnlab.models.inference import to_input
from cnnlab.models.inspection import output_in

PATCHES = 9
OUTSIDE = 128  # grey: what a patch has beyond the edge of the image


@dataclass(frozen=True)
class Activity:
    """Of a layer's f filters over all examples and places.

    `top` are the `PATCHES` examples with the largest activation of each filter, the largest first: `examples`,
    `places` in the layer's output as row * width + column, and `values`, all (n, f). `share` is the fraction of
    activations above zero.
    """

    largest: NDArray[np.float32]
    smallest: NDArray[np.float32]
    share: NDArray[np.float64]
    values: NDArray[np.float32]
    examples: NDArray[np.intp]
    places: NDArray[np.intp]
    shape: tuple[int, int]
    """Height and width of the layer's output."""

    @property
    def dead(self) -> list[int]:
        """Filters that are never above zero."""
        return np.flatnonzero(self.largest <= 0).tolist()

    @property
    def always_open(self) -> list[int]:
        """Filters that are always above zero, so that the rectifier after them does nothing."""
        return np.flatnonzero(self.smallest > 0).tolist()


def activity(
    model: keras.Model,
    layers: Sequence[str],
    examples: Examples,
    batch_size: int,
    after_batch: Callable[[int], None] = lambda count: None,
) -> dict[str, Activity]:
    """Of several layers, whose outputs are images, in one pass; `after_batch` gets how many examples are done."""
    outputs = [output_in(model.get_layer(name)) for name in layers]
    partial = keras.Model(model.input, outputs)
    specification = tf.TensorSpec([None, *model.input_shape[1:]], tf.uint8)
    measure = compiled(lambda images: _measure(partial(to_input(images), training=False)), [specification])
    counters = [_Counter() for _ in layers]
    done = 0
    for part in examples.chunks(multiple=batch_size):
        images = examples.images[part]
        for first in range(0, len(images), batch_size):
            batch = images[first : first + batch_size]
            for counter, measured in zip(counters, measure(batch), strict=True):
                counter.add(done, *(value.numpy() for value in measured))
            done += len(batch)
            after_batch(done)
    shapes = [output.shape[1:3] for output in outputs]
    return {name: counter.result(done, shape) for name, counter, shape in zip(layers, counters, shapes, strict=True)}


def _measure(outputs: Any) -> list[tuple[tf.Tensor, ...]]:
    """Of each output: the largest value of each example with its place, the smallest, and how many are above zero."""
    measured = []
    for output in outputs if isinstance(outputs, list) else [outputs]:
        flat = tf.reshape(tf.cast(output, tf.float32), (tf.shape(output)[0], -1, output.shape[-1]))
        above = tf.reduce_sum(tf.cast(flat > 0, tf.int64), axis=(0, 1))
        measured.append((tf.reduce_max(flat, 1), tf.argmax(flat, 1), tf.reduce_min(flat, (0, 1)), above))
    return measured


class _Counter:
    """Merges the measurements of batches."""

    def __init__(self) -> None:
        self._smallest: Any = np.inf
        self._above: Any = 0
        self._top: tuple[Any, Any, Any] | None = None

    def add(self, first: int, largest: Any, places: Any, smallest: Any, above: Any) -> None:
        """A batch, whose examples are numbered from `first`."""
        numbers = np.broadcast_to(np.arange(first, first + len(largest))[:, None], largest.shape)
        batch = largest, numbers, places
        if self._top is not None:
            batch = tuple(np.concatenate(pair) for pair in zip(self._top, batch, strict=True))  # type: ignore[assignment]
        order = np.argsort(-batch[0], axis=0, kind="stable")[:PATCHES]
        self._top = tuple(np.take_along_axis(part, order, axis=0) for part in batch)  # type: ignore[assignment]
        self._smallest, self._above = np.minimum(self._smallest, smallest), self._above + above

    def result(self, examples: int, shape: tuple[int, int]) -> Activity:
        values, numbers, places = self._top  # type: ignore[misc]
        share = self._above / (examples * shape[0] * shape[1])
        return Activity(values[0], self._smallest, share, values, numbers, places, shape)


def patches(found: Activity, axes: Axes, examples: Examples) -> NDArray[np.uint8]:
    """The pixels behind each of the strongest activations, (filters, n, height, width, channels); grey is no pixel."""
    which, inverse = np.unique(found.examples, return_inverse=True)
    images = examples.take(which).images[:]
    _, height, width, channels = images.shape
    rows, columns = axes[0].pixels(0, height), axes[1].pixels(0, width)
    count, filters = found.examples.shape
    cut = np.full((filters, count, rows[1] - rows[0], columns[1] - columns[0], channels), OUTSIDE, np.uint8)
    inverse = inverse.reshape(found.examples.shape)
    for (number, filter_), place in np.ndenumerate(found.places):
        row, column = divmod(int(place), found.shape[1])
        (top, bottom), (left, right) = axes[0].pixels(row, height), axes[1].pixels(column, width)
        inside = images[inverse[number, filter_], max(0, top) : max(0, bottom), max(0, left) : max(0, right)]
        y, x = max(0, -top), max(0, -left)
        cut[filter_, number, y : y + inside.shape[0], x : x + inside.shape[1]] = inside
    return cut


def counts(found: Mapping[str, Activity], rectified: Mapping[str, bool]) -> list[dict[str, Any]]:
    """One row per layer: how many filters are dead or always open, None where no rectifier follows."""
    return [
        {
            "layer": name,
            "filters": len(one.largest),
            "dead": len(one.dead) if rectified[name] else None,
            "always_open": len(one.always_open) if rectified[name] else None,
            "share_above_zero": float(one.share.mean()),
            "largest_activation": float(one.largest.max()),
        }
        for name, one in found.items()
    ]
