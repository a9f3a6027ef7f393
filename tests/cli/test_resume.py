import json
import os
import shutil
import subprocess
import sys
import time

import pytest

from tests.conftest import assert_one_line

EXPERIMENT = """\
name: long
data: {name: digits, limit: 600}
preprocessing: {augmentation: [translation: 0.1]}
model:
  layers:
    - conv2d: {filters: 4, kernel_size: 3, strides: 2, activation: relu}
    - batch_norm
    - dropout: 0.3
    - flatten
    - dense: 10
train:
  epochs: EPOCHS
  batch_size: 32
  optimizer: {adam: 0.002}
  schedule: {reduce_on_plateau: {patience: 1}}
  callbacks: [early_stopping: {monitor: val_accuracy, patience: 6, restore_best_weights: true}]
"""


def numbers(run):
    return [line.rpartition(",")[0] for line in (run / "metrics.csv").read_text().splitlines()]


def kill_after_rows(folder, rows):
    """Train until the table has so many rows, then kill the process."""
    command = [sys.executable, "-m", "cnnlab", "train", "long.yaml", "--quiet", "--name", "cut"]
    process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)
    table = folder / "runs" / "cut" / "metrics.csv"
    deadline = time.monotonic() + 120
    while not table.exists() or len(table.read_text().splitlines()) <= rows:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.communicate(timeout=60)


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """A folder in which one run was killed and resumed, and the same was trained in one go."""
    folder = tmp_path_factory.mktemp("ended")
    (folder / "long.yaml").write_text(EXPERIMENT.replace("EPOCHS", "60"))
    kill_after_rows(folder, 4)
    for arguments in (["resume", "runs/cut"], ["train", "long.yaml", "--name", "whole"]):
        done = subprocess.run(
            [sys.executable, "-m", "cnnlab", *arguments, "--quiet"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=200,
        )
        assert done.returncode == 0, done.stderr
    return folder


def test_a_killed_and_resumed_run_has_the_bytes_of_one_that_was_not(ended):
    cut, whole = ended / "runs" / "cut", ended / "runs" / "whole"
    assert numbers(cut) == numbers(whole)
    assert len(numbers(whole)) > 5
    for file in ("weights.safetensors", "evaluation/test.json", "evaluation/test-predictions.csv"):
        assert (cut / file).read_bytes() == (whole / file).read_bytes(), file


def test_run_json_tells_where_it_was_resumed(ended):
    record = json.loads((ended / "runs" / "cut" / "run.json").read_text())
    assert record["status"] == "finished"
    assert [entry["after_epoch"] >= 3 for entry in record["resumed"]] == [True]
    assert "resumed" not in json.loads((ended / "runs" / "whole" / "run.json").read_text())


def test_a_finished_run_is_not_resumed(ended):
    done = subprocess.run(
        [sys.executable, "-m", "cnnlab", "resume", "runs/whole"], cwd=ended, capture_output=True, text=True, timeout=100
    )
    assert_one_line(done, 2, "runs/whole: has finished; there is nothing to resume")


def test_without_a_checkpoint_or_with_a_damaged_one_nothing_is_resumed(cnnlab, tmp_path, trained):
    run = tmp_path / "runs" / "broken"
    run.mkdir(parents=True)
    source = trained / "runs" / "tiny-1"
    record = json.loads((source / "run.json").read_text()) | {"status": "failed"}
    (run / "run.json").write_text(json.dumps(record))
    (run / "config.yaml").write_bytes((source / "config.yaml").read_bytes())
    assert_one_line(cnnlab("resume", "runs/broken"), 1, "runs/broken: has no checkpoint", "train it again")
    (run / "checkpoints").mkdir()
    whole = (source / "checkpoints" / "last.safetensors").read_bytes()
    (run / "checkpoints" / "last.safetensors").write_bytes(whole[: len(whole) // 2])
    assert_one_line(cnnlab("resume", "runs/broken"), 1, "runs/broken/checkpoints/last.safetensors: damaged")
    assert json.loads((run / "run.json").read_text())["status"] == "failed"


def test_a_run_whose_process_is_alive_is_not_resumed(cnnlab, tmp_path, trained):
    run = tmp_path / "runs" / "alive"
    run.mkdir(parents=True)
    source = trained / "runs" / "tiny-1"
    record = json.loads((source / "run.json").read_text()) | {"status": "running"}
    record["process"]["pid"] = os.getpid()
    (run / "run.json").write_text(json.dumps(record))
    (run / "config.yaml").write_bytes((source / "config.yaml").read_bytes())
    assert_one_line(cnnlab("resume", "runs/alive"), 2, f"is being trained by process {os.getpid()}")


def test_a_run_that_early_stopping_had_ended_is_not_trained_on(cnnlab, tmp_path, ended):
    run = tmp_path / "runs" / "whole"
    shutil.copytree(ended / "runs" / "whole", run)
    record = json.loads((run / "run.json").read_text()) | {"status": "interrupted"}
    (run / "run.json").write_text(json.dumps(record))
    (run / "weights.safetensors").unlink()
    before = numbers(run)
    assert len(before) < 61
    done = cnnlab("resume", "runs/whole", "--quiet")
    assert done.returncode == 0, done.stderr
    assert numbers(run) == before
    whole = ended / "runs" / "whole"
    assert (run / "weights.safetensors").read_bytes() == (whole / "weights.safetensors").read_bytes()
