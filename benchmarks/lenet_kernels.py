"""What bounds LeNet-5 on this processor: the kernels of oneDNN in its training step, as a share of the matrix rate.

The first table has every kernel that oneDNN executes in one step of `cnnlab train lenet` with a batch of 128, in
float32 with all threads, by its own clock (`ONEDNN_VERBOSE=1`): medians over the steps of some epochs. The step cannot
be faster than their sum, so that the last row bounds the share of the matrix rate that LeNet-5 can reach with these
kernels; the rate is that of a product of two 2048 × 2048 matrices, measured in the same run.

The second table computes what its convolutions compute from other operations of TensorFlow, each by itself in one
graph: with 16 channels where there are fewer, which is what oneDNN blocks them to (counted as the products that are
needed), as a matrix product of patches (im2col), and the gradient by the input as a convolution of the padded gradient.
"""

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import tensorflow as tf

from benchmarks import page
from cnnlab.cli.tables import Format, render
from cnnlab.training.benchmark import matmul_rate

BATCH = 128
STEPS, EPOCHS = 20, 5
ROUNDS, CALLS = 7, 50
CONVOLUTIONS = {"conv2d_0": (28, 1, 6, "SAME"), "conv2d_2": (14, 6, 16, "VALID")}
"""Side of the input, channels, filters and padding; kernels of 5×5."""
PAGE = page.DOCS / "benchmarks-lenet.md"
TEXT = """\
# LeNet-5, kernel by kernel

`python -m benchmarks.lenet_kernels` wrote this page, on {when}, on {machine}.

{doc}
{kernels}

{alternatives}
"""


def main() -> None:
    """Measure, and write the page."""
    rate = matmul_rate()
    kernels = _kernels()
    step = {
        "kernel": "all",
        "shape": "",
        "calls": sum(row["calls"] for row in kernels),
        "milliseconds": sum(row["milliseconds"] for row in kernels),
        "operations": sum(row["operations"] for row in kernels),
    }
    rows = [row for name, shape in CONVOLUTIONS.items() for row in _alternatives(name, *shape)]
    text = TEXT.format(
        when=page.today(),
        machine=page.machine(),
        doc=page.body(__doc__),
        kernels=_table([_with_rate(row, rate) for row in [*kernels, step]]),
        alternatives=_table(rows),
    )
    PAGE.write_text(text, encoding="utf-8")
    print(text)


def _table(rows: list[dict[str, Any]]) -> str:
    return render(rows, list(rows[0]), Format.MD)


def _with_rate(row: Mapping[str, Any], rate: float) -> dict[str, Any]:
    """A row with its operations per second, and their share of the matrix rate."""
    achieved = row["operations"] / row["milliseconds"] * 1e3
    shown = {name: value for name, value in row.items() if name != "operations"}
    shown["milliseconds"] = round(row["milliseconds"], 4)
    return {**shown, "gflops": round(achieved / 1e9, 1), "share_of_matmul": round(achieved / rate, 3)}


def _kernels() -> list[dict[str, Any]]:
    """One row per kind of kernel in a training step, the slowest first: its calls, its time and its operations."""
    with tempfile.TemporaryDirectory() as runs:
        command = [sys.executable, "-m", "cnnlab", "train", "lenet", "--data", "synthetic", "--no-test", "--quiet"]
        command += ["--set", f"data.train_examples={STEPS * BATCH + 1}", "--set", "data.validation=1"]
        command += ["--epochs", str(EPOCHS), "--runs", runs]
        variables = os.environ | {"ONEDNN_VERBOSE": "1"}
        lines = subprocess.run(command, capture_output=True, text=True, check=True, env=variables).stdout.splitlines()
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for fields in (line.split(",") for line in lines if ",exec,cpu," in line):
        primitive, direction, shape = fields[5], fields[7], fields[-2]
        name = primitive if direction == "undef" else f"{primitive}, {direction.replace('_', ' ')}"
        found[name, shape].append(float(fields[-1]))
    steps = STEPS * EPOCHS
    rows: list[dict[str, Any]] = [
        {
            "kernel": name,
            "shape": shape,
            "calls": round(len(times) / steps),
            "milliseconds": statistics.median(times) * round(len(times) / steps),
            "operations": _operations(name, shape) * round(len(times) / steps),
        }
        for (name, shape), times in found.items()
        if len(times) > steps / 2  # what validation alone executes has other shapes
    ]
    return sorted(rows, key=lambda row: -row["milliseconds"])


