import csv
import json
import os
import pty
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from cnnlab.runs import Run, lock
from cnnlab.runs.overview import notes
from tests.conftest import assert_one_line, invoke

COLUMNS = ["run", "status", "epoch", "epochs", "val_accuracy", "test_accuracy", "started", "seconds"]
COLUMNS_OF_FILES = [*COLUMNS[:2], "fold", *COLUMNS[2:]]
"""With those that tables omit where no run has a value."""
STATUSES = ["running", "finished", "interrupted", "failed", "diverged", "crashed"]


@pytest.fixture
def runs(tmp_path):
    """The folder `runs` in the working directory."""
    (tmp_path / "runs").mkdir()
    return tmp_path / "runs"


@pytest.fixture
def copy(trained, runs):
    """A function that copies the trained run to runs/NAME with changes to run.json."""

    def copied(name, **changes):
        shutil.copytree(trained / "runs/tiny-1", runs / name)
        if changes:
            Run(runs / name).update(changes)
        expire_heartbeat(runs / name)
        return runs / name

    return copied


def expire_heartbeat(run):
    """Make the heartbeat old enough for a crash."""
    then = time.time() - lock.HEARTBEAT_TIMEOUT - 1
    os.utime(run / ".lock", (then, then))


@contextmanager
def run_per_status(copy):
    """One run per status, named after it; this process holds `running`."""
    for status in STATUSES[1:-1]:
        copy(status, status=status)
    copy("crashed", status="running")
    with lock.held(copy("running", status="running")):
        yield


def list_runs(cnnlab, *arguments):
    done = cnnlab("runs", "list", *arguments, "--format", "json")
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_list_has_one_row_per_run_in_natural_order(cnnlab, copy):
    for name in ("tiny-10", "tiny-9", "tiny-2", "lenet-1"):
        copy(name)
    done = cnnlab("runs", "list", COLUMNS="120")
    assert (done.returncode, done.stderr) == (0, "")
    heading, *rows = done.stdout.splitlines()
    assert heading.split() == COLUMNS
    assert [row.split()[0] for row in rows] == ["runs/lenet-1", "runs/tiny-2", "runs/tiny-9", "runs/tiny-10"]
    assert rows[0].split()[1:4] == ["finished", "2", "2"]


def test_list_takes_its_numbers_from_the_run(trained):
    (row,) = list_runs(lambda *arguments: invoke(*arguments, cwd=trained))
    record = json.loads((trained / "runs/tiny-1/run.json").read_text())
    assert list(row) == COLUMNS_OF_FILES
    assert row == {
        "run": "runs/tiny-1",
        "status": "finished",
        "fold": None,
        "epoch": 2,
        "epochs": 2,
        "val_accuracy": record["results"]["val_accuracy"],
        "test_accuracy": record["results"]["test_accuracy"],
        "started": record["started"],
        "seconds": round(record["seconds"], 1),
    }


def test_list_as_csv_and_markdown(cnnlab, copy):
    copy("a|b")
    (row,) = csv.DictReader(cnnlab("runs", "list", "--format", "csv").stdout.splitlines())
    assert list(row) == COLUMNS_OF_FILES
    assert (row["run"], row["status"], row["epoch"]) == ("runs/a|b", "finished", "2")
    heading, rule, line = cnnlab("runs", "list", "--format", "md").stdout.splitlines()
    assert [cell.strip() for cell in heading.strip("|").split("|")] == COLUMNS_OF_FILES
    assert set(rule) == set("|-:")
    assert line.startswith("| runs/a\\|b | finished |")


def test_every_status_is_shown_correctly(cnnlab, copy):
    with run_per_status(copy):
        rows = list_runs(cnnlab)
    assert {row["run"]: row["status"] for row in rows} == {f"runs/{status}": status for status in STATUSES}


@pytest.mark.parametrize("status", ["running", "crashed", "diverged"])
def test_list_filters_by_status(cnnlab, copy, status):
    with run_per_status(copy):
        assert [row["run"] for row in list_runs(cnnlab, "--status", status)] == [f"runs/{status}"]


def test_an_unused_status_gives_no_rows(cnnlab, copy):
    copy("tiny-1")
    done = cnnlab("runs", "list", "--status", "failed")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list_runs(cnnlab, "--status", "failed") == []
    assert cnnlab("runs", "list", "--status", "failed", "--format", "csv").stdout == ",".join(COLUMNS_OF_FILES) + "\n"


