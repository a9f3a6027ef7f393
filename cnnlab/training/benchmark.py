"""How fast an experiment trains on this machine, and how much of the machine that uses."""

import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from cnnlab.experiment.callbacks import TensorBoard
from cnnlab.experiment.schema import Experiment, Precision
from cnnlab.models.graph import compiled
from cnnlab.quantities import Bytes
from cnnlab.runs import Run
from cnnlab.training import environment
from cnnlab.training.callbacks.metrics_table import MetricsTable
from cnnlab.training.callbacks.tensorboard import Events
from cnnlab.training.distribution import devices
from cnnlab.training.engine.engine import Engine
from cnnlab.training.interrupts import Interrupts
from cnnlab.training.resume.manager import CheckpointManager
from cnnlab.training.trainer import Trainer

MATRIX = 2048  # rows of the square matrices whose product is the yardstick: large enough to keep all cores busy
PRODUCTS, ROUNDS = 4, 7
Epochs = Callable[[int], Iterable[int]]


def benchmark(experiment: Experiment, epochs: int, count: Epochs = range) -> dict[str, Any]:
    """Train for `epochs` after one that does not count; nothing is written.

    `count` gives the numbers of the epochs, and may show how far they are. Speeds are medians. The share is what the
    products and sums of the forward and backward pass, as `cnnlab describe` counts them, come to a second, of what
    multiplying two large matrices comes to.
    """
    trainer = Trainer.from_experiment(experiment)
    strategy = trainer.strategy
    with strategy.scope():
        first_step, seconds = _train(trainer.engine, epochs, count)
        peak = _peak_memory()
        saving, tensorboard_seconds = _extras(trainer)
    examples = len(trainer.dataset.train)
    cost = trainer.summary.training
    reached = (cost.multiplications + cost.additions) * examples / statistics.median(seconds)
    possible = matmul_rate(experiment.train.precision) * _separate_devices(strategy)
    return {
        "experiment": experiment.name,
        "devices": environment.device_names(strategy),
        "precision": experiment.train.precision,
        "batch_size": experiment.train.batch_size,
        "examples": examples,
        "epochs": epochs,
        "examples_per_second": examples / statistics.median(seconds),
        "seconds_per_epoch": statistics.median(seconds),
        "fastest_epoch": min(seconds),
        "slowest_epoch": max(seconds),
        "seconds_per_checkpoint": saving,
        "checkpoint_share": saving / statistics.median(seconds),
        "seconds_per_epoch_of_tensorboard": tensorboard_seconds,
        "tensorboard_share": tensorboard_seconds / statistics.median(seconds),
        "seconds_to_first_step": first_step,
        "peak_memory": Bytes(peak),
        "gflops": reached / 1e9,
        "matmul_gflops": possible / 1e9,
        "share_of_matmul": reached / possible,
    }


def _train(engine: Engine, epochs: int, count: Epochs) -> tuple[float | None, list[float]]:
    """Seconds from the process's start to the end of the first step, and of every epoch but the first."""
    first_step, seconds = None, []
    for epoch in count(epochs + 1):
        started = time.perf_counter()
        for progress in engine.epoch(epoch):
            if epoch == 0 and progress.steps == 1:
                first_step = _process_age()
        seconds.append(time.perf_counter() - started)
    return first_step, seconds[1:]


def _extras(trainer: Trainer) -> tuple[float, float]:
    """Seconds of an epoch's end that its table and checkpoint take, and, where asked for, TensorBoard's events.

    They are written beside run folders, on the disk that a run would use, and removed.
    """
    row = dict.fromkeys(("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"), 0.5)
    beside = "." if os.access(".", os.W_OK) else None
    with Interrupts(), tempfile.TemporaryDirectory(dir=beside, prefix=".cnnlab-bench-") as folder:
        run = Run(Path(folder))
        table = MetricsTable(run)
        manager = CheckpointManager(trainer.model, trainer.experiment.train, table, [], run)
        events = Events(TensorBoard(), trainer, run)
        events.on_epoch_begin(0)
        saving, tensorboard_seconds = [], []
        for epoch in range(ROUNDS):
            started = time.perf_counter()
            table.on_epoch_end(epoch, row)
            manager.save(epoch + 1)
            saved = time.perf_counter()
            events.on_epoch_end(epoch, row)
            events.get_state()
            saving.append(saved - started)
            tensorboard_seconds.append(time.perf_counter() - saved)
        events.close()
    return statistics.median(saving), statistics.median(tensorboard_seconds[1:])  # the first one traces


def matmul_rate(precision: Precision = "float32") -> float:
    """Products and sums a second of multiplying square matrices on the first device, the median of several tries."""
    kind = keras.DTypePolicy(precision).compute_dtype
    matrix = tf.cast(tf.random.stateless_normal([MATRIX, MATRIX], [0, 0]), kind)

    def multiply(count: tf.Tensor, product: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return count + 1, tf.matmul(matrix, product) / MATRIX

    power = compiled(lambda: tf.while_loop(lambda count, _: count < PRODUCTS, multiply, (0, matrix))[1][0, 0])
    power()  # traces
    seconds = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        power().numpy()
        seconds.append(time.perf_counter() - started)
    return PRODUCTS * 2 * MATRIX**3 / statistics.median(seconds)


def _separate_devices(strategy: tf.distribute.Strategy) -> int:
    """How many devices compute beside each other; parts of a CPU share it."""
    return strategy.num_replicas_in_sync if devices.has_gpu() else devices.num_workers(strategy)


def _peak_memory() -> int:
    """Bytes of this process in main memory, at most so far; of the GPU where one trains."""
    if devices.has_gpu():
        return int(tf.config.experimental.get_memory_info("GPU:0")["peak"])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # Linux counts in kB


def _process_age() -> float | None:
    """Seconds since this process began, to a hundredth; None where the system does not tell."""
    try:
        fields = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return None
    started = int(fields[19]) / os.sysconf("SC_CLK_TCK")  # field 22 of proc(5), counted from the state, the third
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started
