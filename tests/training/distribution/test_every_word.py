"""Every word of the language and every shipped experiment give the same results on two replicas as on one device.

The tests with two workers are run by .ci/run and `make test-slow`; .ci/smoke.py trains the shipped experiments on two
devices of one process.
"""

import csv
import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import tensorflow  # noqa: F401 - splits the CPU into two devices, see tests/conftest.py

from cnnlab.config import shipped
from cnnlab.evaluation.evaluate import evaluate
from cnnlab.experiment.preprocessing import Preprocessing
from cnnlab.experiment.schema import Model, Train
from cnnlab.runs import Run
from cnnlab.workers import _free_addresses
from tests.training.distribution import every_word
from tests.training.distribution.every_word import EXPERIMENTS, experiment, words_at, words_of

SEVERAL = ("two devices", pytest.param("two workers", marks=pytest.mark.two_workers))
HALF = {
    "bfloat16": 2e-3,
    "wide-bfloat16": 2e-3,
    "resizing-streamed": 2e-3,
    "frozen": 2e-3,
    "backbone-bfloat16": 2e-3,
    "float16": 5e-4,
}
# Dropout and batch normalization differ by design.
UNLIKE = ("noisy", "normalized", "normalized-bfloat16", "backbone-trained")
TOLERANCES = {name: 1e-5 for name in EXPERIMENTS if name not in UNLIKE} | HALF
ELSEWHERE = {("devices", "cpu"), ("devices", "gpu")}  # tested in tests/cli/test_devices.py


@pytest.fixture(scope="module")
def trained_on(tmp_path_factory):
    """A function from the kind of devices to the folder of its runs, which are trained once."""
    folder = tmp_path_factory.mktemp("words")

    @functools.cache
    def train_on(where):
        if where == "two workers":
            train_on_two_workers(folder / where, "words")
        else:
            every_word.train(map(experiment, EXPERIMENTS), "auto" if where == "one device" else "2", folder / where)
        return folder / where

    return train_on


def train_on_two_workers(folder, which):
    """Train the experiments `which` on two workers."""
    addresses = _free_addresses(2)
    workers = [start_worker(folder, which, addresses, index) for index in range(2)]
    try:
        for worker in workers:
            _, stderr = worker.communicate(timeout=600)
            assert worker.returncode == 0, stderr
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()


def start_worker(folder, which, addresses, index):
    task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
    return subprocess.Popen(
        [sys.executable, "-m", "tests.training.distribution.every_word", folder, which],
        cwd=Path(__file__).parents[3],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "TF_CONFIG": json.dumps(task)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_every_word_of_the_language_is_covered():
    known = {word for section in (Preprocessing, Model, Train) for word in words_at(section)}
    trained = map(experiment, EXPERIMENTS)
    used = {word for one in trained for part in (one.preprocessing, one.model, one.train) for word in words_of(part)}
    assert {
        "cosine",
        "conv2d",
        "mixup",
        "progressive_resizing",
        "adamw",
        "he_normal",
        ("precision", "mixed_float16"),
    } <= known
    assert known - used == ELSEWHERE


def test_every_schedule_is_covered_with_a_warm_up():
    schedules = [experiment(name).train.schedule for name in EXPERIMENTS]
    assert {one.kind for one in schedules if one.warmup} == {one.kind for one in schedules}


@pytest.mark.parametrize("where", SEVERAL)
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_word_is_trained_on_two_replicas(trained_on, where, name):
    assert_trained_on_two_replicas(trained_on(where) / name)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_word_is_evaluated_as_it_was_trained(trained_on, name):
    run = Run(trained_on("one device") / name)
    measured, results = evaluate(run, "validation"), run.record().results
    assert measured["accuracy"] == results["val_accuracy"]
    assert measured["loss"] == pytest.approx(results["val_loss"], rel=1e-6)


@pytest.mark.two_workers
def test_every_shipped_experiment_is_trained_on_two_workers(tmp_path):
    train_on_two_workers(tmp_path, "shipped")
    for name in shipped.paths():
        assert_trained_on_two_replicas(tmp_path / f"shipped-{name}")


def assert_trained_on_two_replicas(run):
    record = json.loads((run / "run.json").read_text())
    assert record["status"] == "finished"
    assert record["devices"]["replicas"] == 2


def table_of(run):
    rows = csv.DictReader((run / "metrics.csv").read_text().splitlines())
    return [[float(row[key]) for key in row if key != "seconds"] for row in rows]


@pytest.mark.parametrize("where", SEVERAL)
@pytest.mark.parametrize("name", TOLERANCES)
def test_two_replicas_give_the_numbers_of_one_device(trained_on, name, where):
    one, two = trained_on("one device") / name, trained_on(where) / name
    epochs = experiment(name).train.epochs
    assert len(table_of(one)) == (2 if name == "constant" else epochs)  # ended by early stopping
    assert table_of(two) == [pytest.approx(row, rel=TOLERANCES[name]) for row in table_of(one)]
    expected, found = (safetensors.numpy.load_file(run / "weights.safetensors") for run in (one, two))
    assert expected.keys() == found.keys()
    rtol, atol = (0, 2e-2) if name in HALF else (1e-4, 1e-5)
    for variable, values in expected.items():
        np.testing.assert_allclose(found[variable], values, rtol=rtol, atol=atol, err_msg=variable)
    if (one / "evaluation/test.json").exists():
        accuracies = [json.loads((run / "evaluation/test.json").read_text())["accuracy"] for run in (one, two)]
        assert accuracies[0] == accuracies[1]


def losses_with_dropout(runs):
    return [row[1] for row in table_of(runs / "noisy")]


def test_dropout_on_two_replicas_has_other_masks_than_on_one_device(trained_on):
    one, two = (losses_with_dropout(trained_on(where)) for where in ("one device", "two devices"))
    assert two != pytest.approx(one, rel=1e-4)


@pytest.mark.two_workers
def test_dropout_has_the_same_masks_on_two_workers_as_on_two_devices(trained_on):
    devices, workers = (losses_with_dropout(trained_on(where)) for where in ("two devices", "two workers"))
    assert workers == pytest.approx(devices, rel=1e-4)


@pytest.mark.parametrize("where", SEVERAL)
def test_keras_callbacks_write_their_files_on_two_replicas(trained_on, where):
    run = trained_on(where) / "step"
    assert len((run / "log.csv").read_text().splitlines()) == 4
    assert (run / "best.keras").is_file()
    assert list((run / "events").rglob("events.out.tfevents.*"))
