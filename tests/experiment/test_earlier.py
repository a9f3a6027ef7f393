"""Runs of earlier versions keep their meaning in the current language."""

import json
from pathlib import Path

import pytest

from cnnlab.config.load import to_dict
from cnnlab.experiment.schema import Experiment
from cnnlab.experiment.upgrade import upgrade

WRITTEN = json.loads(Path(__file__).with_name("experiments-0.1.0.json").read_text())
"""One experiment per data set, as version 0.1.0 wrote them into run.json."""


def contains(now, before):
    """Whether what was written is kept; maps may have more keys."""
    if isinstance(before, dict):
        return isinstance(now, dict) and all(key in now and contains(now[key], before[key]) for key in before)
    return now == before


@pytest.mark.parametrize("written", WRITTEN, ids=lambda experiment: experiment["data"]["name"])
def test_records_of_earlier_versions_are_completed_with_all_current_options(written):
    """Otherwise `compare` would treat old and new runs as different; define the earlier default in `earlier.py`."""
    meant = upgrade(written)
    assert to_dict(Experiment.model_validate(meant)) == meant
    assert {key: meant[key] for key in written if key not in ("data", "train")} == {
        key: written[key] for key in written if key not in ("data", "train")
    }
    assert contains(meant["data"], written["data"])
    assert contains(meant["train"], written["train"])


def test_numeric_class_names_were_sorted_as_text():
    (folder,) = (experiment for experiment in WRITTEN if experiment["data"]["name"] == "folder")
    assert upgrade(folder)["data"]["class_order"] == "text"


def test_augmentation_filled_with_black():
    steps = [{"rotation": {"degrees": 15.0}}, "horizontal_flip", {"random_crop": {"padding": 4, "fill": "reflect"}}, 3]
    upgraded = upgrade({"preprocessing": {"scale": "zero_one", "augmentation": steps}})
    assert upgraded["preprocessing"] == {
        "scale": "zero_one",
        "augmentation": [{"rotation": {"fill": "constant", "degrees": 15.0}}, *steps[1:]],
    }


@pytest.mark.parametrize("damaged", [None, 3, [], {}, {"data": 3}, {"data": {}}, {"data": {"name": 3}}, {"data": {"name": "own"}}], ids=str)  # fmt: skip
def test_an_invalid_experiment_is_unchanged(damaged):
    assert upgrade(damaged) == damaged
