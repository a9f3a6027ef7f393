"""Runs interrupted at any step and resumed by a new trainer have the same bytes as uninterrupted runs."""

import json
import random
import shutil
import signal

import keras
import numpy as np
import pytest

from cnnlab.config.load import load
from cnnlab.config.overrides import parse_set
from cnnlab.errors import Interrupted, RunError
from cnnlab.runs import Run, checkpoints
from cnnlab.training.callbacks import state as callback_states
from cnnlab.training.callbacks.metrics_table import COLUMNS, MetricsTable
from cnnlab.training.engine.engine import Engine
from cnnlab.training.interrupts import Interrupts
from cnnlab.training.resume import checkpoint as states
from cnnlab.training.resume.plan import plan
from cnnlab.training.tasks import NewRun
from cnnlab.training.train import train
from tests.training.distribution.every_word import EXCLUDED, GROUPED, write_grouped

CONV = "{conv2d: {filters: 4, kernel_size: 3, strides: 2, activation: relu}}"
BASE = (
    "data.limit=200",
    f"model.layers=[{CONV}, flatten, {{dense: 10}}]",
    "train.epochs=3",
    "train.batch_size=32",
    "train.callbacks=[tensorboard]",
    "train.schedule=constant",
)
DROPOUT = f"model.layers=[{CONV}, batch_norm, {{dropout: 0.3}}, flatten, {{dropout: 0.2}}, {{dense: 10}}]"
FROZEN = "model.pretrained={from: source, freeze: {until: batch_norm_1}}"
CASES = {
    "momentum, plateau": [
        "train.optimizer={sgd: {learning_rate: 0.3, momentum: 0.9, nesterov: true}}",
        "train.epochs=6",
        "train.schedule={reduce_on_plateau: {patience: 1}}",
    ],
    "adamw, one-cycle": ["train.optimizer={adamw: 0.003}", "train.schedule={one_cycle: {}}"],
    "rmsprop, warm-up": [
        "train.optimizer={rmsprop: {learning_rate: 0.003, momentum: 0.5, centered: true}}",
        "train.schedule={cosine: {warmup: 1.5}}",
    ],
    "dropout, augmentation": [
        DROPOUT,
        "preprocessing.augmentation=[{random_crop: 2}, {rotation: 10}, {cutout: 5}, {mixup: 0.4}]",
    ],
    "colors, noise, cutmix": [
        "preprocessing.augmentation=[{zoom: {factor: 0.2, fill: reflect}}, {rotation: {degrees: 10, fill: reflect}}, "
        "brightness, contrast, gaussian_noise, random_erasing, rand_augment, mixup, cutmix]",
        "train.schedule=cosine",
    ],
    "early-stopping": [
        "train.epochs=9",
        "train.optimizer={sgd: 0.5}",
        "train.callbacks=[tensorboard, {early_stopping: {patience: 2, restore_best_weights: true, monitor: val_accuracy}}]",
    ],
    "averages": ["train.optimizer={sgd: {learning_rate: 0.1, momentum: 0.9, use_ema: true, ema_momentum: 0.9}}"],
    "float16": ["train.precision=mixed_float16", "train.optimizer={adam: 0.002}"],
    "fused batch normalization": [
        f"model.layers=[{CONV.replace('4', '16')}, batch_norm, {{activation: relu}}, flatten, {{dense: 10}}]",
        "train.batch_size=30",
    ],
    "gradients as matrix products": [
        "model.layers=[{conv2d: {filters: 64, kernel_size: 3, strides: 4}}, "
        "{conv2d: {filters: 128, kernel_size: 3, use_bias: false}}, flatten, {dense: 10}]",
        "train.precision=mixed_bfloat16",
    ],
    "pretrained": [
        DROPOUT,
        "model.pretrained={from: source, freeze: [batch_norm_1], learning_rate_factor: 0.1}",
        "train.optimizer={adamw: {learning_rate: 0.003, weight_decay: 0.1}}",
        "train.schedule={cosine: {warmup: 1.5}}",
    ],
    "frozen, resident": [DROPOUT, FROZEN],
    "frozen, streamed": [DROPOUT, FROZEN, "train.input_pipeline=streamed"],
    "fold": [DROPOUT, "data.fold={number: 3, of: 4, seed: 2}"],
    "group": [
        DROPOUT.replace("10}", "3}"),
        *(f"data.{key}={value}" for key, value in GROUPED.items()),
        "train.batch_size=8",
    ],
    "exclude": [
        DROPOUT.replace("10}", "3}"),
        *(f"data.{key}={value}" for key, value in GROUPED.items()),
        f"data.exclude={EXCLUDED}",
        "train.batch_size=8",
    ],
    "XLA": ["model.layers=[flatten, {dense: {units: 200, activation: relu}}, {dense: 10}]"],
    "dirac, biases": [
        DROPOUT.replace("strides: 2", "strides: 2, kernel_initializer: dirac"),
        "train.bias_learning_rate_factor=16",
        "train.optimizer={sgd: {learning_rate: 0.01, momentum: 0.9, weight_decay: 0.1}}",
    ],
    "whitening": [DROPOUT.replace("strides: 2", "strides: 2, kernel_initializer: whitening")],
    "progressive resizing": [
        DROPOUT.replace("flatten", "global_avg_pool2d"),
        "train.progressive_resizing={delay_fraction: 0.3, finetune_fraction: 0.3}",
        "preprocessing.augmentation=[{random_crop: 2}]",
        "train.schedule=cosine",
    ],
    "streamed": [DROPOUT, "train.input_pipeline=streamed", "preprocessing.augmentation=[alternating_flip]"],
}


