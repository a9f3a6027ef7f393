"""`cnnlab train --folds K`."""

import json

import pytest

from cnnlab.analysis.significance import estimate
from cnnlab.runs import Run
from tests.conftest import assert_one_line

FAST = ("--quiet", "--epochs", "1")


def test_each_fold_is_a_run_and_their_mean_has_a_corrected_interval(cnnlab, tiny, tmp_path):
    done = cnnlab("train", tiny, *FAST, "--folds", "3", "--name", "cv")
    assert done.returncode == 0, done.stderr
    records = [Run(tmp_path / f"runs/cv-fold{number}").record() for number in (1, 2, 3)]
    folds = [record.experiment.fold for record in records]
    assert [(fold.number, fold.of, fold.seed) for fold in folds] == [(1, 3, 0), (2, 3, 0), (3, 3, 0)]
    assert [record.experiment.seed for record in records] == [0, 1, 2]
    assert len({record.data.splits["test"].images for record in records}) == 3
    assert len({record.data.pool for record in records}) == 1
    mean = estimate([record.result("test_accuracy") for record in records], folds=3)
    assert done.stdout.splitlines()[-1] == (
        f"test accuracy {mean.mean:.4f} ± {mean.std:.4f} (mean and standard deviation of 3 folds; "
        f"95 % interval of the mean {max(0, mean.low):.4f} to {min(1, mean.high):.4f})"
    )
    assert "fold 2 of 3: test accuracy" in done.stdout
    assert "its 360 test examples are not used" in done.stderr
    shown = cnnlab("compare", "runs", "--format", "json")
    (row,) = json.loads(shown.stdout)
    assert (row["n"], row["folds"], row["low"]) == (3, [1, 2, 3], pytest.approx(max(0, mean.low)))
    assert cnnlab("runs", "list").stdout.splitlines()[2].split()[2:5] == ["2", "of", "3"]
    assert cnnlab("verify", "runs/cv-fold2").returncode == 0
    page = cnnlab("report", "runs", "--format", "md", "--out", "page")
    assert page.returncode == 0, page.stderr
    assert "By fold" in next((tmp_path / "page").glob("*.md")).read_text()


def test_seeds_are_partitions(cnnlab, tiny, tmp_path):
    done = cnnlab("train", tiny, *FAST, "--folds", "2", "--seeds", "2", "--format", "json")
    assert done.returncode == 0, done.stderr
    found = [(result["partition"], result["fold"], result["seed"]) for result in json.loads(done.stdout)]
    assert found == [(0, 1, 0), (0, 2, 1), (1, 1, 2), (1, 2, 3)]


def test_folds_are_trained_in_several_processes(cnnlab, tiny, tmp_path):
    assert cnnlab("train", tiny, *FAST, "--folds", "2", "--jobs", "2", "--name", "cv").returncode == 0
    assert cnnlab("train", tiny, *FAST, "--folds", "2", "--name", "alone").returncode == 0
    for number in (1, 2):
        several, alone = (Run(tmp_path / f"runs/{name}-fold{number}").record() for name in ("cv", "alone"))
        assert several.data.fingerprint == alone.data.fingerprint
        assert several.results["test_accuracy"] == pytest.approx(alone.results["test_accuracy"], abs=0.02)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--folds", "1"], "--folds 1: data.fold.of: expected a value greater than or equal to 2"),
        (["--folds", "3", "--no-test"], "data.fold: the held-out fold is what a cross-validation measures"),
        (["--folds", "3", "--set", "data.fold={number: 1, of: 2}"], "data.fold is also set by --folds 3"),
        (["--set", "data.fold={number: 4, of: 3}"], "fold 4 of 3; expected 1 to 3"),
    ],
)
def test_what_cannot_be_cross_validated_is_refused(cnnlab, tiny, options, message):
    assert_one_line(cnnlab("train", tiny, *options), 2, message)


def test_more_folds_than_examples_are_refused(cnnlab, tiny):
    two = ["--set", "data.classes=['0', '1']", "--set", "model.layers=[flatten, {dense: 2}]", "--folds", "600"]
    done = cnnlab("train", tiny, *two)
    assert_one_line(done, 2, "data.fold: digits: 600 folds of 288 examples; expected at most one fold per example")
