import json
import signal
import subprocess
import sys

import pytest

from tests.conftest import TINY, assert_one_line, run_cnnlab

FILE = """\
# A network small enough for a test.
data: {name: digits, limit: 500}  # bundled
model: {layers: [flatten, dense: {units: 32, activation: relu}, dense: 10]}
train:
  batch_size: 32
  optimizer:
    sgd:
      momentum: 0.9   # as usual
  schedule: cosine
"""
APPLIED = FILE.replace("    sgd:\n", "    sgd:\n      learning_rate: RATE\n")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "mine.yaml").write_text(FILE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def found(done):
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_proposal_and_its_reason(cnnlab, folder):
    done = cnnlab("find-rate", "mine.yaml", "--seeds", 2)
    assert done.returncode == 0, done.stderr
    text = " ".join(done.stdout.split())
    assert "the rate at which the loss rises, divided by 10 (median of 2 seeds)." in text
    assert "It is the highest rate of the schedule cosine, which the test leaves out." in text
    assert "It is 2." in text
    assert "times higher than the experiment's 0.01; try `cnnlab train mine.yaml --set train.optimizer.sgd.l" in text
    assert [path.name for path in folder.iterdir()] == ["mine.yaml"]
    assert (folder / "mine.yaml").read_text() == FILE


def test_the_same_seeds_give_the_same_losses_and_others_do_not(cnnlab, folder):
    first, again = (found(cnnlab("find-rate", "mine.yaml", "--seeds", "0,1", "--format", "json")) for _ in range(2))
    assert first == again
    assert first["tests"][0]["losses"] != first["tests"][1]["losses"]
    assert first["key"] == "train.optimizer.sgd.learning_rate"
    assert first["proposed"] == pytest.approx(sum(test["proposal"] for test in first["tests"]) / 2, rel=0.1)
    (alone,) = found(cnnlab("find-rate", "mine.yaml", "--seeds", "1,", "--format", "json"))["tests"]
    assert alone == first["tests"][1]


def test_apply_changes_the_rate_and_no_other_character(cnnlab, folder):
    (folder / "mine.yaml").chmod(0o600)
    proposed = found(cnnlab("find-rate", "mine.yaml", "--seeds", 1, "--format", "json"))["proposed"]
    done = cnnlab("find-rate", "mine.yaml", "--seeds", 1, "--apply")
    assert done.returncode == 0, done.stderr
    assert (folder / "mine.yaml").read_text() == APPLIED.replace("RATE", f"{proposed}")
    assert (folder / "mine.yaml").stat().st_mode & 0o777 == 0o600
    assert f"cnnlab: note: mine.yaml: train.optimizer.sgd.learning_rate is {proposed} now" in done.stderr
    again = cnnlab("find-rate", "mine.yaml", "--seeds", 1, "--apply", "--set", "train.batch_size=64")
    assert "is within a factor of 2 of it." in " ".join(again.stdout.split())
    assert "--apply: the rate is found with --set train.batch_size=64, which the file does not have" in again.stderr


def test_apply_follows_a_link(cnnlab, folder):
    (folder / "mine.yaml").rename(folder / "real.yaml")
    (folder / "mine.yaml").symlink_to("real.yaml")
    done = cnnlab("find-rate", "mine.yaml", "--seeds", 1, "--apply")
    assert done.returncode == 0, done.stderr
    assert (folder / "mine.yaml").is_symlink()
    assert "learning_rate" in (folder / "real.yaml").read_text()


def test_the_figure_shows_the_proposal_and_the_experiments_own_rate(cnnlab, folder, figures):
    done = cnnlab("find-rate", "mine.yaml", "--seeds", 2, "--plot", "rates.png")
    assert done.returncode == 0, done.stderr
    (axes,) = figures[0].axes
    labels = axes.get_legend_handles_labels()[1]
    assert labels[:2] == ["batch loss", "smoothed, one line per seed"]
    assert "the experiment's 0.01" in labels
    assert labels[-1].startswith("proposed 0.02")
    assert (folder / "rates.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--to", 1e-4], "no proposal: the loss hardly fell at any rate from 1e-05 to 0.0001; more steps"),
        (["--to", 0.1], "no proposal: the loss did not rise up to a rate of 0.1; try --to 10"),
    ],
)
def test_without_a_proposal_the_tests_are_printed_and_nothing_is_written(cnnlab, folder, options, expected):
    done = cnnlab("find-rate", "mine.yaml", "--seeds", 1, "--apply", *options)
    assert done.returncode == 1
    assert "lowest_loss" in done.stdout
    assert expected in done.stderr
    assert (folder / "mine.yaml").read_text() == FILE


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["mine.yaml", "--from", 1, "--to", 0.1], "--from 1 --to 0.1: expected two rates above 0, the lower one first"),
        (["mine.yaml", "--from", 0], "--from 0 --to 10: expected two rates above 0"),
        (["mine.yaml", "--from", "nan"], "--from nan"),
        (["mine.yaml", "--plot", "x.txt"], "--plot x.txt: expected a file name that ends in .png"),
        (["mine.yaml", "--seeds", "x"], "--seeds x: expected how many"),
        (["mine.yaml", "--steps", 5], "--steps"),
        (["lenet", "--apply"], "--apply: lenet is a shipped experiment, and is not changed; `cnnlab init mine"),
        (["mine.yaml", "--apply", "--set", "train.optimizer=adam"], "the optimizer is adam by --set, and sgd in mine"),
        (["merged.yaml", "--apply"], "learning_rate cannot be changed in place, as where an anchor is shared"),
    ],
)
def test_bad_input_is_one_line(cnnlab, folder, arguments, expected):
    merged = FILE.replace("momentum: 0.9   # as usual", "{learning_rate: &m 0.1, momentum: *m}")
    (folder / "merged.yaml").write_text(merged, encoding="utf-8")
    assert_one_line(cnnlab("find-rate", *arguments), 2, expected)


