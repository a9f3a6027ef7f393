"""The gradient of a convolution by its kernel: oneDNN's kernel for it beside cnnlab's matrix products.

Windows of 3×3, stride 1, padding `same`, batches of 256 images; both compute in turn, and the seconds are medians.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from cnnlab.models.cpu_kernels.filter_gradient import is_faster, kernel_gradient
from cnnlab.models.graph import compiled

BATCH, WINDOW, ROUNDS = 256, 3, 9
SIDES = (3, 5, 7, 11, 15)
CHANNELS = ((64, 64), (64, 128), (128, 128), (64, 256), (256, 256))
PRECISIONS = ("float32", "bfloat16")


def rows() -> list[dict[str, Any]]:
    """One row per number of channels, side of the output and precision."""
    return [
        _row(side, channels, filters, precision)
        for precision in PRECISIONS
        for channels, filters in CHANNELS
        for side in SIDES
    ]


def _row(side: int, channels: int, filters: int, precision: str) -> dict[str, Any]:
    draw = tf.random.stateless_normal
    images = tf.cast(draw([BATCH, side, side, channels], [0, 0]), precision)
    slopes = tf.cast(draw([BATCH, side, side, filters], [0, 1]), precision)
    shape = (WINDOW, WINDOW, channels, filters)

    def convolution() -> tf.Tensor:
        return tf.raw_ops.Conv2DBackpropFilter(
            input=images, filter_sizes=shape, out_backprop=slopes, strides=[1, 1, 1, 1], padding="SAME"
        )

    def products() -> tf.Tensor:
        return kernel_gradient(images, slopes, tf.TensorShape(shape), "SAME")

    seconds: tuple[list[float], list[float]] = [], []
    functions = compiled(convolution), compiled(products)
    for _ in range(ROUNDS + 1):
        for of_one, function in zip(seconds, functions, strict=True):
            of_one.append(_seconds(function))
    one, other = (statistics.median(of_one[1:]) for of_one in seconds)
    return {
        "precision": precision,
        "channels": f"{channels} to {filters}",
        "output": f"{side}×{side}",
        "oneDNN_ms": 1e3 * one,
        "products_ms": 1e3 * other,
        "ratio": other / one,
        "chosen": "products" if is_faster(side, side, shape, precision) else "oneDNN",
    }


def _seconds(function: Callable[[], tf.Tensor]) -> float:
    started = time.perf_counter()
    function().numpy()
    return time.perf_counter() - started
