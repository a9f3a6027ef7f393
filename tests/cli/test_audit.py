"""`cnnlab data audit`."""

import csv
import json
import re
import shlex
import shutil

import numpy as np
import pytest
from PIL import Image

from cnnlab.data import read
from cnnlab.experiment.data import Digits
from cnnlab.runs import Run
from tests.conftest import TINY, assert_one_line

FLIPPED = (3, 50, 200, 400, 700)
MINE = TINY.replace(
    "{name: digits, limit: 200}",
    "{name: npz, file: digits.npz, image_shape: [28, 28, 1], num_classes: 10, validation: 0.05}",
)
TRAINED = ("--epochs", "20", "--set", "train.optimizer.sgd.learning_rate=0.3", "--set", "train.schedule=constant")


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    """A folder with an experiment on digits of which some labels are flipped, and its audit."""
    from tests.conftest import invoke

    folder = tmp_path_factory.mktemp("audited")
    source = read(Digits(name="digits"))
    labels = source.train.labels.copy()
    labels[list(FLIPPED)] = (labels[list(FLIPPED)] + 5) % 10
    images = {"x_train": source.train.images, "x_test": source.test.images}
    np.savez(folder / "digits.npz", y_train=labels, y_test=source.test.labels, **images)
    (folder / "mine.yaml").write_text(MINE)
    done = invoke("data", "audit", "mine.yaml", *TRAINED, "--folds", "3", "--quiet", cwd=folder)
    assert done.returncode == 0, done.stderr
    (folder / "stdout").write_text(done.stdout)
    return folder


def suspects(folder, split="train"):
    with (folder / f"audit/tiny/{split}-suspects.csv").open() as file:
        return list(csv.DictReader(file))


def test_flipped_labels_are_suspects_with_the_right_label_suggested(audited):
    rows = {int(row["index"]): row for row in suspects(audited)}
    found = [index for index in FLIPPED if index in rows]
    assert len(found) >= 4
    truth = read(Digits(name="digits")).train.labels
    assert sum(int(rows[index]["suggested"]) == truth[index] for index in found) >= 4
    assert all(row["split"] == "train" and row["label"] != row["suggested"] for row in rows.values())
    margins = [float(row["margin"]) for row in suspects(audited)]
    assert margins == sorted(margins)
    assert all(row["split"] == "test" for row in suspects(audited, "test"))
    with Image.open(audited / "audit/tiny/train-suspects.png") as grid:
        assert grid.size[0] > 500
    text = (audited / "stdout").read_text()
    assert f"train: {len(rows)} of 1,437 labels are suspicious" in text
    assert "test: " in text


def test_the_commands_that_it_proposes_work(audited):
    from tests.conftest import invoke

    found = re.findall("`cnnlab (.*?)`", " ".join((audited / "stdout").read_text().split()))
    assert [command.split()[0] for command in found] == ["train", "train", "compare"]
    for command in found:
        done = invoke(*shlex.split(command), cwd=audited)
        assert done.returncode == 0, done.stderr
    shutil.rmtree(audited / "audit/tiny/compared")


def test_every_training_example_is_judged_by_a_network_that_did_not_see_it(audited):
    records = [Run(path).record() for path in sorted((audited / "audit/tiny/runs").iterdir())]
    assert sum(record.data.splits["test"].examples for record in records) == 1437
    assert [record.experiment.fold.number for record in records] == [1, 2, 3]


def test_the_same_audit_is_not_trained_again_and_its_list_is_excluded_from_training(audited):
    from tests.conftest import invoke

    done = invoke("data", "audit", "mine.yaml", *TRAINED, "--folds", "3", "--format", "json", cwd=audited)
    assert done.returncode == 0, done.stderr
    assert "3 of 3 folds are trained already" in done.stderr
    assert len(list((audited / "audit/tiny/runs").iterdir())) == 3
    train, test = json.loads(done.stdout)["splits"]
    assert (train["split"], train["examples"], test["split"], test["examples"]) == ("train", 1437, "test", 360)
    assert np.sum(train["joint"]) == pytest.approx(1437, abs=1)
    options = ["--epochs", "1", "--set", f"data.exclude={train['table']}", "--quiet", "--name", "without"]
    done = invoke("train", "mine.yaml", *options, cwd=audited)
    assert done.returncode == 0, done.stderr
    sizes = {name: split.examples for name, split in Run(audited / "runs/without").record().data.splits.items()}
    assert sizes["train"] + sizes["validation"] == 1437 - len(train["suspects"])
    assert sizes["test"] == 360


def test_retraining_compares_with_and_without_the_suspects(audited):
    from tests.conftest import invoke

    done = invoke("data", "audit", "mine.yaml", *TRAINED, "--folds", "3", "--retrain", "3", "--quiet", cwd=audited)
    assert done.returncode == 0, done.stderr
    assert "paired t" in done.stdout
    assert len(list((audited / "audit/tiny/compared").iterdir())) == 6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--set", "train.loss=mse"], "train.loss: mse, whose networks predict no probabilities"),
        (["--set", "data.fold={number: 1, of: 2}"], "data.fold: one fold of a cross-validation"),
        (["--out", "tiny.yaml"], "--out tiny.yaml: is a file"),
        (["--seed", "1", "--set", "seed=2"], "seed is also set by"),
    ],
)
def test_what_cannot_be_audited_is_refused(cnnlab, tiny, options, message):
    assert_one_line(cnnlab("data", "audit", tiny, *options), 2, message)
