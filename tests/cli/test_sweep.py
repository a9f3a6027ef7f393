"""`cnnlab sweep`."""

import csv
import json
import shutil
import signal
import subprocess
import sys
import time

import pytest

from cnnlab.runs import Run
from tests.conftest import assert_one_line, invoke, run_cnnlab

SPACE = """\
extends: tiny.yaml
name: small
train: {epochs: 2}
search:
  sampler: grid
  finalists: 1
  seeds: 2
  space:
    train.batch_size: [20, 40]
"""


@pytest.fixture(scope="module")
def swept(trained, tmp_path_factory):
    """A folder with a sweep that has come to its end, and what it printed; read-only."""
    folder = tmp_path_factory.mktemp("swept")
    shutil.copy(trained / "tiny.yaml", folder)
    (folder / "space.yaml").write_text(SPACE)
    return folder, run_cnnlab("sweep", "space.yaml", "--jobs", 2, "--report", cwd=folder)


@pytest.fixture
def folder(swept, tmp_path, monkeypatch):
    """A copy of that folder."""
    shutil.copytree(swept[0], tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    return tmp_path / "copy"


def test_a_sweep_says_what_it_costs_and_what_its_trials_came_to(swept):
    _, done = swept
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    assert lines[0] == "small: 2 trials by grid, networks of 1,490 parameters; then 2 runs on fresh seeds"
    assert lines[1] == "2 processes of 1 thread each"
    assert lines[2].startswith("measured: a trial takes about ")
    trials = sorted(line for line in lines if line.startswith("trial "))
    assert [line.partition(":")[0] for line in trials] == ["trial 0", "trial 1"]
    assert trials[0].endswith("(batch_size=20)")
    assert "report: runs/small-sweep/report.html" in lines


def test_the_outcome_is_the_winner_with_its_optimism_and_its_test_accuracy(swept):
    _, done = swept
    assert "1. trial " in done.stdout
    words = " ".join(done.stdout.split())
    assert "2 candidates were looked at, and ranked by val_accuracy; the winner is the first." in words
    assert "an optimism of " in words
    assert "`cnnlab train runs/small-sweep/winner.yaml` trains it" in words


def test_trials_are_run_folders_that_have_not_touched_the_test_set(swept):
    runs = swept[0] / "runs/small-sweep"
    records = [Run(path).record() for path in sorted(runs.glob("trial-*"))]
    assert [record.status for record in records] == ["finished", "finished"]
    assert [record.test_uses for record in records] == [[], []]
    assert [record.results.get("test_accuracy") for record in records] == [None, None]
    finals = [Run(path).record() for path in sorted(runs.glob("final-*"))]
    assert [record.experiment.seed for record in finals] == [1, 2]
    assert [len(record.test_uses) for record in finals] == [1, 1]
    rows = list(csv.DictReader((runs / "trials.csv").read_text().splitlines()))
    assert [float(row["val_accuracy"]) for row in rows] == [record.results["val_accuracy"] for record in records]


def test_other_commands_work_on_its_folder(folder):
    assert len(json.loads(invoke("runs", "list", "runs/small-sweep", "--format", "json", cwd=folder).stdout)) == 4
    assert invoke("compare", "runs/small-sweep", cwd=folder).returncode == 0


def test_the_same_command_again_trains_nothing_and_prints_the_same(swept, folder):
    again = invoke("sweep", "space.yaml", "--quiet", cwd=folder)
    assert again.returncode == 0, again.stderr
    assert again.stdout == swept[1].stdout
    assert len(list((folder / "runs/small-sweep").glob("*-*"))) == 4
    assert invoke("sweep", "runs/small-sweep", "--quiet", cwd=folder).stdout == again.stdout
    joined = invoke("sweep", "--join", "runs/small-sweep", "--quiet", "--format", "json", cwd=folder)
    (row,) = json.loads(joined.stdout)
    assert row["point"].keys() == {"train.batch_size"}
    assert row["n"] == 2
    assert len(row["runs"]) == 2


def test_the_winner_is_an_experiment(folder):
    assert invoke("validate", "runs/small-sweep/winner.yaml", cwd=folder).returncode == 0


def test_an_edited_file_is_another_space(folder):
    (folder / "space.yaml").write_text(SPACE.replace("[20, 40]", "[20, 50]"))
    done = invoke("sweep", "space.yaml", "--quiet", cwd=folder)
    assert_one_line(
        done,
        2,
        "runs/small-sweep: is a sweep of another space: search.space.train.batch_size.choice[1]: 50, was 40",
        "`cnnlab sweep --join runs/small-sweep`",
    )


def test_a_dry_run_writes_nothing(folder):
    done = invoke("sweep", "space.yaml", "--name", "other", "--dry-run", "--quiet", cwd=folder)
    assert (done.returncode, done.stdout) == (0, "")
    assert "2 trials by grid" in done.stderr
    assert not (folder / "runs/other").exists()


BAD = {
    "nothing": ([], ["sweep: Missing argument 'SPACE', unless --join"]),
    "no search": (["tiny.yaml"], ["tiny.yaml: has no section `search`", "--search"]),
    "a bad option": (["tiny.yaml", "--search", "train.batch_size"], ["--search train.batch_size: expected KEY=VALUES"]),
    "a range the wrong way round": (
        ["tiny.yaml", "--search", "train.batch_size=9..3"],
        ["--search train.batch_size=9..3: search.space.train.batch_size: the range [9, 3] is empty"],
    ),
    "an unknown sampler": (["space.yaml", "--sampler", "magic"], ["--sampler magic: search.sampler: expected 'grid'"]),
    "options of a frozen sweep": (
        ["--join", "runs/small-sweep", "--trials", "9"],
        ["--trials 9: needs the argument SPACE; a sweep that is there is frozen"],
    ),
    "a key twice": (
        ["tiny.yaml", "--search", "train.batch_size=20|40", "--search", "train.batch_size=60|80"],
        ["--search train.batch_size=60|80: search.space.train.batch_size is also set by --search"],
    ),
    "a storage that cannot be opened": (
        ["space.yaml", "--name", "x", "--storage", "nosuch://x"],
        ["--storage nosuch://x: cannot be opened"],
    ),
    "another storage than it began with": (
        ["space.yaml", "--storage", "sqlite:///x.db"],
        ["--storage sqlite:///x.db: this sweep began with a journal in its folder"],
    ),
    "a folder that is no sweep": (["--join", "runs"], ["runs: not the folder of a sweep: it has no sweep.yaml"]),
    "a name with --join": (["space.yaml", "--join", "x", "--name", "y"], ["--name: not with --join"]),
    "a bad name": (["space.yaml", "--name", "a/b"], ["--name a/b: expected at most 100 letters"]),
    "bad jobs": (["space.yaml", "--name", "x", "--jobs", "0"], ["--jobs 0: expected how many processes"]),
    "a corner that lint refuses": (
        ["tiny.yaml", "--search", "model.layers[-1].dense=9|10"],
        ["--search model.layers[-1].dense=9|10"],
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_requests_are_one_line(folder, case):
    arguments, parts = BAD[case]
    done = invoke("sweep", *arguments, "--quiet", cwd=folder)
    assert_one_line(done, 1 if "folder that is no" in case else 2, *parts)


def test_a_sweep_without_optuna_is_one_line(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    done = invoke("sweep", "space.yaml", "--quiet", "--name", "other", cwd=folder)
    assert_one_line(done, 2, "Optuna is not installed; `pip install 'cnnlab[sweep]'` installs it")
    assert not (folder / "runs/other").exists()


def test_scripts_get_numbers_also_without_finalists(folder):
    done = run_cnnlab(
        *("sweep", "space.yaml", "--name", "quick", "--set", "search.finalists=0", "--set", "train.epochs=1"),
        *("--quiet", "--format", "json"),
        cwd=folder,
    )
    (row,) = json.loads(done.stdout)
    assert row["val_accuracy_fresh"] is None
    assert isinstance(row["val_accuracy"], float)
    assert (folder / "runs/quick/winner.yaml").exists()
    again = invoke("sweep", "--join", "runs/quick", "--quiet", cwd=folder)
    assert "it was not measured on fresh seeds" in " ".join(again.stdout.split())


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [2, 4, 6])
def test_ctrl_c_while_the_cost_is_measured_ends_the_sweep(folder, seconds):
    command = [sys.executable, "-m", "cnnlab", "sweep", "space.yaml", "--name", "new"]
    started = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(seconds)
    started.send_signal(signal.SIGINT)
    _, stderr = started.communicate(timeout=60)
    assert started.returncode == 130, stderr
    assert "interrupted" in stderr.splitlines()[-1]


def test_an_error_of_all_trials_is_one_line_also_while_the_cost_is_measured(folder):
    (folder / "runs").rename(folder / "others")
    done = run_cnnlab("sweep", "space.yaml", "--set", "train.devices=gpu", cwd=folder)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("cnnlab: train.devices: gpu: TensorFlow finds no GPU here")


def test_workers_of_a_cluster_have_no_sweeps(folder, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", "{}")
    assert_one_line(invoke("sweep", "space.yaml", cwd=folder), 2, "sweep: not for the workers of a cluster")


def test_a_second_process_needs_join(folder):
    from cnnlab.sweep.folder import SweepFolder

    with SweepFolder(folder / "runs/small-sweep").worker():
        done = invoke("sweep", "space.yaml", "--quiet", cwd=folder)
    assert_one_line(done, 2, "1 process works on this sweep; `cnnlab sweep --join runs/small-sweep` helps")


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_a_sweep_that_is_ended_goes_on_where_it_was(folder, number, code):
    (folder / "space.yaml").write_text(SPACE.replace("epochs: 2", "epochs: 150"))
    command = [sys.executable, "-m", "cnnlab", "sweep", "space.yaml", "--quiet", "--name", "long", "--jobs", "2"]
    started = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    runs = folder / "runs/long"
    wait_for(lambda: len(list(runs.glob("trial-*/metrics.csv"))) == 2)
    started.send_signal(number)
    _, stderr = started.communicate(timeout=60)
    assert started.returncode == code, stderr
    if number == signal.SIGINT:
        assert stderr == "cnnlab: interrupted; `cnnlab sweep --join runs/long` goes on\n"
    wait_for(lambda: {Run(path).record().status for path in runs.glob("trial-*")} == {"interrupted"})
    done = run_cnnlab("sweep", "--join", "runs/long", "--quiet", "--jobs", 2, cwd=folder)
    assert done.returncode == 0, done.stderr
    trials = [Run(path).record() for path in sorted(runs.glob("trial-*"))]
    assert [(trial.status, len(trial.resumed)) for trial in trials] == [("finished", 1)] * 2
    whole = run_cnnlab("sweep", "space.yaml", "--quiet", "--name", "whole", "--jobs", 1, cwd=folder)
    assert whole.stdout.replace("whole", "long") == done.stdout


@pytest.mark.slow
def test_a_trial_that_was_pruned_can_be_trained_to_its_end(folder):
    pruning = SPACE.replace("sampler: grid", "sampler: grid\n  pruner: halving").replace("epochs: 2", "epochs: 8")
    (folder / "space.yaml").write_text(pruning.replace("[20, 40]", "[20, 40, 60, 80, 100, 120]"))
    done = run_cnnlab("sweep", "space.yaml", "--quiet", "--name", "pruned", "--jobs", 2, cwd=folder)
    assert done.returncode == 0, done.stderr
    runs = folder / "runs/pruned"
    found = [run for run in map(Run, sorted(runs.glob("trial-*"))) if run.record().status == "pruned"]
    assert found
    assert (
        f"skipped: {found[0].path.relative_to(folder)}: pruned" in invoke("compare", "runs/pruned", cwd=folder).stdout
    )
    done = run_cnnlab("resume", found[0].path, "--quiet", cwd=folder)
    assert done.returncode == 0, done.stderr
    whole = run_cnnlab("train", found[0].config, "--quiet", "--runs", "whole", cwd=folder)
    assert whole.returncode == 0, whole.stderr
    (other,) = (folder / "whole").iterdir()
    assert found[0].weights.read_bytes() == Run(other).weights.read_bytes()


def wait_for(condition):
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)
