"""`cnnlab reproduce` on faces generated here."""

import csv
import json
import os
import shutil
from pathlib import Path

import pytest

from cnnlab.data import faces
from cnnlab.runs import Run, lock
from tests.conftest import assert_one_line, invoke


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """The gender network with two seeds."""
    folder = tmp_path_factory.mktemp("reproduce")
    faces.write(folder / "data/gender", 300, 100, seed=0)
    return folder, reproduce(folder, "gender-cnn-dropout", "--seeds", "2", "--save", "results")


def reproduce(folder, *arguments):
    return invoke("reproduce", *arguments, cwd=folder, env={"CNNLAB_DATA_DIR": str(folder / "data")})


def runs(folder):
    return {path.name: (path / "run.json").stat().st_mtime_ns for path in (folder / "runs/reproduction").iterdir()}


def test_every_seed_is_trained_and_its_result_printed(done):
    folder, first = done
    assert first.returncode == 0, first.stderr
    assert len(runs(folder)) == 2
    heading, row = first.stdout.splitlines()
    assert heading.split() == ["experiment", "epoch", "accuracy", "loss", "n", "verdict"]
    assert row.split()[:2] == ["gender-cnn-dropout", "20"]
    assert row.endswith("2  nothing published")


def test_results_are_saved_as_small_tables(done):
    folder, _ = done
    rows = list(csv.DictReader((folder / "results/runs.csv").read_text().splitlines()))
    assert [(row["experiment"], row["seed"], row["epochs"]) for row in rows] == [
        ("gender-cnn-dropout", "0", "20"),
        ("gender-cnn-dropout", "1", "20"),
    ]
    records = [json.loads((path / "run.json").read_text()) for path in sorted((folder / "runs/reproduction").iterdir())]
    assert [float(row["accuracy"]) for row in rows] == [record["results"]["test_accuracy"] for record in records]
    assert (folder / "results/epochs.csv").read_text() == "experiment,seed,epoch,accuracy,loss\n"


@pytest.mark.slow
def test_several_processes_train_the_same_seeds(done):
    folder, first = done
    several = reproduce(folder, "gender-cnn-dropout", "--seeds", "2", "--jobs", "2", "--runs", "several", "--quiet")
    assert several.returncode == 0, several.stderr
    assert several.stdout.split()[:8] == first.stdout.split()[:8]
    assert len(list((folder / "several").iterdir())) == 2


def test_finished_runs_are_not_trained_again(done):
    folder, first = done
    before = runs(folder)
    again = reproduce(folder, "gender-cnn-dropout", "--seeds", "2")
    assert (again.stdout, again.stderr) == (first.stdout, "")
    assert runs(folder) == before


def test_missing_runs_are_trained_and_unfinished_ones_resumed(done):
    folder, _ = done
    before = runs(folder)
    unfinished = folder / "runs/reproduction" / min(before)
    record = json.loads((unfinished / "run.json").read_text())
    (unfinished / "run.json").write_text(json.dumps({**record, "status": "interrupted"}))
    more = reproduce(folder, "gender-cnn-dropout", "--seeds", "3", "--format", "json")
    assert more.returncode == 0, more.stderr
    (row,) = json.loads(more.stdout)
    assert row["n"] == 3
    after = runs(folder)
    assert len(after) == 3
    assert after[max(before)] == before[max(before)]
    assert json.loads((unfinished / "run.json").read_text())["results"] == record["results"]


def test_missing_data_are_named_and_the_other_experiments_continue(done):
    folder, _ = done
    both = reproduce(folder, "gender-cnn-dropout", "softmax", "--seeds", "1")
    assert both.returncode == 1
    assert len(both.stdout.splitlines()) == 2
    *_, last = both.stderr.splitlines()
    assert last == "cnnlab: not reproduced: softmax; see above"
    assert "CNNLAB_OFFLINE forbids downloads" in both.stderr


