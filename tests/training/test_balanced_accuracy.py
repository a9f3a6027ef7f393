"""Balanced accuracy: recorded for unequal classes only, and optional in older runs."""

import csv
import json

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from cnnlab.cli.results import Format, Results
from cnnlab.config.load import load_file, read_file
from cnnlab.config.overrides import parse_set
from cnnlab.data import load as load_data
from cnnlab.evaluation.metrics import evaluation
from cnnlab.models.inference import Outcome
from cnnlab.runs import Run, checkpoints
from cnnlab.terminal import stderr
from cnnlab.training.callbacks.metrics_table import BALANCED, COLUMNS, COLUMNS_OF_IMBALANCED, MetricsTable, columns_for
from cnnlab.training.resume.checkpoint import State
from cnnlab.training.resume.plan import plan
from cnnlab.training.tasks import NewRun
from cnnlab.training.train import train

EXPERIMENT = """\
data: {{name: npz, file: {file}, image_shape: [8, 8, 1], num_classes: 2}}
model: {{layers: [flatten, dense: 2]}}
train: {{epochs: 2, batch_size: 16, optimizer: {{sgd: 0.05}}}}
"""


@pytest.fixture
def imbalanced(tmp_path):
    """One image in twenty is brighter."""
    labels = (np.arange(1000) % 20 == 0).astype(int)
    images = np.random.default_rng(0).integers(0, 120, (1000, 8, 8, 1)) + 12 * labels[:, None, None, None]
    np.savez(tmp_path / "imbalanced.npz", x_train=images.astype(np.uint8), y_train=labels)
    path = tmp_path / "imbalanced.yaml"
    path.write_text(EXPERIMENT.format(file=tmp_path / "imbalanced.npz"), encoding="utf-8")
    return path


def test_balanced_accuracy_matches_scikit_learn():
    random = np.random.default_rng(0)
    labels = random.choice(5, 300, p=[0.6, 0.3, 0.06, 0.04, 0]).astype(np.int32)
    scores = random.random((300, 5), np.float32) * np.array(
        [1, 1, 1, 1, 0], np.float32
    )  # scikit-learn warns about label 4
    outcome = Outcome(labels, scores, np.ones(300, np.float32))
    expected = balanced_accuracy_score(labels, outcome.predictions)
    assert outcome.balanced_accuracy == pytest.approx(expected)
    assert outcome.balanced_accuracy == pytest.approx(evaluation("test", outcome, tuple("abcde"))["balanced_accuracy"])
    assert outcome.recalls.keys() == {0, 1, 2, 3}


def test_unequal_classes_show_it_in_table_result_and_record(imbalanced, tmp_path, capsys):
    with Results(Format.TABLE, several=False) as report:
        train([NewRun(load_file(imbalanced), "run")], tmp_path, console=stderr(), on_finished=report.add)
    out, err = capsys.readouterr()
    run = Run(tmp_path / "run")
    with run.metrics.open() as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS_OF_IMBALANCED
    assert run.record().results[BALANCED] == float(rows[-1][BALANCED]) == 0.5
    assert BALANCED in err
    measured = json.loads((run.path / "evaluation/test.json").read_text())
    assert f"accuracy 0.9500, balanced accuracy {measured['balanced_accuracy']:.4f}, loss" in out


def test_class_weights_are_printed_once_and_recorded(imbalanced, tmp_path, capsys):
    experiment = read_file(imbalanced, [parse_set("train.class_weights=balanced")]).experiment
    train([NewRun(experiment, "run")], tmp_path, console=stderr())
    assert capsys.readouterr().err.count("class weights: 0 0.5263, 1 10\n") == 1
    assert Run(tmp_path / "run").record().raw["class_weights"] == pytest.approx({"0": 1 / 1.9, "1": 10.0})


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([], COLUMNS_OF_IMBALANCED),
        (["data.validation=0"], COLUMNS),
    ],
)
def test_columns_for_unequal_classes_need_validation(imbalanced, changes, expected):
    data = read_file(imbalanced, [parse_set(change) for change in changes]).experiment.data
    assert columns_for(load_data(data), []) == expected


def test_equal_classes_have_it_if_it_is_monitored(imbalanced):
    data = read_file(imbalanced, [parse_set("data=digits")]).experiment.data
    dataset = load_data(data)
    assert columns_for(dataset, []) == COLUMNS
    assert columns_for(dataset, ["val_loss", BALANCED]) == COLUMNS_OF_IMBALANCED


def test_a_run_older_than_the_column_can_be_resumed(imbalanced, tmp_path):
    run = train([NewRun(load_file(imbalanced), "run")], tmp_path)[0].run
    newest = checkpoints.newest(run, 1 << 20)
    state = newest[1]
    for row in state["rows"]:
        del row[BALANCED]
    checkpoints.save(run, checkpoints.positions(run)[0], newest[2], state, 2)
    run.write_metrics(state["rows"], COLUMNS)
    train([plan(run, [parse_set("train.epochs=3")])])
    with run.metrics.open() as file:
        rows = list(csv.DictReader(file))
    assert [bool(row[BALANCED]) for row in rows] == [False, False, True]
    assert all(row["val_accuracy"] for row in rows)


def test_a_table_with_other_columns_is_damaged():
    row = dict.fromkeys(COLUMNS_OF_IMBALANCED, 0.5) | {"epoch": 1}
    assert State(epoch=1, rows=[row], callbacks=[]).rows == [row]
    for wrong in (
        {**row, "more": 1.0},
        dict(reversed(row.items())),
        {column: row[column] for column in COLUMNS_OF_IMBALANCED[:-1]},
    ):
        with pytest.raises(ValueError, match="the table has other columns"):
            State(epoch=1, rows=[wrong], callbacks=[])
    with pytest.raises(ValueError, match="the table has other columns"):
        State(epoch=2, rows=[row, {column: row[column] for column in COLUMNS} | {"epoch": 2}], callbacks=[])


def test_a_restored_table_has_the_columns_of_the_run():
    table = MetricsTable(None, COLUMNS_OF_IMBALANCED)
    table.restore([dict.fromkeys(COLUMNS, 0.5)], 0.0)
    assert table.rows == [{**dict.fromkeys(COLUMNS_OF_IMBALANCED, 0.5), BALANCED: None}]
