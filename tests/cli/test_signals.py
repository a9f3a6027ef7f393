"""Ctrl-C, a second Ctrl-C, and SIGTERM."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import run_cnnlab

LONG = """\
name: long
data: {name: digits}
model:
  layers: [flatten, dense: 10]
train: {epochs: 1000000, batch_size: 1, checkpoint_minutes: 1000}
"""
SLOW = """\
name: slow
data: {name: synthetic, image_shape: [64, 64, 3], train_examples: 4096, test_examples: 10, validation: 0}
model:
  layers: [conv2d: {filters: 256, kernel_size: 9}, conv2d: {filters: 64, kernel_size: 15}, global_avg_pool2d, dense: 10]
train: {epochs: 2, batch_size: 256}
"""


def start(folder, config, *arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "cnnlab", "train", config, *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(path, process):
    deadline = time.monotonic() + 300
    while not path.exists():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.05)


def wait_for_a_graph_call(pid):
    """Wait until threads other than the main one compute, as in a graph call and not during tracing."""

    def seconds():
        stats = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/stat") if path.parent.name != str(pid)]
        return sum(int(stat.rpartition(")")[2].split()[11]) for stat in stats) / os.sysconf("SC_CLK_TCK")

    before, deadline = seconds(), time.monotonic() + 300
    while seconds() < before + 1:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def status_of(run):
    return json.loads((run / "run.json").read_text())["status"]


@pytest.mark.parametrize(
    ("number", "code", "options"), [(signal.SIGINT, 130, ()), (signal.SIGTERM, 143, ("--quiet",))], ids=["INT", "TERM"]
)
def test_a_signal_saves_within_the_epoch_and_prints_how_to_resume(tmp_path, number, code, options):
    (tmp_path / "long.yaml").write_text(LONG)
    process = start(tmp_path, "long.yaml", *options)
    wait_for(tmp_path / "runs/long-1/metrics.csv", process)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=300)
    assert process.returncode == code
    *lines, last = stderr.splitlines()
    (newest,) = sorted(path.name for path in (tmp_path / "runs/long-1/checkpoints").iterdir())[-1:]
    epoch, step = int(newest.split("-")[1].partition(".")[0]), newest.rpartition("-step-")[2].partition(".")[0]
    where = f"step {int(step):,} of epoch {epoch + 1}" if "step" in newest else f"epoch {epoch}"
    assert last == f"cnnlab: interrupted; `cnnlab resume runs/long-1` continues after {where}"
    if options:
        assert lines == []
    assert status_of(tmp_path / "runs/long-1") == "interrupted"


def test_a_second_ctrl_c_stops_within_a_graph_call_and_keeps_the_last_checkpoint_intact(tmp_path):
    (tmp_path / "slow.yaml").write_text(SLOW)
    process = start(tmp_path, "slow.yaml")
    wait_for(tmp_path / "runs/slow-1/run.json", process)
    wait_for_a_graph_call(process.pid)
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    sent = time.monotonic()
    _, stderr = process.communicate(timeout=300)
    assert process.returncode == 130
    assert time.monotonic() - sent < 30  # one step takes a minute
    assert "stopping after this step; once more stops at once" in stderr.splitlines()
    assert stderr.splitlines()[-1] == "cnnlab: interrupted; `cnnlab resume runs/slow-1` starts over"
    assert status_of(tmp_path / "runs/slow-1") == "interrupted"
    assert not list((tmp_path / "runs/slow-1").glob("checkpoints/*"))


def test_ctrl_c_ends_a_set_of_seeds_which_can_all_be_resumed(tmp_path):
    (tmp_path / "long.yaml").write_text(LONG.replace("1000000", "3").replace("batch_size: 1,", "batch_size: 2,"))
    process = start(tmp_path, "long.yaml", "--seeds", "3")
    wait_for(tmp_path / "runs/long-1/metrics.csv", process)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=300)
    assert process.returncode == 130
    runs = [tmp_path / f"runs/long-{number}" for number in (1, 2, 3)]
    assert [status_of(run) for run in runs] == ["interrupted"] * 3
    done = run_cnnlab("resume", "runs", "--all", "--format", "json", "--quiet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [result["seed"] for result in json.loads(done.stdout)] == [0, 1, 2]
    assert [status_of(run) for run in runs] == ["finished"] * 3
    alone = run_cnnlab("train", "long.yaml", "--seed", "2", "--name", "alone", "--quiet", cwd=tmp_path)
    assert alone.returncode == 0, alone.stderr
    for file in ("weights.safetensors", "evaluation/test-predictions.csv"):
        assert (runs[2] / file).read_bytes() == (tmp_path / "runs/alone" / file).read_bytes()


INTERRUPTED_IMPORT = """
import sys
class Interrupting:
    def find_spec(name, *_):
        if name == {module!r}:
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupting)
from cnnlab.cli import main
sys.exit(main(["look", "nowhere"]))
"""


@pytest.mark.parametrize("module", ["typer", "cnnlab.cli.look"])
def test_ctrl_c_while_modules_are_imported_is_one_line(module):
    command = [sys.executable, "-c", INTERRUPTED_IMPORT.format(module=module)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "cnnlab: interrupted\n")