def test_the_file_of_a_run_is_not_changed(cnnlab, trained):
    assert_one_line(cnnlab("find-rate", trained / "runs/tiny-1/config.yaml", "--apply"), 2, "belongs to a run")


def test_a_loss_that_is_never_finite_is_one_line(cnnlab, folder):
    weights = "model.layers[1].dense.kernel_initializer={random_normal: {stddev: 1e38}}"
    done = cnnlab("find-rate", "mine.yaml", "--set", weights, "--set", "model.layers[1].dense.activation=linear")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "cnnlab: seed 0: the loss is not finite before the first step, whatever the rate"
    )


def test_two_workers_find_the_rate_together(tmp_path):
    (tmp_path / "tiny.yaml").write_text(TINY, encoding="utf-8")
    command = ("find-rate", "tiny.yaml", "--seeds", 1, "--format", "json")
    together = run_cnnlab("launch", "--workers", 2, "--", *command, cwd=tmp_path)
    result, alone = found(together), found(run_cnnlab(*command, cwd=tmp_path))
    (one,), (other,) = result["tests"], alone["tests"]
    assert one["losses"][:40] == pytest.approx(other["losses"][:40], rel=1e-4)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_between_two_steps(tmp_path, number, code):
    (tmp_path / "tiny.yaml").write_text(TINY, encoding="utf-8")
    command = [sys.executable, "-u", "-c", SIGNALLED, str(int(number))]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr == "cnnlab: interrupted; nothing was written\n"


SIGNALLED = """
import os, sys
from cnnlab.cli import main
from cnnlab.cli.tensorflow import import_tensorflow
import_tensorflow("auto", None)
from cnnlab.training.engine.engine import Engine
epoch = Engine.epoch
def interrupted(self, number, *arguments, **options):
    if number == 3:
        os.kill(os.getpid(), int(sys.argv[1]))
    return epoch(self, number, *arguments, **options)
Engine.epoch = interrupted
sys.exit(main(["find-rate", "tiny.yaml"]))
"""
