"""`cnnlab train --seeds N --jobs K`."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from queue import SimpleQueue
from types import SimpleNamespace

import pytest
from rich.progress import Progress

from cnnlab.errors import TrainingError
from cnnlab.jobs.pool import MOST_UNBEGUN, Assignment, Pool
from cnnlab.jobs.train import _Tasks
from cnnlab.runs import Run
from cnnlab.runs.experiment import recorded_experiment
from tests.conftest import assert_one_line, run_cnnlab

TRAIN = ("train", "tiny.yaml", "--quiet", "--set", "train.threads=1")


@pytest.fixture
def folder(trained, tmp_path):
    """A folder with the tiny experiment."""
    shutil.copy(trained / "tiny.yaml", tmp_path)
    return tmp_path


def by_seed(runs):
    found = [Run(path).record() for path in runs.iterdir()]
    return {record.experiment.seed: record for record in found}


def start(folder, *arguments):
    """A training in processes that goes on in the background."""
    command = [sys.executable, "-m", "cnnlab", *TRAIN, *arguments]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for_epochs(runs, count):
    """Wait until so many runs have a finished epoch."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if len(list(runs.glob("*/metrics.csv"))) >= count:
            return
        time.sleep(0.1)
    raise AssertionError(f"no {count} runs have an epoch")


def test_runs_of_several_processes_have_the_bits_of_one(folder):
    several = run_cnnlab(*TRAIN, "--seeds", 3, "--jobs", 2, "--runs", "several", "--format", "json", cwd=folder)
    assert several.returncode == 0, several.stderr
    one = run_cnnlab(*TRAIN, "--seeds", 3, "--runs", "one", "--format", "json", cwd=folder)
    assert one.returncode == 0, one.stderr
    found, expected = by_seed(folder / "several"), by_seed(folder / "one")
    assert found.keys() == expected.keys() == {0, 1, 2}
    for seed, record in found.items():
        assert record.experiment.train["threads"] == 1
        weights = [one.run.weights.read_bytes() for one in (record, expected[seed])]
        assert weights[0] == weights[1]
        assert record.results == expected[seed].results
    assert [row["seed"] for row in json.loads(several.stdout)] == [0, 1, 2]
    results = [{row["seed"]: row["accuracy"] for row in json.loads(done.stdout)} for done in (several, one)]
    assert results[0] == results[1]


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow)]
)
def test_a_signal_saves_all_runs_and_names_the_seeds_that_were_not_begun(folder, number, code):
    training = start(folder, "--epochs", "100000", "--seeds", "4", "--jobs", "2")
    wait_for_epochs(folder / "runs", 2)
    training.send_signal(number)
    _, stderr = training.communicate(timeout=60)
    assert training.returncode == code, stderr
    assert len(stderr.splitlines()) == 1
    assert "interrupted; `cnnlab resume runs --all` continues 2 runs; " in stderr
    assert "not begun: seeds 2, 3" in stderr
    assert {record.status for record in by_seed(folder / "runs").values()} == {"interrupted"}
    assert sorted(by_seed(folder / "runs")) == [0, 1]


@pytest.mark.slow
def test_processes_end_with_the_one_that_started_them(folder):
    training = start(folder, "--epochs", "100000", "--seeds", "2", "--jobs", "2")
    wait_for_epochs(folder / "runs", 2)
    processes = [record.process.pid for record in by_seed(folder / "runs").values()]
    training.kill()
    training.communicate()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and any(os.path.exists(f"/proc/{pid}") for pid in processes):
        time.sleep(0.1)
    assert not any(os.path.exists(f"/proc/{pid}") for pid in processes)
    assert {record.status for record in by_seed(folder / "runs").values()} == {"interrupted"}


@pytest.mark.slow
def test_a_run_that_diverges_does_not_keep_the_others_from_being_trained(folder):
    done = run_cnnlab(
        *("train", "tiny.yaml", "--quiet", "--seeds", 2, "--jobs", 2),
        *("--set", "train.optimizer.sgd.learning_rate=1e30"),
        cwd=folder,
    )
    assert done.returncode == 1
    assert done.stderr.count("diverged: ") == 2
    assert done.stderr.splitlines()[-1] == "cnnlab: 2 of 2 runs failed; 0 finished"


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--seeds", "2", "--jobs", "0"], ["--jobs 0: expected how many processes, 1 to 256, or auto"]),
        (["--seeds", "2", "--jobs", "many"], ["--jobs many: expected how many processes"]),
        (["--jobs", "2", "--resume", "runs/x"], ["--jobs: not with --resume"]),
    ],
)
def test_bad_requests_are_one_line(cnnlab, folder, arguments, parts):
    config = [] if "--resume" in arguments else ["tiny.yaml"]
    assert_one_line(cnnlab("train", *config, *arguments), 2, *parts)


def test_an_error_of_all_processes_is_one_line(folder):
    (folder / "gone.yaml").write_text(
        "name: gone\ndata: {name: folder, path: nowhere, image_size: [8, 8], num_classes: 2}\n"
        "model: {layers: [flatten, {dense: 2}]}\n"
    )
    done = run_cnnlab("train", "gone.yaml", "--seeds", 2, "--jobs", 2, "--quiet", cwd=folder)
    assert_one_line(done, 1, "nowhere: no such file or folder")


class Lost:
    """A process that has been killed, before or after it was given a task."""

    def __init__(self, accepts):
        self.write = lambda message: accepts

    def how_it_ended(self):
        return "was ended by SIGKILL"


