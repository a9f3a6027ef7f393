"""Which runs of an experiment count as its seeds."""

import pytest

from cnnlab.analysis.reproduction_runs import finished_runs, missing_experiments
from cnnlab.config.load import load, to_dict
from cnnlab.errors import RunError
from tests.conftest import make_run


@pytest.fixture
def add(tmp_path):
    """A function that writes a finished run of fc with this seed, and these settings of `train`."""

    def make(seed, fingerprint="f", **train):
        plain = to_dict(load("fc"))
        experiment = {**plain, "seed": seed, "train": {**plain["train"], **train}}
        record = {"status": "finished", "experiment": experiment, "data": {"fingerprint": fingerprint}}
        make_run(tmp_path, "fc", None, {**record, "results": {"test_accuracy": 0.9}})

    return make


def test_seeds_trained_with_other_threads_or_devices_or_measured_later_are_not_trained_again(add, tmp_path):
    for seed, train in enumerate([{}, {"threads": 1}, {"devices": 2}, {"test": "never"}, {"keep": 5}]):
        add(seed, **train)
    group = finished_runs(load("fc"), range(6), tmp_path)
    assert group.seeds == [0, 1, 2, 3, 4]
    assert [one.seed for one in missing_experiments(load("fc"), range(6), tmp_path)] == [5]


def test_runs_that_saw_other_examples_are_refused(add, tmp_path):
    add(0)
    add(1, "g", threads=1)
    with pytest.raises(RunError, match="runs of fc saw different examples"):
        finished_runs(load("fc"), [0, 1], tmp_path)
