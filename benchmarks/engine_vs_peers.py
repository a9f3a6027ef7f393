"""Seconds per epoch: cnnlab's engine, Keras's `fit`, PyTorch and JAX, each in its usual and in its fastest form.

`fit, tuned` has a cached and prefetched `tf.data` pipeline and 64 steps per call; `PyTorch, compiled` is
`torch.compile` with `channels_last`; JAX runs an epoch as one `lax.scan` under `jit`, with optax.

Network, optimizer, batch size, precision and data are the same. Each contestant runs in a separate process, and they
train one epoch each in turn, so that load on the machine affects all of them equally. The first epoch of each
(tracing, allocation, compiling) is not counted. cnnlab chooses its threads as `cnnlab train` does. The data are
random and have the size of MNIST or CIFAR-10, since the time does not depend on the pixels; an epoch of the two large
networks has 10,000 images. XLA computes convolutions on a CPU so slowly that JAX trains them on 1,000 images, and its
seconds are multiplied. Where the range is wide, `fit` alternates between two speeds, and its median, the reference of
all ratios, differs between runs of this benchmark.
"""

import json
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cnnlab.config.load import load, to_dict
from cnnlab.quantities import Bytes

NETWORKS = {
    "fc": (60_000, 28, 28, 1),
    "mlp-ce": (60_000, 28, 28, 1),
    "lenet": (60_000, 28, 28, 1),
    "cnn-32-64": (10_000, 28, 28, 1),
    "cifar": (10_000, 32, 32, 3),
}
"""The shape of the images of an epoch, by network: the course's fc-mse, mlp-ce, lenet5, cnn-32-64 and cifar-cnn."""


@dataclass(frozen=True)
class Contestant:
    """A framework to train with, in a process of `python`; `settings` of `train` differ from the experiment's.

    `images` are how many an epoch has, by network, where they are not all.
    """

    name: str
    module: str
    python: str = sys.executable
    options: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict, hash=False)
    images: Mapping[str, int] = field(default_factory=dict, hash=False)


class Process:
    """The process of a contestant; `serving.py` implements its side of the protocol."""

    def __init__(self, contestant: Contestant, experiment: dict[str, Any], data: Path) -> None:
        task = json.dumps({**experiment, "train": {**experiment["train"], **contestant.settings}})
        module = f"benchmarks.contestants.{contestant.module}"
        self._process = subprocess.Popen(
            [contestant.python, "-m", module, task, str(data), *contestant.options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.seconds: list[float] = []

    def run_epoch(self) -> None:
        """Train one epoch."""
        self.start_epoch()
        self.end_epoch()

    def start_epoch(self) -> None:
        """Ask for an epoch."""
        self._process.stdin.write("epoch\n")  # type: ignore[union-attr]
        self._process.stdin.flush()  # type: ignore[union-attr]

    def end_epoch(self) -> None:
        """Wait for the epoch that was asked for. Raises ValueError where the process has ended."""
        seconds, _ = self._process.stdout.readline().split()  # type: ignore[union-attr]
        self.seconds.append(float(seconds))

    def end(self) -> int:
        """End the process; its peak memory in bytes."""
        peak, _ = self._process.communicate()
        return int(peak)


def race(
    contestants: Sequence[Contestant],
    rounds: int,
    scratch: Path,
    networks: Mapping[str, tuple[int, ...]] = NETWORKS,
) -> list[dict[str, Any]]:
    """One row per network and contestant: the median and range of `rounds` epochs, and the peak memory.

    `to_fit` is relative to the first contestant.
    """
    rows = []
    for name, shape in networks.items():
        experiment = to_dict(load(name))
        data = random_data(shape, scratch)
        data_of = {
            contestant: random_data((contestant.images[name], *shape[1:]), scratch)
            if name in contestant.images
            else data
            for contestant in contestants
        }
        running = {contestant: Process(contestant, experiment, data_of[contestant]) for contestant in contestants}
        for _ in range(rounds + 1):
            for process in running.values():
                process.run_epoch()
        first = statistics.median(running[contestants[0]].seconds[1:])
        for contestant, process in running.items():
            factor = shape[0] / contestant.images.get(name, shape[0])
            seconds = [second * factor for second in process.seconds[1:]]
            rows.append(
                {
                    "network": name,
                    "contestant": contestant.name,
                    "seconds_per_epoch": statistics.median(seconds),
                    "range": f"{min(seconds):.3g} to {max(seconds):.3g}",
                    "examples_per_second": round(shape[0] / statistics.median(seconds)),
                    "to_fit": statistics.median(seconds) / first,
                    "peak_memory": Bytes(process.end()),
                }
            )
            print(*rows[-1].values(), file=sys.stderr, flush=True)
    return rows


def geometric_mean(rows: Sequence[dict[str, Any]], contestant: str) -> float:
    """The geometric mean of a contestant's ratios to `fit` over all networks."""
    return statistics.geometric_mean(row["to_fit"] for row in rows if row["contestant"] == contestant)


def random_data(shape: tuple[int, ...], scratch: Path) -> Path:
    """An .npz file in `scratch` with random images of this shape and labels from 0 to 9."""
    path = scratch / f"{'x'.join(map(str, shape))}.npz"
    if not path.exists():
        random = np.random.default_rng(0)
        labels = random.integers(0, 10, shape[0], dtype=np.int32)
        np.savez(path, images=random.integers(0, 256, shape, dtype=np.uint8), labels=labels)
    return path
