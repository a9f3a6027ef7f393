import json
import shutil

from cnnlab.analysis.compare import Comparison
from cnnlab.cli.compare import _narrow
from tests.conftest import assert_one_line, run_cnnlab


def test_a_row_a_run(trained):
    done = run_cnnlab("compare", "runs", cwd=trained)
    assert (done.returncode, done.stderr) == (0, "")
    heading, row = done.stdout.splitlines()
    assert heading.split() == ["run", "val_accuracy", "accuracy", "loss", "parameters", "seconds"]
    assert row.split()[0] == "runs/tiny-1"
    assert "1,490" in row


def test_formats(trained):
    (row,) = json.loads(run_cnnlab("compare", "runs/tiny-1", "--format", "json", cwd=trained).stdout)
    measured = json.loads((trained / "runs/tiny-1/evaluation/test.json").read_text())
    assert row["accuracy"] == measured["accuracy"]
    assert row["parameters"] == 1490
    assert run_cnnlab("compare", "runs", "--format", "md", cwd=trained).stdout.startswith("| run ")
    assert run_cnnlab("compare", "runs", "--format", "csv", cwd=trained).stdout.startswith("run,val_accuracy,")


def test_plot_draws_a_picture(trained, tmp_path):
    done = run_cnnlab("compare", "runs", "--plot", tmp_path / "curves.png", cwd=trained)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_runs_of_different_losses_are_drawn_and_told(trained, tmp_path):
    runs = tmp_path / "runs"
    for name, loss in [("a", "mse"), ("b", {"cross_entropy": {"label_smoothing": 0.1, "from_logits": True}})]:
        shutil.copytree(trained / "runs/tiny-1", runs / name)
        record = json.loads((runs / name / "run.json").read_text())
        record["experiment"]["train"]["loss"] = loss
        (runs / name / "run.json").write_text(json.dumps(record))
    done = run_cnnlab("compare", runs, trained / "runs", "--plot", tmp_path / "curves.svg", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "cross_entropy(0.1)" in done.stdout
    assert "not on one scale" in (tmp_path / "curves.svg").read_text()


def test_a_damaged_run_spoils_neither_table_nor_plot(trained, tmp_path):
    runs = tmp_path / "runs"
    shutil.copytree(trained / "runs", runs)
    for number, record in enumerate(["{", '{"status": "failed", "experiment": {"name": "$x^$", "train": 3}}']):
        (runs / f"bad-{number}").mkdir()
        (runs / f"bad-{number}/run.json").write_text(record)
        shutil.copy(runs / "tiny-1/metrics.csv", runs / f"bad-{number}/metrics.csv")
    done = run_cnnlab("compare", runs, "--plot", tmp_path / "curves.png", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 3
    assert "bad-0/run.json: damaged" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_table_too_wide_for_the_terminal_becomes_two():
    row = {"run": "runs/a-1", "train.epochs": 3, "model.layers": "2 conv2d, flatten, dense", "accuracy": 0.5}
    text = _narrow(Comparison([], [row], ["train.epochs", "model.layers"], ["accuracy"]), width=40)
    assert text.splitlines() == [
        "What differs:",
        "runs/a-1: epochs: 3; layers: 2 conv2d,",
        "    flatten, dense",
        "",
        "run       accuracy",
        "runs/a-1       0.5",
    ]


def test_bad_requests_are_one_line(trained, tmp_path):
    (tmp_path / "empty").mkdir()
    for arguments, code, part in [
        (["nowhere"], 2, "nowhere: no such folder"),
        ([tmp_path / "empty"], 2, "no runs in this folder"),
        (["runs", "--sort", "acuracy"], 2, "did you mean 'accuracy'?"),
        (["runs", "--format", "xml"], 2, "Invalid value for '--format'"),
        (["runs", "--plot", tmp_path / "x/y/curves.png"], 1, "curves.png: cannot be written"),
        (["runs", "--plot", tmp_path / "curves.docx"], 2, "expected a file name that ends in .png, .svg or .pdf"),
        (["runs", "--plot", "."], 2, "expected a file name that ends in .png, .svg or .pdf"),
        (["n" * 300], 1, "File name too long"),
    ]:
        assert_one_line(run_cnnlab("compare", *arguments, cwd=trained), code, part)
