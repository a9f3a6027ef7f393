import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import assert_one_line, run_cnnlab

WAITS = " of 2 waits for 127.0.0.1:"
ENDLESS = ("--epochs", "1000000", "--quiet")


def status_of(folder):
    return json.loads((folder / "runs/tiny-1/run.json").read_text())["status"]


def children_of(pid):
    """The process ids of all descendants."""
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:  # the process has ended
                continue
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found[1:]


def is_alive(pid):
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Launched:
    """`cnnlab launch --workers 2 -- train tiny.yaml` without an end, and the pids of its workers."""

    def __init__(self, folder):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "cnnlab", "launch", "--workers", "2", "--", "train", "tiny.yaml", *ENDLESS],
            cwd=folder,
            env={name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # a separate process group, as a shell creates for each command
        )
        self.folder = folder
        self.everyone = set()

    def wait_for_epoch(self):
        metrics = self.folder / "runs/tiny-1/metrics.csv"
        deadline = time.monotonic() + 300
        while not (metrics.exists() and len(metrics.read_text().splitlines()) > 1):
            assert self.process.poll() is None, self.process.communicate()[1]
            assert time.monotonic() < deadline, "training does not begin"
            time.sleep(0.1)
        self.everyone = {self.process.pid, *children_of(self.process.pid)}

    def worker(self, number):
        for pid in self.everyone - {self.process.pid}:
            entries = (Path("/proc") / str(pid) / "environ").read_bytes().split(b"\0")
            config = next((entry for entry in entries if entry.startswith(b"TF_CONFIG=")), b"TF_CONFIG={}")
            if json.loads(config.partition(b"=")[2]).get("task", {}).get("index") == number:
                return pid
        raise AssertionError(f"no worker {number}")

    def end(self):
        """The lines of standard error without messages about waiting; all processes have ended."""
        stdout, stderr = self.process.communicate(timeout=300)
        assert stdout == ""
        assert not [pid for pid in self.everyone if is_alive(pid)]
        return [line for line in stderr.splitlines() if WAITS not in line]


@pytest.fixture
def launched(tiny, tmp_path):
    launched = Launched(tmp_path)
    try:
        launched.wait_for_epoch()
        yield launched
    finally:
        for pid in {launched.process.pid, *children_of(launched.process.pid), *launched.everyone}:
            if is_alive(pid):
                os.kill(pid, signal.SIGKILL)
        launched.process.communicate()


@pytest.fixture(scope="module")
def finished(tmp_path_factory, trained):
    """A folder in which two workers trained the experiment of `trained`, and their output."""
    folder = tmp_path_factory.mktemp("launched")
    (folder / "tiny.yaml").write_text((trained / "tiny.yaml").read_text())
    command = ("train", "tiny.yaml", "--format", "json", "--report")
    return folder, run_cnnlab("launch", "--workers", "2", "--", *command, cwd=folder)


def test_workers_train_one_run_together(finished, trained):
    folder, done = finished
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (folder / "runs").iterdir()] == ["tiny-1"]
    record = json.loads((folder / "runs/tiny-1/run.json").read_text())
    assert record["status"] == "finished"
    assert (record["devices"]["workers"], record["devices"]["replicas"]) == (2, 2)
    files = [
        sorted(str(path.relative_to(where)) for path in (where / "runs/tiny-1").rglob("*"))
        for where in (folder, trained)
    ]
    assert files[0] == sorted([*files[1], "runs/tiny-1/report.html"])  # of the chief


def test_workers_give_the_numbers_of_one_process(finished, trained):
    results = [json.loads((where / "runs/tiny-1/run.json").read_text())["results"] for where in (finished[0], trained)]
    for key in ("loss", "accuracy", "val_loss", "val_accuracy", "test_loss", "test_accuracy"):
        assert results[0][key] == pytest.approx(results[1][key], rel=1e-5)


def test_standard_output_has_only_the_result_of_the_chief(finished):
    _, done = finished
    result = json.loads(done.stdout)
    assert result["run"] == "runs/tiny-1"
    assert result["examples"] == 200


