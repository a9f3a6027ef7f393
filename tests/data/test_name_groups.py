"""File names that look as if several belong together, and the `data.group` that is proposed."""

import re
import shlex
from dataclasses import replace

import numpy as np
import pytest

from cnnlab.config.overrides import parse_set
from cnnlab.data import Dataset, Examples
from cnnlab.data.groups import find_groups
from cnnlab.data.name_groups import name_findings
from cnnlab.experiment.data import spec_of

SHOWN = [(number, number % 10) for number in range(120) if number not in (17, 56)]  # who shows 0 to 9 in turn


def dataset_of(files):
    """A data set of files in class folders."""
    classes = sorted({file.split("/")[0] for file in files})
    labels = np.array([classes.index(file.split("/")[0]) for file in files], np.int32)
    none = Examples(np.zeros((0, 2, 2, 1), np.uint8), labels[:0], files=np.array(files[:0]))
    train = Examples(np.zeros((len(files), 2, 2, 1), np.uint8), labels, files=np.array(files))
    return Dataset(name="folder", train=train, validation=None, test=none, class_names=tuple(classes))


def proposed(files):
    """The groups of the rule that is proposed, parsed as a shell and an experiment do, or None."""
    found = name_findings(dataset_of(files))
    if not found:
        return None
    (finding,) = found
    (option,) = re.findall("--set (.*)$", finding.text)
    (word,) = shlex.split(option)
    spec = spec_of({"name": "folder", "path": "x", "image_size": 4, "num_classes": 2, "group": parse_set(word).value})
    return spec.group, finding


@pytest.mark.parametrize(
    ("files", "kind", "count"),
    [
        ([f"{label}/IMG_{1000 + number}.JPG" for number, label in SHOWN], "rounds", 12),
        ([f"{label}/a-b.c {1000 + number}.JPG" for number, label in SHOWN], "rounds", 12),
        ([f"{label}/{number:04}.png" for number, label in SHOWN], "rounds", 12),
        ([f"{kind}/p{person}_{side}.png" for kind in "ab" for person in range(9) for side in "lr"], "files", 9),
        ([f"{kind}/x_{person}_{side}.png" for kind in "ab" for person in range(9) for side in "lr"], "files", 9),
        ([f"{kind}/patient{n % 5}/{n}.png" for kind in "ab" for n in range(30)], "folder", 5),
        ([f"{'ab'[clip % 2]}/{100 * clip + n}.png" for clip in range(8) for n in range(9)], "sequence", 8),
    ],
)
def test_names_that_look_grouped_are_proposed_as_groups_that_can_be_pasted(files, kind, count):
    rule, finding = proposed(files)
    assert rule.kind == kind
    labels = dataset_of(files).train.labels
    groups = find_groups(rule, files, labels, len({*labels.tolist()}))
    assert len(groups.names) == count == finding.count


@pytest.mark.parametrize(
    "files",
    [
        [f"{kind}/{number:04}.png" for kind in "abc" for number in range(50)],
        [f"{kind}/{kind}_{number}.png" for kind in ("cat", "dog") for number in range(50)],
        [f"{kind}/{kind}.{n}.png" for kind in ("cat", "dog") for n in range(200) if n % 23],  # a few are missing
        [f"{kind}/{hash((kind, n)) & 0xFFFFFF:06x}.png" for kind in "abc" for n in range(50)],
        [f"{'abc'[n // 50]}/{n}.png" for n in range(150)],
        [f"{'abc'[n // 50]}/img_{n}_x.png" for n in range(150)],
    ],
)
def test_names_that_only_count_files_are_not_reported(files):
    assert proposed(files) is None


def test_nothing_is_reported_where_there_are_groups():
    dataset = dataset_of([f"{label}/IMG_{1000 + number}.JPG" for number, label in SHOWN])
    assert name_findings(dataset)
    assert name_findings(replace(dataset, group_names=("p1", "p2"))) == []