@pytest.fixture(autouse=True)
def _short_calls(monkeypatch):
    """Two steps per graph call, so that an epoch of seven steps can be interrupted within."""

    def two_steps(engine, steps, seconds):
        engine._steps_per_call = 2

    monkeypatch.setattr(Engine, "_resize_call", two_steps)


def experiment_of(*changes):
    return load("digits", [parse_set(change) for change in last_of_each((*BASE, *changes))])


def last_of_each(changes):
    return {change.partition("=")[0]: change for change in changes}.values()


def interrupt_after(monkeypatch, calls):
    """Simulate Ctrl-C at this check for interrupts; never with None."""
    left = [calls]

    def requested(self):
        if left[0] is None:
            return 0
        left[0] -= 1
        return signal.SIGINT if left[0] == 0 else 0

    monkeypatch.setattr(Interrupts, "requested", requested)


def metrics_without_seconds(run):
    return [line.rpartition(",")[0] for line in run.metrics.read_text().splitlines()]


def events(run):
    """Step and tags of all events, in file order."""
    from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
    from tensorboard.compat.proto.event_pb2 import Event

    found = []
    for path in sorted(run.tensorboard.rglob("*tfevents*")):
        for record in RawEventFileLoader(str(path)).Load():
            event = Event.FromString(record)
            found.append((path.parent.name, event.step, [value.tag for value in event.summary.value]))
    return found


@pytest.mark.parametrize("case", CASES)
def test_an_interrupted_and_resumed_run_equals_an_uninterrupted_one(tmp_path, monkeypatch, case):
    monkeypatch.chdir(tmp_path)
    if "pretrained" in str(CASES[case]):
        train([NewRun(experiment_of(DROPOUT, "train.epochs=1", "seed=7"), "source")], tmp_path)
    if case in ("group", "exclude"):
        write_grouped(tmp_path)
    experiment = experiment_of(*CASES[case])
    interrupt_after(monkeypatch, None)
    uninterrupted = train([NewRun(experiment, "uninterrupted")], tmp_path)[0].run
    draw = random.Random(case)
    stops = [draw.randint(1, 3), draw.randint(1, 5), None]
    resumed = Run(tmp_path / "resumed")
    positions = []
    for number, calls in enumerate(stops):
        interrupt_after(monkeypatch, calls)
        task = plan(resumed) if number else NewRun(experiment, "resumed")
        if calls is None:
            train([task], tmp_path)
            break
        with pytest.raises(Interrupted, match="continues after"):
            train([task], tmp_path)
        assert resumed.record().status == "interrupted"
        shutil.rmtree(tmp_path / "source", ignore_errors=True)  # the checkpoint is enough
        positions.append(checkpoints.positions(resumed)[0])
    assert any(position.step for position in positions)
    assert metrics_without_seconds(resumed) == metrics_without_seconds(uninterrupted)
    assert len(metrics_without_seconds(uninterrupted)) > 2
    for file in ("weights.safetensors", "evaluation/test.json", "evaluation/test-predictions.csv"):
        assert (resumed.path / file).read_bytes() == (uninterrupted.path / file).read_bytes(), file
    assert events(resumed) == events(uninterrupted)
    assert resumed.record().results == uninterrupted.record().results
    assert uninterrupted.record().raw["stopped_early"] == (case == "early-stopping")
    rates = {line.split(",")[5] for line in metrics_without_seconds(uninterrupted)[1:]}
    assert (len(rates) > 1) == ("train.schedule=" in "".join(CASES[case]))


