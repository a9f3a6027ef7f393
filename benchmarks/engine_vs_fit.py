"""Seconds an epoch: cnnlab's engine against Keras's own `fit` on arrays.

Same network, optimizer, batch size and float32 arithmetic; data of MNIST's size, drawn at random, since the time does
not depend on the pixels. The two take turns epoch by epoch, so that a busy machine slows both; the first epoch of each
(tracing, allocation) does not count. `fit` is timed from its epoch's begin to its end, without its set-up.
"""

import os
import platform
import statistics
import time
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from cnnlab.cli.tables import Format, render
from cnnlab.config.load import load
from cnnlab.data import Examples
from cnnlab.experiment.schema import Experiment
from cnnlab.models.build import attach_optimizer, build
from cnnlab.training.engine import Engine

NETWORKS = ("fc", "lenet")
EXAMPLES = 60_000


def report(rounds: int) -> str:
    """The table, medians of `rounds` epochs, headed by what it was measured on."""
    machine = f"{platform.machine()}, {os.cpu_count()} cores, TensorFlow {tf.__version__}, Keras {keras.__version__}"
    rows = [_measure(name, rounds) for name in NETWORKS]
    return f"{machine}\n\n{render(rows, list(rows[0]), Format.TABLE)}"


def _measure(name: str, rounds: int) -> dict[str, object]:
    experiment = load(name)
    examples = _random_examples()
    contestants = {"fit": _fit(experiment, examples), "engine": _engine(experiment, examples)}
    seconds: dict[str, list[float]] = {contestant: [] for contestant in contestants}
    for _ in range(rounds + 1):
        for contestant, run_epoch in contestants.items():
            seconds[contestant].append(run_epoch())
    medians = {contestant: statistics.median(times[1:]) for contestant, times in seconds.items()}
    row: dict[str, object] = {"network": name}
    for contestant, times in seconds.items():
        row[f"{contestant} s/epoch"] = medians[contestant]
        row[f"{contestant} range"] = f"{min(times[1:]):.2f}-{max(times[1:]):.2f}"
    return {**row, "engine / fit": medians["engine"] / medians["fit"]}


def _random_examples() -> Examples:
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (EXAMPLES, 28, 28, 1), dtype=np.uint8)
    return Examples(images, random.integers(0, 10, EXAMPLES, dtype=np.int32))


def _model(experiment: Experiment) -> keras.Model:
    keras.utils.set_random_seed(experiment.seed)
    model = build(experiment.model, (28, 28, 1), 10, name=experiment.name)
    attach_optimizer(model, experiment.train)
    return model


def _engine(experiment: Experiment, examples: Examples) -> Callable[[], float]:
    """One epoch of the engine, in seconds."""
    settings = experiment.train
    engine = Engine(_model(experiment), settings.loss, examples, batch_size=settings.batch_size, seed=experiment.seed)

    def run_epoch() -> float:
        started = time.perf_counter()
        for _ in engine.epoch(0):
            pass
        return time.perf_counter() - started

    return run_epoch


def _fit(experiment: Experiment, examples: Examples) -> Callable[[], float]:
    """One epoch of `fit(x, y)`, in seconds."""
    model = _model(experiment)
    x = examples.images[:].astype(np.float32) / 255
    y = keras.utils.to_categorical(examples.labels, 10) if experiment.train.loss.kind == "mse" else examples.labels
    times: list[float] = []
    clock = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: times.append(-time.perf_counter()),
        on_epoch_end=lambda epoch, logs: times.append(times.pop() + time.perf_counter()),
    )

    def run_epoch() -> float:
        model.fit(x, y, batch_size=experiment.train.batch_size, epochs=1, verbose=0, callbacks=[clock])
        return times[-1]

    return run_epoch
