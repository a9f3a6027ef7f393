"""Many processes that train into the same folder concurrently."""

import json
import subprocess
import sys

import pytest

from cnnlab.runs.find import find
from cnnlab.runs.status import status_of


def train_concurrently(folder, count):
    command = [sys.executable, "-m", "cnnlab", "train", "tiny.yaml", "--quiet", "--format", "json"]
    processes = [
        subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(count)
    ]
    outcomes = [process.communicate(timeout=1500) for process in processes]
    assert [process.returncode for process in processes] == [0] * count, outcomes
    return [json.loads(stdout) for stdout, _ in outcomes]


def assert_valid_runs(folder, results):
    runs = list(find([folder / "runs"]))
    assert [run.path.name for run in runs] == [f"tiny-{number}" for number in range(1, len(results) + 1)]
    assert sorted(result["run"] for result in results) == sorted(f"runs/{run.path.name}" for run in runs)
    first = runs[0]
    for run in runs:
        assert status_of(run.record()) == "finished"
        assert run.weights.read_bytes() == first.weights.read_bytes()
        assert run.predictions("test").read_bytes() == first.predictions("test").read_bytes()
        assert not [path for path in run.path.rglob(".*") if path.name != ".lock"]
    assert len({run.record().raw["process"]["pid"] for run in runs}) == len(runs)


@pytest.mark.slow
def test_two_concurrent_processes_create_two_valid_runs(tiny, tmp_path):
    assert_valid_runs(tmp_path, train_concurrently(tmp_path, 2))


@pytest.mark.slow
def test_forty_concurrent_processes_create_forty_valid_runs(tiny, tmp_path):
    assert_valid_runs(tmp_path, train_concurrently(tmp_path, 40))