def test_standard_error_lines_are_prefixed_with_the_worker_number(finished):
    _, done = finished
    lines = [line for line in done.stderr.splitlines() if WAITS not in line]
    assert sorted(line.partition(WAITS)[0] for line in done.stderr.splitlines() if WAITS in line) == [
        "[0] worker 0",
        "[1] worker 1",
    ]
    assert lines[0].startswith("[0] tiny: 1,490 parameters; digits: 200 train")
    assert lines[0].endswith("on CPU:0 of each of 2 workers")
    assert [line.split()[:2] for line in lines[1:]] == [["[0]", word] for word in ("epoch", "1", "2", "report:")]


def test_a_wrong_config_is_reported_once_and_leaves_nothing(cnnlab, tiny, tmp_path):
    done = cnnlab("launch", "--", "train", "tiny.yaml", "--set", "train.epoch=3")
    assert done.returncode == 2
    assert done.stdout == ""
    problem = "cnnlab: --set train.epoch=3: train.epoch: unknown key; did you mean 'epochs'?"
    lines = done.stderr.splitlines()
    assert [line for line in lines if problem in line] in [[f"[{number}] {problem}"] for number in (0, 1)]
    ended = {f"cnnlab: worker {number} ended with exit code 2; the others are ended" for number in (0, 1)}
    assert {line for line in lines if problem not in line} <= ended
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    "arguments", [[], ["--workers", "0", "--", "train", "x"], ["--workers", "x", "--", "train", "x"]]
)
def test_an_invalid_command_line_is_an_error(cnnlab, arguments):
    done = cnnlab("launch", *arguments)
    assert done.returncode == 2
    assert "see `cnnlab launch --help`" in done.stderr


@pytest.mark.parametrize("lost", [0, 1])
def test_a_killed_worker_ends_all_workers_and_is_named(launched, lost):
    os.kill(launched.worker(lost), signal.SIGKILL)
    lines = launched.end()
    assert launched.process.returncode == 1
    assert f"cnnlab: worker {lost} was ended by SIGKILL; the others are ended" in lines
    others = [line for line in lines if line.startswith(f"[{1 - lost}] ")]
    assert others[0].startswith(
        f"[{1 - lost}] cnnlab: another worker was lost, and training cannot continue without it"
    )
    assert len(others) == 1
    assert len(lines) == 2
    assert status_of(launched.folder) == ("failed" if lost == 1 else "running")  # a killed chief prints nothing


def test_ctrl_c_ends_all_workers_and_is_recorded(launched):
    os.killpg(launched.process.pid, signal.SIGINT)
    lines = launched.end()
    assert launched.process.returncode == 130
    assert status_of(launched.folder) == "interrupted"
    assert [line for line in lines if line.startswith("[0] cnnlab: interrupted; ")]
    assert "runs/tiny-1" in "".join(lines)
    assert not [line for line in lines if "Traceback" in line]


IDLE = """\
#!{python}
import json, os, pathlib, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
pathlib.Path("ready-" + str(json.loads(os.environ["TF_CONFIG"])["task"]["index"])).touch()
time.sleep(300)
"""
LAUNCH = "import sys; sys.executable = './idle'; from cnnlab.workers import run; sys.exit(run(['train'], 2))"


def test_sigterm_ends_all_workers(tmp_path):
    """The workers run a stub program."""
    (tmp_path / "idle").write_text(IDLE.format(python=sys.executable))
    (tmp_path / "idle").chmod(0o700)
    process = subprocess.Popen([sys.executable, "-c", LAUNCH], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while len(list(tmp_path.glob("ready-?"))) < 2:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    workers = children_of(process.pid)
    process.terminate()
    assert process.communicate(timeout=60) == (None, "")
    assert process.returncode == 143
    assert len(workers) == 2
    assert not [pid for pid in workers if is_alive(pid)]


def test_launch_does_not_launch_itself(cnnlab):
    assert_one_line(cnnlab("launch", "--", "launch", "--", "train", "digits"), 2, "launch cannot launch itself")