def test_an_unfinished_run_shows_the_epochs_in_its_table(cnnlab, copy):
    run = copy("cut", status="interrupted", results=None, seconds=None)
    lines = (run / "metrics.csv").read_text().splitlines()
    (run / "metrics.csv").write_text("\n".join(lines[:2]) + "\n")
    (copy("new", status="interrupted", results=None) / "metrics.csv").unlink()
    cut, new = list_runs(cnnlab)
    assert (cut["epoch"], cut["epochs"], cut["test_accuracy"], cut["seconds"]) == (1, 2, None, None)
    assert (new["epoch"], new["epochs"]) == (0, 2)


def test_a_damaged_record_is_skipped_and_the_others_are_listed(cnnlab, copy):
    (copy("bad") / "run.json").write_text("{")
    copy("good")
    done = cnnlab("runs", "list")
    assert done.returncode == 0
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["run", "runs/good"]
    (warning,) = done.stderr.splitlines()
    assert warning.startswith("cnnlab: warning: runs/bad/run.json: damaged: ")
    assert warning.endswith("; skipped")


@pytest.mark.parametrize("command", [["list"], ["list", "--format", "json"], ["show", "runs"], ["rm", "runs", "--yes"]])
def test_a_missing_or_empty_folder_of_runs_is_one_line(cnnlab, tmp_path, command):
    assert_one_line(cnnlab("runs", *command), 2, "runs: no such folder")
    (tmp_path / "runs").mkdir()
    assert_one_line(cnnlab("runs", *command), 2, "runs: no")


def test_invalid_requests_are_one_line_errors(cnnlab, copy):
    copy("tiny-1")
    (copy("tiny-2") / "run.json").unlink()
    for arguments, part in [
        (["list", "nowhere"], "nowhere: no such folder"),
        (["list", "runs/tiny-2"], "runs/tiny-2: no runs in this folder"),
        (["list", "--status", "finishd"], "--status finishd: expected one of running, "),
        (["list", "--status", ""], "expected one of running, finished, interrupted, failed, diverged, pruned, crashed"),
        (["list", "--format", "xml"], "Invalid value for '--format'"),
        (["show", "runs"], "runs: not a run folder; it contains runs, such as runs/tiny-1"),
        (["show", "tiny-1"], "tiny-1: no such folder; did you mean runs/tiny-1?"),
        (["show", "runs/tiny-2"], "runs/tiny-2: not a run folder: it has no run.json"),
        (["show", "runs/tiny-1/run.json"], "run.json: is a file; expected a run folder"),
        (["show", "runs/tiny-1", "--format", "csv"], "Invalid value for '--format'"),
        (["rm"], "Missing argument 'RUN...'"),
    ]:
        assert_one_line(cnnlab("runs", *arguments), 2, part)


def test_two_thousand_runs_are_two_thousand_rows(cnnlab, trained, runs):
    source = trained / "runs/tiny-1"
    record, table = (source / "run.json").read_text(), (source / "metrics.csv").read_text()
    for number in range(1, 2001):
        (runs / f"tiny-{number}").mkdir()
        (runs / f"tiny-{number}/run.json").write_text(record)
        (runs / f"tiny-{number}/metrics.csv").write_text(table)
    assert [row["run"] for row in list_runs(cnnlab)] == [f"runs/tiny-{number}" for number in range(1, 2001)]


def test_show_prints_the_full_summary(trained):
    done = invoke("runs", "show", "runs/tiny-1", cwd=trained)
    assert (done.returncode, done.stderr) == (0, "")
    shown = dict(line.split(maxsplit=1) for line in done.stdout.splitlines() if len(line.split()) > 1)
    assert shown["run"] == "runs/tiny-1"
    assert shown["status"] == "finished"
    assert shown["checkpoints"] == "epoch 2, epoch 1"
    assert shown["data.splits"] == "200 train, 144 validation, 200 test"
    assert {"versions.tensorflow", "devices.strategy", "cpu.model", "results.test_accuracy", "seconds"} <= shown.keys()
    assert done.stdout.splitlines()[-1] == "the experiment: runs/tiny-1/config.yaml"


def test_show_as_json_has_the_record_and_the_checkpoints(trained):
    found = json.loads(invoke("runs", "show", "runs/tiny-1", "--format", "json", cwd=trained).stdout)
    record = json.loads((trained / "runs/tiny-1/run.json").read_text())
    results = record.pop("results")
    assert {key: found[key] for key in record} == record
    training = {"train_loss": results.pop("loss"), "train_accuracy": results.pop("accuracy")}
    assert found["results"] == training | results
    assert found["checkpoints"] == ["epoch 2", "epoch 1"]
    assert (found["run"], found["epoch"], found["epochs"]) == ("runs/tiny-1", 2, 2)


