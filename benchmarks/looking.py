"""What `cnnlab look` costs: `python -m benchmarks.looking [--rounds 5]` writes docs/benchmarks-look.md."""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.page import DOCS
from cnnlab import data
from cnnlab.cli.tables import Format, render
from cnnlab.config.load import load

PAGE = DOCS / "benchmarks-look.md"
PLAIN = """
import numpy as np
import tensorflow as tf
import keras
model = keras.models.load_model("runs/lenet/model.keras")
image, label = tf.constant(np.load("image.npy")), tf.constant([3])
with tf.GradientTape() as tape:
    tape.watch(image)
    loss = tf.nn.sparse_softmax_cross_entropy_with_logits(label, model(image, training=False))
tape.gradient(loss, [image, *model.trainable_variables])
"""
LOOK = [sys.executable, "-m", "cnnlab", "look", "runs/lenet"]
CONTESTANTS = {
    "plain script": [sys.executable, "-c", PLAIN],
    "cnnlab look RUN": LOOK,
    "cnnlab look RUN --what hidden": [*LOOK, "--what", "hidden"],
    "cnnlab look RUN --what patches": [*LOOK, "--what", "patches"],
    "cnnlab look RUN --what saliency": [*LOOK, "--what", "saliency"],
    "cnnlab look RUN --what all": [*LOOK, "--what", "all"],
}
TEXT = """\
# What `cnnlab look` costs

`python -m benchmarks.looking` wrote this page, on {when}, on {machine}: LeNet-5, trained for an epoch on {data}. The
plain script imports TensorFlow, loads `model.keras`, and computes one forward and backward pass with `GradientTape`;
`cnnlab look RUN` also finds the surest mistake in the test set, prints the table, and draws every layer's activations,
weights and gradients. Medians of {rounds} rounds in which the commands take turns, each in a process of its own;
`to_script` is the ratio to the first.

{table}
"""


def main() -> None:
    """Train, run all, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.looking")
    parser.add_argument("--rounds", type=int, default=5, help="repetitions that count, of each (default 5)")
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        has_mnist = "CNNLAB_DATA_DIR" in os.environ
        train = [sys.executable, "-m", "cnnlab", "train", "lenet", "--epochs", "1", "--quiet", "--name", "lenet"]
        train += [] if has_mnist else ["--data", "digits"]
        subprocess.run(train, cwd=folder, capture_output=True, check=True)
        _write_image(folder, "lenet" if has_mnist else "digits")
        rows = _race(rounds, folder)
    PAGE.write_text(
        TEXT.format(
            when=datetime.now(UTC).date(),
            machine=f"{platform.machine()} with {os.cpu_count()} cores, {platform.system()}",
            data="MNIST" if has_mnist else "scikit-learn's digits",
            rounds=rounds,
            table=render(rows, list(rows[0]), Format.MD),
        ),
        encoding="utf-8",
    )
    print(PAGE.read_text(encoding="utf-8"))


def _write_image(folder: Path, experiment: str) -> None:
    """The first test image as the plain script takes it."""
    import numpy as np

    images = data.load(load(experiment).data, quiet=True).test.images[:1]
    np.save(folder / "image.npy", images.astype(np.float32) / 255)


def _race(rounds: int, folder: Path) -> list[dict[str, object]]:
    seconds: dict[str, list[float]] = {name: [] for name in CONTESTANTS}
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    for _ in range(rounds + 1):  # the first fills the disk's cache
        for name, command in CONTESTANTS.items():
            started = time.perf_counter()
            subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=True)
            seconds[name].append(time.perf_counter() - started)
    medians = {name: statistics.median(values[1:]) for name, values in seconds.items()}
    first = next(iter(medians.values()))
    return [
        {
            "command": name,
            "seconds": medians[name],
            "range": f"{min(values[1:]):.2f} to {max(values[1:]):.2f}",
            "to_script": medians[name] / first,
        }
        for name, values in seconds.items()
    ]


if __name__ == "__main__":
    main()
