"""Trains runs that are killed repeatedly and resumed."""

import json
import os
import random
import re
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

TEMPORARY = re.compile(r"\.\d+-[0-9a-f]{8}\.epoch-.*")
TIMEOUT = 240  # seconds until a training must have started
FILES = ("weights.safetensors", "evaluation/test.json", "evaluation/test-predictions.csv")


@dataclass
class Kills:
    """Counts of kills in total and during the writing of a checkpoint."""

    total: int = 0
    while_writing: int = 0
    trainings: int = 0
    last_checkpoints: list[str] = field(default_factory=list)


def start(folder, *arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "cnnlab", *arguments, "--quiet"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run_to_completion(folder, *arguments):
    """Run `cnnlab ARGUMENTS` to completion."""
    process = start(folder, *arguments)
    _, stderr = process.communicate(timeout=600)
    assert process.returncode == 0, stderr


def is_trained_by(run: Path, pid: int) -> bool:
    try:
        return json.loads((run / "run.json").read_text())["process"]["pid"] == pid
    except FileNotFoundError:
        return False


def checkpoints_of(run: Path) -> list[str]:
    try:
        return os.listdir(run / "checkpoints")
    except FileNotFoundError:
        return []


def is_writing(run: Path) -> bool:
    return any(TEMPORARY.fullmatch(name) for name in checkpoints_of(run))


def has_new_checkpoint(run: Path, since: float) -> bool:
    """Whether a checkpoint is newer than `since`."""
    for name in checkpoints_of(run):
        with suppress(FileNotFoundError):  # an older checkpoint was just removed
            if (run / "checkpoints" / name).stat().st_mtime > since:
                return True
    return False


def wait_until(process, condition) -> bool:
    """Whether the condition became true before the process ended; fails if the process failed."""
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline, "training does not go on"
        if process.poll() is not None:
            assert process.returncode == 0, process.communicate()[1]
            return False
        time.sleep(0.0005)
    return True


def kill(process, run: Path, number: int, draw: random.Random, kills: Kills) -> bool:
    """Kill the process at a random moment; False if it finished before.

    One of five kills may come before the first checkpoint; every second one comes during the writing of a checkpoint.
    """
    began = time.time()
    if not wait_until(process, lambda: is_trained_by(run, process.pid)):
        return False
    if number % 5 != 4 and not wait_until(process, lambda: has_new_checkpoint(run, began)):
        return False
    time.sleep(draw.uniform(0, 1.5))
    if number % 2:
        wait_until(process, lambda: is_writing(run))
    process.kill()
    stderr = process.communicate(timeout=300)[1]
    if process.returncode == 0:
        return False
    assert process.returncode < 0, stderr
    kills.total += 1
    kills.while_writing += is_writing(run)  # the temporary file still exists
    return True


def train_and_kill(folder: Path, config: str, name: str, count: int, draw: random.Random, kills: Kills) -> None:
    """Train `config` into runs/NAME, killed up to `count` times and resumed to completion."""
    run = folder / "runs" / name
    process = start(folder, "train", config, "--name", name)
    kills.trainings += 1
    for number in range(count):
        if not kill(process, run, number, draw, kills):
            break
        kills.last_checkpoints.append(max((path.name for path in run.glob("checkpoints/epoch-*")), default="none"))
        process = start(folder, "resume", f"runs/{name}")
    _, stderr = process.communicate(timeout=600)
    assert process.returncode == 0, stderr


def metrics_without_seconds(run: Path) -> list[str]:
    """The rows of metrics.csv without the column `seconds`."""
    return [line.rpartition(",")[0] for line in (run / "metrics.csv").read_text().splitlines()]


def assert_same_files(killed: Path, uninterrupted: Path) -> None:
    """Both runs have the same bytes, and no temporary file is left."""
    assert metrics_without_seconds(killed) == metrics_without_seconds(uninterrupted)
    for file in FILES:
        assert (killed / file).read_bytes() == (uninterrupted / file).read_bytes(), file
    assert not [path for path in killed.rglob(".*") if path.name != ".lock"]