def test_a_run_without_checkpoints_is_resumed_from_the_start_with_the_same_result(tmp_path, monkeypatch, capsys):
    experiment = experiment_of("train.optimizer={adam: 0.003}")
    uninterrupted = train([NewRun(experiment, "uninterrupted")], tmp_path)[0].run
    interrupt_after(monkeypatch, 5)
    with pytest.raises(Interrupted):
        train([NewRun(experiment, "resumed")], tmp_path)
    resumed = Run(tmp_path / "resumed")
    for position in checkpoints.positions(resumed):
        (resumed.checkpoints / position.name).write_bytes(b"damaged")
    interrupt_after(monkeypatch, None)
    train([plan(resumed)])
    assert capsys.readouterr().err.count("set aside") == 2
    assert metrics_without_seconds(resumed) == metrics_without_seconds(uninterrupted)
    assert resumed.weights.read_bytes() == uninterrupted.weights.read_bytes()
    assert events(resumed) == events(uninterrupted)


def test_adding_epochs_equals_requesting_them_at_the_start(tmp_path):
    short = train([NewRun(experiment_of("train.epochs=2"), "short")], tmp_path)[0].run
    long = train([NewRun(experiment_of("train.epochs=4"), "long")], tmp_path)[0].run
    train([plan(short, [parse_set("train.epochs=4")])])
    assert metrics_without_seconds(short) == metrics_without_seconds(long)
    assert short.weights.read_bytes() == long.weights.read_bytes()
    record = short.record().raw
    assert record["experiment"] == long.record().raw["experiment"]
    assert record["experiment_sha256"] == long.record().raw["experiment_sha256"]
    assert short.config.read_bytes() == long.config.read_bytes()


def test_checkpoints_within_an_epoch_are_saved_at_a_time_interval(tmp_path, monkeypatch):
    seen = []
    save = checkpoints.save
    monkeypatch.setattr(
        checkpoints, "save", lambda run, position, *rest: (seen.append(position), save(run, position, *rest))
    )
    train([NewRun(experiment_of("train.checkpoint_minutes=1e-9", "train.epochs=1"), "often")], tmp_path)
    assert [position.step for position in seen] == [1, 3, 5, 0]
    seen.clear()
    train([NewRun(experiment_of("train.epochs=2"), "seldom")], tmp_path)
    assert [(position.epoch, position.step) for position in seen] == [(1, 0), (2, 0)]


def test_the_state_of_a_user_callback_is_restored(tmp_path, monkeypatch):
    (tmp_path / "counting_callback.py").write_text(COUNTING)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    changes = ["train.callbacks=[callback: {path: counting_callback.Counting, arguments: {file: '{run}/count'}}]"]
    interrupt_after(monkeypatch, 6)
    with pytest.raises(Interrupted):
        train([NewRun(experiment_of(*changes), "resumed")], tmp_path)
    interrupt_after(monkeypatch, None)
    train([plan(Run(tmp_path / "resumed"), trust=True)])
    assert json.loads((tmp_path / "resumed" / "count").read_text()) == {"epochs": 3}


COUNTING = """
import json, pathlib
import keras

class Counting(keras.callbacks.Callback):
    def __init__(self, file):
        super().__init__()
        self.file, self.epochs = pathlib.Path(file), 0

    def on_epoch_end(self, epoch, logs=None):
        self.epochs += 1

    def on_train_end(self, logs=None):
        self.file.write_text(json.dumps({"epochs": self.epochs}))

    def get_state(self):
        return {"epochs": self.epochs}

    def set_state(self, state):
        self.epochs = state["epochs"]
"""


def test_a_worker_that_is_not_the_chief_restores_its_callback_states():
    """It has no callbacks that write files."""
    stopping = keras.callbacks.EarlyStopping()
    stopping.on_train_begin()
    stopping.wait = 3
    written = keras.callbacks.ModelCheckpoint("x.keras", save_best_only=True)
    state = states.State(
        epoch=3,
        rows=[dict.fromkeys(COLUMNS, 0.5) | {"epoch": epoch} for epoch in (1, 2, 3)],
        callbacks=[callback_states.get_state(written), callback_states.get_state(stopping)],
    )
    model = keras.Sequential([keras.Input([2]), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    arrays = {name: np.array(variable) for name, variable in states.variables_of(model).items()}
    other = keras.callbacks.EarlyStopping()
    other.on_train_begin()
    table = MetricsTable(None)
    states.Checkpoint(state, arrays).restore(model, [other], table, is_chief=False)
    assert other.wait == 3
    with pytest.raises(RunError, match="its callbacks are not those"):
        states.Checkpoint(state, arrays).restore(model, [other], table)