def test_results_are_always_qualified_by_split(trained):
    shown = invoke("runs", "show", "runs/tiny-1", cwd=trained).stdout
    names = [line.split()[0].rpartition(".")[2] for line in shown.splitlines() if line]
    assert {"train_loss", "train_accuracy", "val_accuracy", "test_accuracy"} <= set(names)
    assert not {"accuracy", "loss"} & set(names)


@pytest.mark.parametrize(("monitor", "word"), [("val_accuracy", "a maximum"), ("val_loss", "a minimum")])
def test_results_of_the_best_epoch_are_marked(copy, monitor, word):
    run = Run(copy("stopped"))
    assert notes(run.record()) == []
    record = run.record().raw
    stop = {"early_stopping": {"patience": 1, "monitor": monitor, "restore_best_weights": True}}
    record["experiment"]["train"]["callbacks"] = [stop]
    record["results"]["epoch"] = 1
    run.update(record)
    (note,) = notes(run.record())
    assert note.startswith(f"the results and weights are those of epoch 1, the best of 2 by {monitor}: ")
    assert f"its {monitor} is {word} over epochs" in note
    assert note in invoke("runs", "show", run.path, cwd=run.path).stdout


def test_show_reports_a_crash_and_an_error(cnnlab, copy):
    copy("crashed", status="running")
    copy("failed", status="failed", error="no space left")
    assert json.loads(cnnlab("runs", "show", "runs/crashed", "--format", "json").stdout)["status"] == "crashed"
    assert "error                       no space left" in cnnlab("runs", "show", "runs/failed").stdout


def test_rm_removes_only_the_given_runs(cnnlab, copy, runs):
    for name in ("a", "b", "c"):
        copy(name)
    (copy("bad") / "run.json").write_text("{")
    done = cnnlab("runs", "rm", "runs/a", "runs/c", "runs/a", "runs/bad/", "--yes")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["removed runs/a", "removed runs/c", "removed runs/bad"]
    assert os.listdir(runs) == ["b"]


def test_rm_of_a_live_run_removes_nothing(cnnlab, copy, runs):
    copy("a")
    with lock.held(copy("live", status="running")):
        done = cnnlab("runs", "rm", "runs/a", "runs/live", "--yes")
    record = json.loads((runs / "live/run.json").read_text())
    assert_one_line(done, 2, "runs/live: is being trained by process", record["process"]["host"])
    assert sorted(os.listdir(runs)) == ["a", "live"]


def test_rm_removes_crashed_runs(cnnlab, copy, runs):
    copy("crashed", status="running")
    assert cnnlab("runs", "rm", "runs/crashed", "--yes").returncode == 0
    assert os.listdir(runs) == []


def test_rm_without_a_terminal_to_confirm_removes_nothing(cnnlab, copy):
    run = copy("a")
    assert_one_line(cnnlab("runs", "rm", "runs/a"), 2, "runs/a: --yes")
    assert run.exists()


def test_rm_asks_for_confirmation_at_a_terminal(tmp_path, copy):
    run = copy("a")
    terminal, stdin = pty.openpty()
    command = [sys.executable, "-m", "cnnlab", "runs", "rm", "runs/a"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        os.write(terminal, b"y\n")
        stdout, stderr = process.communicate(timeout=300)
    for descriptor in (terminal, stdin):
        os.close(descriptor)
    assert process.returncode == 0
    assert stderr.startswith("Remove runs/a?")
    assert stdout.endswith("removed runs/a\n")
    assert not run.exists()


@pytest.mark.parametrize(
    ("what", "part"),
    [
        ("nowhere", "nowhere: no such folder"),
        ("runs", "runs: not a run folder; it contains runs, such as runs/a"),
        ("runs/notes", "runs/notes: not a run folder: it has no run.json"),
        ("runs/a/run.json", "runs/a/run.json: is a file; expected a run folder"),
        ("runs/link", "runs/link: is a symbolic link; remove the link, or name the folder"),
    ],
)
def test_rm_of_something_that_is_not_a_run_removes_nothing(cnnlab, copy, runs, what, part):
    copy("a")
    (runs / "notes").mkdir()
    (runs / "link").symlink_to("a")
    assert_one_line(cnnlab("runs", "rm", "runs/a", what, "--yes"), 2, part)
    assert sorted(os.listdir(runs)) == ["a", "link", "notes"]
