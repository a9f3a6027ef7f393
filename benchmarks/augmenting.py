"""What augmentation costs beside training: `python -m benchmarks.augmenting` writes docs/benchmarks-augment.md."""

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import tensorflow as tf
from pydantic import TypeAdapter

from benchmarks.page import DOCS
from cnnlab.cli.tables import Format, render
from cnnlab.config.load import load
from cnnlab.data import Examples
from cnnlab.experiment.augmentation import Augmentation
from cnnlab.experiment.data import num_outputs
from cnnlab.experiment.schema import Experiment
from cnnlab.models.augmentation import Augmenter
from cnnlab.models.build import attach_optimizer, build
from cnnlab.models.determinism import make_deterministic
from cnnlab.models.inference import to_input
from cnnlab.training.engine.engine import Engine

PAGE = DOCS / "benchmarks-augment.md"
NETWORKS = ("lenet", "cifar")
BATCH, BATCHES = 128, 16
STEPS: dict[str, list[Any]] = {
    name: [name]
    for name in (
        *("random_crop", "horizontal_flip", "vertical_flip", "alternating_flip", "translation", "rotation", "zoom"),
        *("brightness", "contrast", "saturation", "gaussian_noise", "cutout", "random_erasing", "rand_augment"),
        *("mixup", "cutmix"),
    )
} | {
    "rotation, zoom, translation": ["rotation", "zoom", "translation"],
    "random_crop with fill: reflect": [{"random_crop": {"fill": "reflect"}}],
}
TEXT = """\
# What augmentation costs

`python -m benchmarks.augmenting` wrote this page, on {when}, on {machine}: the microseconds per image that
each step of `preprocessing.augmentation` takes by itself, with its default options, inside a compiled loop over
batches of {batch} images, beyond those of the loop without it. `to_step` relates them to a training step without
augmentation, forward, backward and update, of LeNet-5 on images of 28×28×1 and of the `cifar` network on images of
32×32×3. Medians of {rounds} rounds in which all take turns; what is not measurably above 0 is 0. Images are random.

{table}
"""


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.augmenting")
    parser.add_argument("--rounds", type=int, default=7, help="repetitions that count, of each (default 7)")
    rounds = parser.parse_args().rounds
    make_deterministic(0)
    tf.get_logger().setLevel("ERROR")  # every loop is a graph of its own, of which TensorFlow warns
    costs = {network: _costs(load(network), rounds) for network in NETWORKS}
    rows = []
    for name in ("training step", *STEPS):
        row: dict[str, object] = {"augmentation": name}
        for network, found in costs.items():
            cost = found.get(name)
            row[f"{network}_us"] = cost
            row[f"{network}_to_step"] = None if cost is None else cost / found["training step"]
        rows.append(row)
    PAGE.write_text(
        TEXT.format(
            when=datetime.now(UTC).date(),
            machine=f"{platform.machine()} with {os.cpu_count()} cores, {platform.system()}",
            batch=BATCH,
            rounds=rounds,
            table=render(rows, list(rows[0]), Format.MD),
        ),
        encoding="utf-8",
    )
    print(PAGE.read_text(encoding="utf-8"))


def _costs(experiment: Experiment, rounds: int) -> dict[str, float]:
    """Microseconds per image of a training step, and of every augmentation that these images can have."""
    shape = experiment.data.image_shape
    random, count = np.random.default_rng(0), BATCH * BATCHES
    images = random.integers(0, 256, (count, *shape), dtype=np.uint8)
    labels = random.integers(0, num_outputs(experiment.data), count, dtype=np.int32)
    model = build(experiment.model, shape, num_outputs(experiment.data), name="model")
    attach_optimizer(model, experiment.train)
    engine = Engine(model, experiment.train.loss, Examples(images, labels), batch_size=BATCH, seed=0)
    steps = {name: some for name, some in STEPS.items() if shape[-1] == 3 or "saturation" not in some}
    work = {"training step": lambda: list(engine.epoch(0)), "nothing": _loop([], images)}
    work |= {name: _loop(TypeAdapter(list[Augmentation]).validate_python(some), images) for name, some in steps.items()}
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(rounds + 3):
        for name, run in work.items():
            started = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - started)
    medians = {name: 1e6 * statistics.median(values[3:]) / count for name, values in seconds.items()}
    nothing = medians.pop("nothing")
    return {name: value if name == "training step" else max(0.0, value - nothing) for name, value in medians.items()}


def _loop(steps: Sequence[Augmentation], images: np.ndarray[Any, Any]) -> Callable[[], object]:
    """A function that augments all images in batches, as the engine does."""
    augmenter = Augmenter(steps)
    draws = augmenter.draws(len(images), 0, 0)
    resident = tf.constant(images)

    @tf.function  # type: ignore[untyped-decorator]
    def augment() -> tf.Tensor:
        total = tf.constant(0.0)
        for step in tf.range(BATCHES):
            numbers = tf.range(step * BATCH, (step + 1) * BATCH)
            batch = to_input(tf.gather(resident, numbers))
            if draws is not None:
                chosen = tf.gather(draws, numbers)
                batch = augmenter(batch, chosen)
                if augmenter.mixes:
                    batch, _ = augmenter.mix(batch, tf.reverse(batch, [0]), chosen)
            total += batch[0, 0, 0, 0]
        return total

    return lambda: augment().numpy()


if __name__ == "__main__":
    main()
