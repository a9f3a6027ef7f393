"""How many processes `--jobs auto` takes, and how many threads a training alone."""

import sys

import pytest

from cnnlab.config.load import load, read
from cnnlab.config.overrides import parse_set
from cnnlab.experiment.summary import gains_from_xla
from cnnlab.jobs import cores
from cnnlab.jobs.cores import SPEEDUPS, count_of, for_one_process, parallel_fraction, share_out


@pytest.fixture(autouse=True)
def memory(monkeypatch):
    monkeypatch.setattr(cores.memory, "available", lambda: 10**12)


@pytest.fixture
def experiment():
    return load("lenet")


def with_threads(experiment, threads):
    return experiment.model_copy(update={"train": experiment.train.model_copy(update={"threads": threads})})


def test_auto_takes_a_process_per_core_where_threads_help_little(experiment):
    assert count_of("auto", 10, load("fc"), cores=2) == 2
    assert count_of("auto", 60, experiment, cores=8) == 8


def test_auto_leaves_no_core_idle_at_the_end_where_threads_help(experiment, monkeypatch):
    """Ten runs on eight cores: eight processes of one thread need two rounds, four of two threads need three."""
    monkeypatch.setattr(cores, "SPEEDUPS", {416_520: 1.7})
    assert count_of("auto", 10, experiment, cores=8) == 4
    assert count_of("auto", 8, experiment, cores=8) == 8
    monkeypatch.setattr(cores, "SPEEDUPS", {416_520: 1.0})
    assert count_of("auto", 10, experiment, cores=8) == 5


def test_auto_is_one_process_where_threads_are_as_good(experiment, monkeypatch):
    monkeypatch.setattr(cores, "SPEEDUPS", {416_520: 2.0})
    assert count_of("auto", 10, experiment, cores=2) == 1


def test_auto_divides_the_cores_by_the_threads_that_are_set(experiment):
    assert count_of("auto", 10, with_threads(experiment, 4), cores=16) == 4
    assert count_of("auto", 10, with_threads(experiment, 64), cores=16) == 1


def test_auto_takes_no_more_processes_than_have_room_in_memory(experiment, monkeypatch):
    monkeypatch.setattr(cores, "available_cores", lambda: 64)
    monkeypatch.setattr(cores.memory, "available", lambda: 4_000_000_000)
    assert count_of("auto", 60, experiment) == 2
    monkeypatch.setattr(cores.memory, "available", lambda: 1000)
    assert count_of("auto", 60, experiment) == 1


def test_a_number_is_taken_but_for_processes_without_work(experiment):
    assert count_of("7", 10, experiment) == 7
    assert count_of("7", 3, experiment) == 3


@pytest.mark.parametrize("multiplications", SPEEDUPS)
def test_the_table_has_fractions(multiplications):
    assert 1 <= SPEEDUPS[multiplications] <= 2


def test_the_networks_of_the_table_are_the_shipped_ones():
    fractions = [parallel_fraction(load(name)) for name in ("fc", "mlp-ce", "lenet", "cnn-32-64")]
    assert fractions == [2 * (1 - 1 / speedup) for speedup in SPEEDUPS.values()]


def test_the_threads_of_a_share_are_part_of_the_experiment(experiment, monkeypatch):
    monkeypatch.setattr(cores, "available_cores", lambda: 8)
    monkeypatch.setattr(cores, "gpus", tuple)
    assert share_out(experiment, 4).limited(experiment).train.threads == 2
    assert share_out(experiment, 4).text == "4 processes of 2 threads each"
    chosen = with_threads(experiment, 3)
    assert share_out(chosen, 4).limited(chosen) == chosen


def test_each_process_gets_a_gpu_where_there_are_some(experiment, monkeypatch):
    monkeypatch.setattr(cores, "gpus", lambda: ("0", "1"))
    shares = share_out(experiment, 3)
    assert [one["CUDA_VISIBLE_DEVICES"] for one in shares.variables] == ["0", "1", "0"]
    assert shares.text == "3 processes, which share 2 GPUs"
    assert share_out(experiment, 2).text == "2 processes, a GPU each"
    assert shares.limited(experiment) == experiment
    on_cpu = experiment.model_copy(update={"train": experiment.train.model_copy(update={"devices": "cpu"})})
    assert [dict(one) for one in share_out(on_cpu, 2).variables] == [{}, {}]


@pytest.fixture
def two_cores(monkeypatch):
    """Two cores, no GPU, no variables of TensorFlow, which has not started."""
    monkeypatch.setattr(cores, "available_cores", lambda: 2)
    monkeypatch.setattr(cores, "gpus", tuple)
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "TF_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)


@pytest.mark.parametrize(("name", "threads"), [("fc", 1), ("mlp-ce", None), ("lenet", None), ("cnn-32-64", None)])
def test_one_process_trains_small_networks_with_one_thread(two_cores, name, threads):
    """But XLA, which trains larger dense ones, uses all cores."""
    assert for_one_process(load(name)).train.threads == threads


@pytest.mark.parametrize(
    ("name", "change", "gains"),
    [
        ("mlp-ce", "seed=1", True),
        ("mlp-ce", "train.threads=1", False),
        ("mlp-ce", "preprocessing.augmentation=[translation]", False),
        ("mlp-ce", "train.adversarial={epsilon: 0.1}", False),
        ("fc", "seed=1", False),
        ("lenet", "seed=1", False),
        ("mlp-dropout", "seed=1", False),
    ],
)
def test_xla_trains_dense_networks_of_some_size(name, change, gains):
    assert gains_from_xla(read(name, [parse_set(change)]).experiment) is gains


@pytest.mark.parametrize(
    "change", ["train.threads=2", "train.batch_size=65536", "train.devices=2", "variable", "gpu", "started"]
)
def test_threads_stay_as_they_are_where_something_else_decides(two_cores, monkeypatch, change):
    changes = [parse_set(change)] if "=" in change else []
    experiment = read("fc", changes).experiment
    if change == "variable":
        monkeypatch.setenv("TF_NUM_INTEROP_THREADS", "2")
    if change == "gpu":
        monkeypatch.setattr(cores, "gpus", lambda: ("0",))
    if change == "started":
        monkeypatch.setitem(sys.modules, "tensorflow", object())
    assert for_one_process(experiment) is experiment
