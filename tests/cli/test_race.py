import csv
import json
import signal
import subprocess
import sys

import pytest

from cnnlab.config.load import load
from cnnlab.config.overrides import parse_set
from cnnlab.training.engine.engine import Engine
from cnnlab.training.tasks import NewRun
from cnnlab.training.train import train
from tests.conftest import TINY, assert_one_line

RESIZING = TINY.replace("    - max_pool2d: 2\n    - flatten\n", "    - global_max_pool2d\n") + (
    "  progressive_resizing: {delay_fraction: 0.5, finetune_fraction: 0.5}\n"
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "tiny.yaml").write_text(TINY.replace("  schedule: {exponential: 0.5}\n", ""), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def epochs_of(run):
    with (run / "metrics.csv").open(encoding="utf-8") as table:
        return list(csv.DictReader(table))


def test_a_race_ends_each_seed_at_the_target_and_adds_up_its_training_passes(cnnlab, folder):
    done = cnnlab("race", "tiny.yaml", "--target", 0.5, "--epochs", 60, "--seeds", 2, "--quiet", "--format", "json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["target"], result["on"], result["reached"]) == (0.5, "validation", 2)
    for run in result["runs"]:
        rows = epochs_of(folder / run["run"])
        assert [float(row["val_accuracy"]) >= 0.5 for row in rows] == [False] * (len(rows) - 1) + [True]
        assert run["epoch"] == len(rows) < 60
        assert run["seconds"] == pytest.approx(sum(float(row["seconds"]) for row in rows))
        assert run["val_accuracy"] == float(rows[-1]["val_accuracy"])
    assert [run["seed"] for run in result["runs"]] == [0, 1]
    assert result["seconds"]["mean"] == pytest.approx(sum(run["seconds"] for run in result["runs"]) / 2)


def test_a_run_of_a_race_is_that_of_train_and_is_verified(cnnlab, folder):
    done = cnnlab("race", "tiny.yaml", "--target", 0.5, "--epochs", 60, "--seeds", 1, "--quiet")
    assert done.returncode == 0, done.stderr
    stop = "train.callbacks=[stop_at: 0.5]"
    done = cnnlab("train", "tiny.yaml", "--set", stop, "--epochs", 60, "--quiet")
    assert done.returncode == 0, done.stderr
    raced, trained = (epochs_of(folder / f"runs/tiny-{number}") for number in (1, 2))
    assert [{**row, "seconds": ""} for row in raced] == [{**row, "seconds": ""} for row in trained]
    done = cnnlab("verify", "runs/tiny-1", "--quiet")
    assert done.stdout.startswith("runs/tiny-1: identical")


def test_a_target_that_is_not_reached_is_an_error_after_the_table(cnnlab, folder):
    done = cnnlab("race", "tiny.yaml", "--target", 1, "--epochs", 2, "--seeds", 2, "--quiet")
    assert done.returncode == 1
    assert "runs/tiny-1" in done.stdout
    assert done.stderr.splitlines()[-1] == (
        "cnnlab: 2 of 2 seeds did not reach 1 within 2 epochs; give them more by --epochs, or lower --target"
    )


def test_a_race_on_the_test_set_says_so(cnnlab, folder):
    done = cnnlab("race", "tiny.yaml", "--target", 0.1, "--on", "test", "--seeds", 1, "--quiet")
    assert done.returncode == 0, done.stderr
    assert "cnnlab: note: the accuracy is that of the test set" in done.stderr
    assert "0.1 test accuracy after" in done.stdout


def test_an_interrupted_warm_up_leaves_nothing(folder):
    (folder / "long.yaml").write_text(
        TINY.replace("limit: 200", "limit: 1437").replace("batch_size: 64", "batch_size: 1")
    )
    command = [sys.executable, "-m", "cnnlab", "race", "long.yaml", "--target", "0.99", "--seeds", "2"]
    racing = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for line in racing.stderr:
        if line.startswith("warm-up"):
            break
    racing.send_signal(signal.SIGINT)
    stdout, stderr = racing.communicate(timeout=60)
    assert (racing.returncode, stdout) == (130, "")
    assert stderr.splitlines()[-1] == "cnnlab: interrupted"
    assert not list(folder.glob("runs/*"))


def test_what_user_callbacks_add_to_the_time_is_said(cnnlab, folder):
    user = "train.callbacks=[callback: keras.callbacks.TerminateOnNaN]"
    done = cnnlab("race", "tiny.yaml", "--target", 0.1, "--seeds", 1, "--quiet", "--set", user)
    assert done.returncode == 0, done.stderr
    assert "cnnlab: note: user callbacks may change the network" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--target", 1.5], "--target"),
        (["--target", 0.5, "--set", "data.validation=0"], "no examples are held out for validation"),
        (["--target", 0.5, "--seeds", "x"], "--seeds x: expected how many"),
        (["--target", 0.5, "--epochs", 0], "--epochs 0"),
        (["--target", 0.5, "--set", "data.train_sizes=[50, 100]"], "data.train_sizes: 2 sizes"),
        (["--target", 0.5, "--on", "test", "--set", "data.validation=10"], "keep one"),
    ],
)
def test_bad_input_is_one_line(cnnlab, folder, arguments, expected):
    assert_one_line(cnnlab("race", "tiny.yaml", *arguments), 2, expected)
    assert not (folder / "runs").exists()


def test_a_race_warms_up_with_every_size_of_images(cnnlab, folder):
    (folder / "resizing.yaml").write_text(RESIZING, encoding="utf-8")
    done = cnnlab("race", "resizing.yaml", "--target", 1, "--epochs", 4, "--seeds", 1)
    assert done.returncode == 1
    assert "progressive resizing: 16×16 in epochs 1 to 2, 28×28 from epoch 3" in done.stderr
    # The weights and the optimizer begin anew after it.
    done = cnnlab("train", "resizing.yaml", "--epochs", 4, "--quiet")
    assert done.returncode == 0, done.stderr
    raced, trained = (epochs_of(folder / f"runs/tiny-{number}") for number in (1, 2))
    assert [{**row, "seconds": ""} for row in raced] == [{**row, "seconds": ""} for row in trained]
    done = cnnlab("verify", "runs/tiny-1", "--quiet")
    assert done.stdout.startswith("runs/tiny-1: identical")


def test_nothing_is_compiled_after_the_warm_up(folder, monkeypatch):
    (folder / "resizing.yaml").write_text(RESIZING, encoding="utf-8")
    traced, steps = [], Engine._replica_step
    monkeypatch.setattr(Engine, "_replica_step", lambda *arguments: traced.append(arguments[-1]) or steps(*arguments))
    before = []
    tasks = [NewRun(load("resizing.yaml", [parse_set(f"seed={seed}"), parse_set("train.epochs=4")])) for seed in (1, 2)]
    train(tasks, folder / "runs", on_begun=lambda run: before.append(list(traced)), warm_up=True)
    assert set(traced) == {(16, 16), None}
    assert before == [traced, traced]