def _operations(kernel: str, shape: str) -> int:
    """Multiplications and additions of a kernel, by what oneDNN calls its shape."""
    sizes = {name: int(value) for name, value in re.findall(r"([a-z]+)([0-9]+)", shape)}
    if kernel.startswith("convolution"):
        channels = sizes["ic"] * sizes["oc"]
        return 2 * sizes["mb"] * channels * sizes["oh"] * sizes["ow"] * sizes["kh"] * sizes["kw"]
    if kernel.startswith("inner_product"):
        return 2 * sizes["mb"] * sizes["ic"] * sizes["oc"]
    if kernel == "gemm_api":
        rows, inner, columns = map(int, re.fullmatch(r"(\d+)x(\d+):\d+x(\d+)", shape).groups())  # type: ignore[union-attr]
        return 2 * rows * inner * columns
    return 0


def _alternatives(name: str, side: int, channels: int, filters: int, padding: str) -> Iterator[dict[str, Any]]:
    """Milliseconds of a convolution and its gradients, and of other ways to compute them."""
    output = side if padding == "SAME" else side - 4

    def of(channels: int, filters: int) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        return (
            tf.random.normal((BATCH, side, side, channels)),
            tf.random.normal((5, 5, channels, filters)),
            tf.random.normal((BATCH, output, output, filters)),
        )

    x, kernel, gradient = of(channels, filters)
    wide_x, wide_kernel, wide_gradient = of(16 if channels > 1 else 1, 16)

    def patches() -> tf.Tensor:
        found = tf.image.extract_patches(x, (1, 5, 5, 1), (1, 1, 1, 1), (1, 1, 1, 1), padding)
        return tf.reshape(found, (-1, 25 * channels))

    def filter_gradient(images: tf.Tensor, weights: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
        return tf.raw_ops.Conv2DBackpropFilter(
            input=images, filter_sizes=weights.shape, out_backprop=upstream, strides=[1, 1, 1, 1], padding=padding
        )

    def input_gradient(images: tf.Tensor, weights: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
        return tf.raw_ops.Conv2DBackpropInput(
            input_sizes=images.shape, filter=weights, out_backprop=upstream, strides=[1, 1, 1, 1], padding=padding
        )

    def as_convolution() -> tf.Tensor:
        padded = tf.pad(gradient, [(0, 0), (4, 4), (4, 4), (0, 0)])
        return tf.nn.conv2d(padded, tf.transpose(kernel[::-1, ::-1], (0, 1, 3, 2)), 1, "VALID")

    yield _row(
        f"{name}, forward",
        lambda: tf.nn.conv2d(x, kernel, 1, padding),
        sixteen_channels=lambda: tf.nn.conv2d(wide_x, wide_kernel, 1, padding),
        im2col=lambda: tf.matmul(patches(), tf.reshape(kernel, (-1, filters))),
    )
    yield _row(
        f"{name}, gradient by the kernel",
        lambda: filter_gradient(x, kernel, gradient),
        sixteen_channels=lambda: filter_gradient(wide_x, wide_kernel, wide_gradient),
        im2col=lambda: tf.matmul(patches(), tf.reshape(gradient, (-1, filters)), transpose_a=True),
    )
    if channels > 1:  # else no layer needs it
        yield _row(
            f"{name}, gradient by the input",
            lambda: input_gradient(x, kernel, gradient),
            sixteen_channels=lambda: input_gradient(wide_x, wide_kernel, wide_gradient),
            as_convolution=as_convolution,
        )


def _row(operation: str, run: Callable[[], tf.Tensor], **others: Callable[[], tf.Tensor]) -> dict[str, Any]:
    columns = {"tensorflow": run, **others}
    found = {name: round(1e3 * _seconds(work), 4) for name, work in columns.items()}
    return {
        "operation": operation,
        **{name: found.get(name) for name in ("tensorflow", "sixteen_channels", "im2col", "as_convolution")},
    }


def _seconds(run: Callable[[], tf.Tensor]) -> float:
    """Of one call, the median of several rounds of many calls in one graph."""

    def one(count: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.control_dependencies([count]):  # else it is computed once, before the loop
            return count + 1, total + tf.reshape(run(), [-1])[0]

    many = tf.function(lambda: tf.while_loop(lambda count, _: count < CALLS, one, (0, 0.0))[1], autograph=False)
    many()
    seconds = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        many().numpy()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds) / CALLS


if __name__ == "__main__":
    main()