def test_other_seeds_are_added_to_a_table_and_a_damaged_table_is_reported_before_training(done, tmp_path):
    folder, _ = done
    shutil.copytree(folder / "results", tmp_path / "results")
    added = ("gender-cnn-dropout", "--runs", str(tmp_path / "runs"), "--save", str(tmp_path / "results"))
    assert reproduce(folder, *added, "--seeds", "7,8").returncode == 0
    rows = list(csv.DictReader((tmp_path / "results/runs.csv").read_text().splitlines()))
    assert [row["seed"] for row in rows] == ["0", "1", "7", "8"]
    (tmp_path / "results/epochs.csv").write_bytes(b"\xff\xfe")
    before = sorted((tmp_path / "runs").iterdir())
    assert_one_line(reproduce(folder, *added, "--seeds", "9"), 2, "epochs.csv: not a table of results with the columns")
    assert sorted((tmp_path / "runs").iterdir()) == before


@pytest.mark.parametrize(
    ("damage", "part"),
    [
        (lambda record: record.pop("seconds"), "run.json: 'parameters', 'seconds' or 'data.splits.test' is missing"),
        (lambda record: record["results"].update(test_loss=None), "run.json: damaged: 'results.test_loss' is missing"),
    ],
)
def test_an_incomplete_run_is_named_and_the_others_continue(done, tmp_path, damage, part):
    folder, _ = done
    shutil.copytree(folder / "runs/reproduction", tmp_path / "runs")
    path = min((tmp_path / "runs").iterdir()) / "run.json"
    record = json.loads(path.read_text())
    damage(record)
    path.write_text(json.dumps(record))
    both = reproduce(folder, "gender-cnn-dropout", "--seeds", "2", "--runs", str(tmp_path / "runs"), "--format", "json")
    assert both.returncode == 1
    assert json.loads(both.stdout) == []
    assert part in both.stderr.splitlines()[0]
    assert both.stderr.splitlines()[-1] == "cnnlab: not reproduced: gender-cnn-dropout; see above"


def test_runs_trained_by_another_command_are_left_to_it(done, tmp_path):
    folder, _ = done
    shutil.copytree(folder / "runs/reproduction", tmp_path / "runs")
    run = Run(min((tmp_path / "runs").iterdir()))
    run.update({"status": "running"})
    with lock.held(run.path):
        left = reproduce(folder, "gender-cnn-dropout", "--seeds", "2", "--runs", str(tmp_path / "runs"))
    assert left.returncode == 0
    assert "skipped: another command is training it" in left.stderr
    assert len(list((tmp_path / "runs").iterdir())) == len(runs(folder))


def test_without_training_the_shipped_results_are_printed(tmp_path):
    printed = invoke("reproduce", "fc-mse", "--no-train", "--format", "json", cwd=tmp_path)
    rows = json.loads(printed.stdout)
    assert [row["epoch"] for row in rows] == [*range(1, 13), 97, 98, 99, 100]
    assert rows[-1]["published_accuracy"] == 0.852
    assert not list(Path(tmp_path).iterdir())


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["lenet-5"], "lenet-5: neither a shipped experiment nor the source's name of one; did you mean 'lenet5'?"),
        (["fc", "--save", f"{os.devnull}/x"], f"--save {os.devnull}/x: cannot be made: Not a directory"),
        (["fc", "--save", "x", "--no-train"], "--save: not with --no-train, which has nothing new to save"),
        (["fc", "--seeds", "0"], "--seeds 0: expected 1 to 10,000 seeds"),
        (["fc", "--runs", "a-run"], "--runs a-run: is a run; expected the folder that it is in"),
        (["fc", "--runs", os.devnull], f"--runs {os.devnull}: {os.devnull} is a file; expected a folder"),
    ],
)
def test_invalid_requests_are_one_line_errors(tmp_path, arguments, part):
    (tmp_path / "a-run").mkdir()
    (tmp_path / "a-run/run.json").write_text("{}")
    assert_one_line(invoke("reproduce", *arguments, cwd=tmp_path), 2, part)
