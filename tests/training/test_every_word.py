import csv
import json

import pytest

from cnnlab.config import shipped
from cnnlab.experiment.preprocessing import Preprocessing
from cnnlab.experiment.schema import Model, Train
from cnnlab.workers import _free_addresses
from tests.training.every_word import EXPERIMENTS, experiment, words_at, words_of
from tests.training.processes import finish, start

MODULE = "tests.training.every_word"
SEVERAL = ("two devices", "two workers")
ALL = [*EXPERIMENTS, *(f"shipped-{name}" for name in shipped.paths())]
# Dropout and batch normalisation differ by design.
TOLERANCES = {name: 1e-5 for name in EXPERIMENTS if name != "noisy"} | {"bfloat16": 2e-3, "float16": 5e-4}
ELSEWHERE = {("devices", "cpu"), ("devices", "gpu")}  # in tests/cli/test_devices.py


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The folders of run folders, by where the runs were trained."""
    folder = tmp_path_factory.mktemp("words")
    finish(start(MODULE, "auto", folder / "one device"), start(MODULE, "2", folder / "two devices"))
    addresses = _free_addresses(2)
    finish(*(start(MODULE, "auto", folder / "two workers", addresses, index) for index in (1, 0)))
    return folder


def test_no_word_of_the_language_is_forgotten():
    known = {word for section in (Preprocessing, Model, Train) for word in words_at(section)}
    trained = map(experiment, EXPERIMENTS)
    used = {word for one in trained for part in (one.preprocessing, one.model, one.train) for word in words_of(part)}
    assert {"cosine", "conv2d", "mixup", "adamw", "he_normal", ("precision", "mixed_float16")} <= known
    assert known - used == ELSEWHERE


def test_no_schedule_is_forgotten_with_a_warm_up():
    schedules = [experiment(name).train.schedule for name in EXPERIMENTS]
    assert {one.kind for one in schedules if one.warmup} == {one.kind for one in schedules}


@pytest.mark.parametrize("where", SEVERAL)
@pytest.mark.parametrize("name", ALL)
def test_every_word_and_every_shipped_experiment_is_trained_on_two_replicas(runs, name, where):
    record = json.loads((runs / where / name / "run.json").read_text())
    assert record["status"] == "finished"
    assert record["devices"]["replicas"] == 2


@pytest.mark.parametrize("where", SEVERAL)
@pytest.mark.parametrize("name", TOLERANCES)
def test_two_replicas_give_the_table_of_one_device(runs, name, where):
    tables = [
        list(csv.DictReader((runs / place / name / "metrics.csv").read_text().splitlines()))
        for place in ("one device", where)
    ]
    one, two = ([[float(row[key]) for key in row if key != "seconds"] for row in table] for table in tables)
    assert len(one) == (2 if name == "constant" else 3)  # early stopping ends that one
    assert two == [pytest.approx(row, rel=TOLERANCES[name]) for row in one]


@pytest.mark.parametrize("where", SEVERAL)
def test_callbacks_of_keras_that_write_files_do_so_on_two_replicas(runs, where):
    run = runs / where / "step"
    assert len((run / "log.csv").read_text().splitlines()) == 4
    assert (run / "best.keras").is_file()
    assert list((run / "own").rglob("events.out.tfevents.*"))
