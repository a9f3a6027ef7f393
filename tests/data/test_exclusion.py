"""`data.exclude`: which examples are left out, and files that do not fit."""

import csv

import numpy as np
import pytest

from cnnlab.data import load, read
from cnnlab.data.exclusion import COLUMNS, numbered, rows_of
from cnnlab.errors import DataError
from cnnlab.experiment.data import Digits, Folder
from tests.data.data_files import write_image


@pytest.fixture
def write(tmp_path):
    """A function that writes rows as a file to exclude."""

    def make(rows, columns=COLUMNS):
        path = tmp_path / "exclude.csv"
        with path.open("w", newline="") as file:
            table = csv.DictWriter(file, columns, extrasaction="ignore")
            table.writeheader()
            table.writerows(rows)
        return str(path)

    return make


def digits(path, **options):
    return Digits(name="digits", exclude=path, **options)


@pytest.fixture(scope="module")
def source():
    return numbered(read(Digits(name="digits")))


def rows(source, *indices):
    return rows_of("train", source.train.take(np.array(indices)), source.class_names)


def test_listed_examples_are_left_out_before_the_splits_and_counted(source, write, capsys):
    path = write(rows(source, 5, 0, 1436))
    dataset = load(digits(path, validation=100))
    assert len(dataset.train) == 1437 - 3 - 100
    assert not {0, 5, 1436} & {*dataset.train.indices.tolist(), *dataset.validation.indices.tolist()}
    assert f"data.exclude: 3 of 1,437 train examples are left out, listed in {path}" in capsys.readouterr().err


def test_folds_limits_and_classes_are_of_what_remains(source, write):
    path = write(rows(source, 1, 2))
    dataset = load(digits(path, fold={"number": 1, "of": 5}, classes=["1", "3"]), quiet=True)
    assert not {1, 2} & {*dataset.pool.indices.tolist()}
    assert {*source.train.labels[dataset.test.indices].tolist()} == {1, 3}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"index": 7}, "of class|other pixels"),
        ({"index": 7, "label": ""}, "train example 7 has other pixels: the list is of other data"),
        ({"label": "x"}, "not x: other data"),
        ({"index": 1437}, "train example 1,437 of 1,437"),
        ({"index": "-1"}, "index: expected a number from 0, got '-1'"),
        ({"split": "tests"}, "split: expected train, validation or test, got 'tests'"),
        ({"sha256": ""}, "expected a file, or an index and the sha256"),
        ({"split": "validation"}, "lists validation examples, and the data have none"),
    ],
)
def test_a_list_of_other_data_is_refused(source, write, change, message):
    path = write([{**rows(source, 3)[0], **change}])
    with pytest.raises(DataError, match=message):
        load(digits(path))


def test_missing_and_unreadable_files_are_named(write, tmp_path):
    with pytest.raises(DataError, match=r"data\.exclude: .*nowhere\.csv: no such file"):
        load(digits(str(tmp_path / "nowhere.csv")))
    with pytest.raises(DataError, match="has the columns label; expected split"):
        load(digits(write([], ["label"])))
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="cannot be read"):
        load(digits(str(tmp_path / "binary.csv")))


def test_no_example_would_be_left(source, write):
    with pytest.raises(DataError, match="lists all 1,437 train examples"):
        load(digits(write(rows_of("train", source.train, source.class_names))))


def test_files_are_recognized_by_name(data_dir, write):
    for split in ("train", "test"):
        for name in ("a", "b"):
            for number in range(3):
                write_image(data_dir / f"pets/{split}/{name}/{number}.png", 80 * number + 10)
    spec = Folder(name="folder", path="pets", image_size=4, num_classes=2, channels=1, validation=0)
    path = write([{"split": "train", "file": "train/a/1.png"}], ["split", "file"])
    dataset = load(spec.model_copy(update={"exclude": path}), quiet=True)
    assert "train/a/1.png" not in dataset.train.files
    assert len(dataset.train) == 5
    path = write([{"split": "train", "file": "train/a/9.png"}], ["split", "file"])
    with pytest.raises(DataError, match=r"train/a/9\.png: no such file among the train examples"):
        load(spec.model_copy(update={"exclude": path}), quiet=True)
