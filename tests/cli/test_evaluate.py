import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from cnnlab.analysis.groups import read_correct
from cnnlab.runs import Run
from tests.conftest import assert_one_line, invoke


@pytest.fixture
def run(trained, tmp_path):
    """A copy of the trained run, for modification."""
    shutil.copytree(trained / "runs/tiny-1", tmp_path / "runs/tiny-1")
    return tmp_path / "runs/tiny-1"


def test_evaluate_gives_the_results_of_training(cnnlab, run):
    before = (run / "evaluation/test.json").read_text()
    predictions = (run / "evaluation/test-predictions.csv").read_text()
    done = cnnlab("evaluate", run, "--format", "json")
    assert (done.returncode, done.stderr) == (0, "")
    measured = json.loads(done.stdout)
    assert measured.pop("images_per_second") > 0
    figures = [Path(path) for path in measured.pop("pictures")]
    assert [path.name for path in figures] == ["test-confusion.png", "test-reliability.png", "test-mistakes.png"]
    assert all(path.is_file() for path in figures)
    assert measured == json.loads(before)
    assert (run / "evaluation/test.json").read_text() == before
    assert (run / "evaluation/test-predictions.csv").read_text() == predictions
    record = json.loads((run / "run.json").read_text())
    assert [use["by"] for use in record["test_uses"]] == ["train", "evaluate"]


def test_results_agree_with_the_saved_predictions(run):
    measured = json.loads((run / "evaluation/test.json").read_text())
    with (run / "evaluation/test-predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["example", "label", "prediction", "score", "label_name", "prediction_name"]
    assert [int(row["example"]) for row in rows] == list(range(200))
    right = [row for row in rows if row["label"] == row["prediction"]]
    assert measured["accuracy"] == len(right) / 200
    matrix = measured["confusion_matrix"]
    assert sum(matrix[i][i] for i in range(10)) == len(right)
    for index, row in enumerate(measured["classes"]):
        assert row["examples"] == sum(matrix[index])
        assert row["recall"] == pytest.approx(matrix[index][index] / sum(matrix[index]))
        predicted = sum(line[index] for line in matrix)
        assert row["precision"] == pytest.approx(matrix[index][index] / predicted if predicted else 0)


def test_the_table_has_classes_and_a_confusion_matrix(cnnlab, run):
    done = cnnlab("evaluate", run)
    lines = done.stdout.splitlines()
    assert lines[0].startswith("test accuracy 0.")
    assert "95 % interval of the accuracy: 0." in lines[0]
    assert lines[1].startswith("balanced accuracy 0.")
    assert lines[2].endswith(" images/s")
    assert lines[4].split() == ["class", "precision", "recall", "f1", "examples"]
    assert lines[16].split() == ["true", "\\", "predicted", *"0123456789"]
    assert lines[-2] == f"predictions: {run / 'evaluation/test-predictions.csv'}"
    assert lines[-1].startswith(f"figures: {run / 'evaluation/test-confusion.png'}, ")


def test_figures_are_drawn_only_on_request(cnnlab, run):
    done = cnnlab("evaluate", run, "--no-pictures")
    assert done.stdout.splitlines()[-1].startswith("predictions: ")
    assert not list((run / "evaluation").glob("*.png"))


def test_correct_predictions_are_saved_compactly(run):
    with (run / "evaluation/test-predictions.csv").open() as file:
        right = [row["label"] == row["prediction"] for row in csv.DictReader(file)]
    assert read_correct(Run(run), "test", 200).tolist() == right
    assert read_correct(Run(run), "test", 300) is None


@pytest.mark.parametrize("split", ["validation", "train"])
def test_other_splits_give_the_results_of_training(cnnlab, run, split):
    done = cnnlab("evaluate", run, "--split", split, "--format", "json")
    measured = json.loads(done.stdout)
    assert measured["split"] == split
    assert (run / f"evaluation/{split}-predictions.csv").exists()
    record = json.loads((run / "run.json").read_text())
    assert measured["examples"] == record["data"]["splits"][split]["examples"]
    if split == "validation":
        assert measured["accuracy"] == record["results"]["val_accuracy"]
        assert measured["loss"] == record["results"]["val_loss"]
    assert [use["by"] for use in record["test_uses"]] == ["train"]


def test_csv_has_one_row_per_class(cnnlab, run):
    rows = list(csv.DictReader(cnnlab("evaluate", run, "--format", "csv").stdout.splitlines()))
    assert [row["class"] for row in rows] == list("0123456789")


def scale_weights(run, factor):
    path = run / "weights.safetensors"
    arrays = {name: array * np.float32(factor) for name, array in safetensors.numpy.load_file(path).items()}
    path.write_bytes(safetensors.numpy.save(arrays))


def interrupt(run):
    (run / "weights.safetensors").unlink()
    Run(run).update({"status": "interrupted"})


def change_config(run, old, new):
    text = (run / "config.yaml").read_text()
    assert old in text
    (run / "config.yaml").write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("damage", "code", "parts"),
    [
        (lambda run: (run / "weights.safetensors").unlink(), 1, ["tiny-1: weights.safetensors missing, though the run finished"]),
        (lambda run: (run / "config.yaml").unlink(), 1, ["tiny-1: config.yaml missing, though the run finished"]),
        (lambda run: interrupt(run), 1, ["tiny-1: has no final weights: its status is 'interrupted'; only a finished run has them", "`cnnlab resume "]),
        (lambda run: (run / "weights.safetensors").write_bytes(b"x"), 1, ["weights.safetensors: damaged"]),
        (lambda run: (run / "run.json").unlink(), 2, ["tiny-1: not a run folder: it has no run.json"]),
        (lambda run: (run / "run.json").write_text("{"), 1, ["run.json: damaged"]),
        (lambda run: scale_weights(run, np.nan), 1, ["weights.safetensors: damaged: these weights give a loss of nan"]),
        (lambda run: change_config(run, "filters: 4", "filters: 5"), 1, ["not the weights of this run's network"]),
        (lambda run: change_config(run, "filters: 4", "filters: x"), 2, ["config.yaml:", "expected an integer, got 'x'"]),
        (lambda run: change_config(run, "limit: 200", "limit: 199"), 1, ["was trained on other examples of digits"]),
    ],
)  # fmt: skip
def test_a_damaged_run_is_a_one_line_error(cnnlab, run, damage, code, parts):
    damage(run)
    assert_one_line(cnnlab("evaluate", run), code, *parts)


def test_a_keras_file_is_never_read(cnnlab, run):
    (run / "model.keras").write_bytes(b"not what keras wrote")
    assert cnnlab("evaluate", run).returncode == 0


def test_a_split_that_was_not_held_out_is_rejected(cnnlab, tiny):
    cnnlab("train", tiny, "--epochs", 1, "--set", "data.validation=0", "--quiet")
    done = cnnlab("evaluate", "runs/tiny-1", "--split", "validation")
    assert_one_line(done, 2, "--split validation: this run held out no validation examples; it has train and test")


def test_a_folder_that_is_not_a_run_is_a_one_line_error(trained):
    assert_one_line(invoke("evaluate", "runs", cwd=trained), 2, "it contains runs, such as runs/tiny-1")
    assert_one_line(invoke("evaluate", "tiny-1", cwd=trained), 2, "did you mean runs/tiny-1?")