def lose(trained, tmp_path, *, accepts=True, events=()):
    """A pool of one process of two runs, which says this and is killed; what became of the runs."""
    experiment = recorded_experiment(Run(trained / "runs/tiny-1").record())
    assignments = [
        Assignment(seed, experiment.model_copy(update={"seed": seed}), tmp_path, label=f"seed {seed}")
        for seed in range(2)
    ]
    work = _Tasks(assignments, tmp_path)
    started = []

    def start(number):
        started.append(number)
        if len(started) == 1:
            for event in (*events, None):
                processes.events.put((0, event))
        else:
            processes.events.put((0, None))
        return Lost(accepts)

    processes = SimpleNamespace(start=start, events=SimpleQueue(), signals=[])
    Pool(work, processes, 1, Progress(disable=True)).serve()
    return work, started


@pytest.mark.parametrize("accepts", [False, True])
def test_a_process_that_is_lost_before_it_begins_is_replaced_some_times(trained, tmp_path, accepts):
    work, started = lose(trained, tmp_path, accepts=accepts)
    assert len(started) == (MOST_UNBEGUN if accepts else 1)
    with pytest.raises(TrainingError, match="0 of 2 runs failed; 0 finished; not begun: seeds 0, 1"):
        work.check([])


@pytest.mark.parametrize(
    ("event", "how"), [(None, "was ended by SIGKILL"), ({"event": "interrupted", "run": "r"}, "was interrupted")]
)
def test_a_process_that_is_lost_is_told_and_replaced(trained, tmp_path, capsys, event, how):
    events = [{"event": "begun", "run": str(tmp_path / "tiny-1")}, *([event] if event else [])]
    work, started = lose(trained, tmp_path, events=events)
    assert len(started) > 1
    with pytest.raises(TrainingError, match=r"1 of 2 runs failed; 0 finished; not begun: seed 1$"):
        work.check([])
    told = f"process 1 {how}; `cnnlab resume {tmp_path / 'tiny-1'}` continues its run"
    assert told in capsys.readouterr().err


def test_unfinished_runs_are_resumed_in_processes(folder):
    training = start(folder, "--epochs", "150", "--seeds", "2", "--jobs", "2")
    wait_for_epochs(folder / "runs", 2)
    training.send_signal(signal.SIGINT)
    _, stderr = training.communicate(timeout=60)
    assert stderr == "cnnlab: interrupted; `cnnlab resume runs --all` continues 2 runs\n"
    done = run_cnnlab("resume", "runs", "--all", "--jobs", 2, "--quiet", "--format", "json", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert sorted(row["seed"] for row in json.loads(done.stdout)) == [0, 1]
    whole = run_cnnlab(*TRAIN, "--epochs", 150, "--seeds", 2, "--runs", "whole", cwd=folder)
    assert whole.returncode == 0, whole.stderr
    found, expected = by_seed(folder / "runs"), by_seed(folder / "whole")
    assert {seed: one.results for seed, one in found.items()} == {seed: one.results for seed, one in expected.items()}


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.5, 2, 4])
def test_ctrl_c_before_anything_is_trained_is_one_line(folder, seconds):
    training = start(folder, "--epochs", "100000", "--seeds", "3", "--jobs", "2")
    time.sleep(seconds)
    training.send_signal(signal.SIGINT)
    _, stderr = training.communicate(timeout=60)
    assert training.returncode == 130
    assert len(stderr.splitlines()) == 1, stderr
    assert "interrupted" in stderr


def test_an_error_before_tensorflow_is_ready_is_one_line(folder):
    done = run_cnnlab(*TRAIN, "--seeds", 2, "--jobs", 2, "--devices", "gpu", cwd=folder)
    assert_one_line(done, 2, "train.devices: gpu: TensorFlow finds no GPU here")


def test_one_run_needs_one_process(cnnlab, folder):
    done = cnnlab("train", "tiny.yaml", "--jobs", 2, "--quiet", "--no-test")
    assert done.returncode == 0
    assert "cnnlab: note: --jobs 2: there is one run, which one process trains\n" in done.stderr


def test_workers_of_a_cluster_have_no_jobs(cnnlab, folder, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", "{}")
    assert_one_line(cnnlab("train", "tiny.yaml", "--seeds", 2, "--jobs", 2), 2, "--jobs 2: not for the workers")


def test_runs_are_verified_in_processes(folder):
    done = run_cnnlab(*TRAIN, "--seeds", 2, cwd=folder)
    assert done.returncode == 0, done.stderr
    done = run_cnnlab("verify", "runs", "--jobs", 2, "--quiet", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        f"runs/tiny-{number}: identical: table, weights and predictions are the same, bit for bit" for number in (1, 2)
    ]
    one = run_cnnlab("verify", "runs", "--quiet", "--format", "json", cwd=folder)
    assert [verdict["verdict"] for verdict in json.loads(one.stdout)] == ["identical", "identical"]


def test_of_several_runs_those_that_cannot_be_verified_are_told_at_the_end(folder):
    done = run_cnnlab(*TRAIN, "--seeds", 2, cwd=folder)
    assert done.returncode == 0, done.stderr
    (folder / "runs/tiny-1/weights.safetensors").write_bytes(b"damaged")
    done = run_cnnlab("verify", "runs", "--jobs", 2, "--quiet", cwd=folder)
    assert done.returncode == 1
    assert done.stdout == "runs/tiny-2: identical: table, weights and predictions are the same, bit for bit\n"
    assert "runs/tiny-1: its table, weights or predictions cannot be read" in done.stderr
    assert done.stderr.splitlines()[-1] == "cnnlab: 1 of 2 runs could not be verified"
