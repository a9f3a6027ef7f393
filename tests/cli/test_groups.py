"""Groups of `data.group` are not divided by cross-validation and by audits."""

import csv
import re

import pytest

from cnnlab.runs import Run
from tests.conftest import TINY
from tests.training.distribution.every_word import GROUPED, write_grouped

FAST = ("--folds", "3", "--epochs", "1", "--quiet")


@pytest.fixture
def people(tmp_path):
    """An experiment on images of people."""
    write_grouped(tmp_path)
    options = ", ".join(f"{key}: '{value}'" if key == "group" else f"{key}: {value}" for key, value in GROUPED.items())
    config = tmp_path / "tiny.yaml"
    config.write_text(TINY.replace("{name: digits, limit: 200}", f"{{{options}}}").replace("dense: 10", "dense: 3"))
    return config


def people_in_folds(runs):
    """The people that each run is tested on."""
    found = []
    for run in sorted(runs):
        with Run(run).predictions("test").open() as file:
            found.append({re.match("(p[0-9]+)_", row["file"].split("/")[-1])[1] for row in csv.DictReader(file)})
    return found


def assert_whole(folds):
    assert len(folds) == 3
    assert sum(map(len, folds)) == len(set.union(*folds))


def test_folds_keep_groups_whole(cnnlab, people, tmp_path):
    done = cnnlab("train", people, *FAST, "--set", "data.test=0")
    assert done.returncode == 0, done.stderr
    folds = people_in_folds((tmp_path / "runs").iterdir())
    assert_whole(folds)
    assert len(set.union(*folds)) == 12
    assert cnnlab("verify", next((tmp_path / "runs").iterdir())).returncode == 0


def test_audits_judge_people_by_networks_that_did_not_see_them(cnnlab, people, tmp_path):
    done = cnnlab("data", "audit", people, *FAST)
    assert done.returncode == 0, done.stderr
    assert_whole(people_in_folds(path.parent for path in (tmp_path / "audit").rglob("run.json")))
