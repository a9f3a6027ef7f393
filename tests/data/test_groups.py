"""Groups of files that belong together, and splits that do not divide them."""

import re

import numpy as np
import pytest

from cnnlab.data import Examples, load
from cnnlab.data.fingerprint import fingerprint
from cnnlab.data.groups import find_groups
from cnnlab.data.splits import split
from cnnlab.errors import ConfigError
from cnnlab.experiment.data.group import ByColumn, ByFolder, ByName, ByRound, BySequence
from tests.data.data_files import folder_spec, write_image


def groups_of(rule, files, labels=None, num_classes=2, columns=None):
    """The files of each group."""
    labels = np.zeros(len(files), np.int32) if labels is None else np.array(labels, np.int32)
    found = find_groups(rule, files, labels, num_classes, columns)
    together = {}
    for number, file in zip(found.numbers, files, strict=True):
        together.setdefault(found.names[number], []).append(file)
    return together


def test_a_pattern_groups_files_by_the_text_in_its_parentheses():
    files = ["cat/p1_a.png", "cat/p2_b.png", "dog/p1_c.png"]
    assert groups_of(ByName(pattern="(p[0-9])_"), files, [0, 0, 1]) == {
        "p1": ["cat/p1_a.png", "dog/p1_c.png"],
        "p2": ["cat/p2_b.png"],
    }
    assert list(groups_of(ByName(pattern="p[0-9]_"), files, [0, 0, 1])) == ["p1_", "p2_"]
    assert list(groups_of(ByName(pattern="(p)([0-9])"), files, [0, 0, 1])) == ["p 1", "p 2"]


def test_a_pattern_is_searched_for_in_the_name_of_the_file_only():
    with pytest.raises(ConfigError, match=re.escape("data.group: 'p1' is not found in the names of 2 of 3 files (p1/a.png and b.png)")):  # fmt: skip
        groups_of(ByName(pattern="p1"), ["p1/a.png", "b.png", "p1.png"])


def test_folders_of_the_same_name_are_one_group():
    files = ["train/cat/p1/a.png", "train/dog/p1/a.png", "test/cat/p2/a.png"]
    assert list(groups_of(ByFolder(level=1), files, [0, 1, 0])) == ["p1", "p2"]
    assert list(groups_of(ByFolder(level=3), files, [0, 1, 0])) == ["train", "test"]
    with pytest.raises(ConfigError, match=r"data.group: folder: 2, but 1 of 2 files .p1/a.png. are in fewer folders"):
        groups_of(ByFolder(level=2), ["p1/a.png", "cat/p2/a.png"])


def test_numbers_without_a_gap_are_one_group():
    files = ["b/9.png", "a/10.png", "a/11.png", "a/14.png"]
    assert groups_of(BySequence(pattern="([0-9]+)"), files) == {"9.png": files[:3], "14.png": files[3:]}
    with pytest.raises(ConfigError, match="all 4 files are one group"):
        groups_of(BySequence(pattern="([0-9]+)", gap=3), files)
    cameras = ["x_1.png", "y_2.png", "x_2.png"]
    assert list(groups_of(BySequence(pattern="(.)_([0-9]+)"), cameras)) == ["x_1.png", "y_2.png"]
    with pytest.raises(ConfigError, match=r"data.group: '\(.+\)' gives 'x.png' for x.png; expected a number"):
        groups_of(BySequence(pattern="(.+)"), ["x.png", "1"])


def test_a_round_through_the_classes_is_one_group_though_images_are_missing_repeated_or_swapped():
    shown = "0123456789012346789012345678891023456789012345679834567"
    files = [f"{label}/IMG_{number}.JPG" for number, label in enumerate(shown)]
    order = np.random.default_rng(0).permutation(len(files))
    rule = ByRound(pattern="IMG_([0-9]+)")
    found = find_groups(rule, [files[i] for i in order], np.array([int(shown[i]) for i in order], np.int32), 10)
    numbers = np.empty(len(files), int)
    numbers[order] = found.numbers
    lengths = [len(list(part)) for part in np.split(numbers, np.flatnonzero(np.diff(numbers)) + 1)]
    assert lengths == [10, 9, 11, 10, 10, 5]
    assert len(found.names) == 6


def test_a_column_groups_the_rows_of_a_table():
    columns = {"patient": ["a", "b", "a"]}
    assert list(groups_of(ByColumn(name="patient"), ["1", "2", "3"], columns=columns)) == ["a", "b"]
    with pytest.raises(ConfigError, match="no column 'person' in the table; it has patient"):
        groups_of(ByColumn(name="person"), ["1", "2", "3"], columns=columns)
    with pytest.raises(ConfigError, match="column 'patient' is empty in 1 of 2 rows"):
        groups_of(ByColumn(name="patient"), ["1", "2"], columns={"patient": ["a", ""]})


def test_groups_that_are_the_classes_are_refused():
    with pytest.raises(ConfigError, match="all files of a class are in one group, such as 'cat'"):
        groups_of(ByFolder(level=1), ["cat/1", "cat/2", "dog/1"], [0, 0, 1])


# Splits


def grouped(sizes, num_classes, mixed=True):
    """Examples in groups of these sizes, of all classes in turn or of one class each."""
    groups = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
    labels = (np.arange(len(groups)) if mixed else groups) % num_classes
    return Examples(np.zeros((len(groups), 1, 1, 1), np.uint8), labels.astype(np.int32), groups=groups)


@pytest.mark.parametrize(
    ("sizes", "mixed", "count", "expected"),
    [
        ([10] * 40, True, 80, 80),
        ([10] * 40, True, 81, 80),
        ([10] * 20, False, 40, 50),  # one group of each class
        ([100, *[5] * 40, *[1] * 50], True, 70, 70),
        ([10] * 5, True, 5, 10),  # ties and classes that would be absent are held out, up to twice the count
    ],
)
def test_groups_are_not_divided_and_classes_keep_their_shares(sizes, mixed, count, expected):
    examples = grouped(sizes, 5, mixed)
    rest, held_out = split(examples, count)
    assert not {*rest.groups} & {*held_out.groups}
    assert len(rest) + len(held_out) == len(examples)
    assert len(held_out) == expected
    assert np.ptp(np.bincount(held_out.labels, minlength=5)) <= 2


def test_without_groups_the_split_is_that_of_single_examples():
    examples = grouped([1] * 100, 5)
    assert len(split(examples, 20)[1]) == 20
    ungrouped = Examples(examples.images, examples.labels)
    assert split(ungrouped, 20)[1].groups is None


@pytest.mark.parametrize(
    ("sizes", "count", "message"),
    [
        ([40, 60], 10, "data.validation: 10 of 100 examples, but the smallest of 2 groups of data.group has 40; try --set data.validation=0.4"),
        ([100], 10, "data.validation: 10 of 100 examples, which are one group of data.group and cannot be divided"),
    ],
)  # fmt: skip
def test_groups_that_are_too_large_for_a_split_are_refused(sizes, count, message):
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        split(grouped(sizes, 2), count, "data.validation")


def test_the_proposed_share_can_be_split():
    assert [len(part) for part in split(grouped([40, 60], 2), 40)] == [60, 40]


@pytest.fixture
def people(data_dir):
    """Ten people, each with three images of a cat and three of a dog."""
    for person in range(10):
        for number in range(6):
            name = "cat" if number < 3 else "dog"
            write_image(data_dir / f"pets/{name}/p{person}_{number}.png", 20 * person + number)


def test_no_group_of_a_folder_is_in_two_splits(people):
    dataset = load(folder_spec(group="^(p[0-9])_", validation="auto", test=0.2))
    people_of = {name: {file.split("/")[1][:2] for file in part.files} for name, part in dataset.splits().items()}
    assert {name: len(found) for name, found in people_of.items()} == {"train": 7, "validation": 1, "test": 2}
    assert len(set.union(*people_of.values())) == 10
    assert dataset.group_names == tuple(f"p{number}" for number in range(10))
    assert "data.group: 10 groups, none divided by a split: 7 in train, 1 in validation and 2 in test" in dataset.origin.notes  # fmt: skip
    assert fingerprint(dataset) != fingerprint(load(folder_spec(validation="auto", test=0.2)))


def test_limits_folds_and_classes_keep_groups_apart(people):
    for options in ({"limit": 8}, {"train_sizes": [10]}, {"classes": ["dog", "cat"]}, {"fold": {"number": 1, "of": 3}}):
        dataset = load(folder_spec(group="^(p[0-9])_", validation=0.2, **{"test": 0.2, **options}))
        parts = [{*part.groups.tolist()} for part in dataset.splits().values()]
        assert sum(map(len, parts)) == len(set.union(*parts))


def test_a_split_much_larger_than_requested_is_a_warning(people):
    remarks = load(folder_spec(group="^(p[0-9])_", validation=4, test=0.2)).origin.warnings
    assert [remark.text for remark in remarks] == [
        "validation: 6 examples, not the 4 of data.validation, since groups are not divided"
    ]


def test_groups_in_two_given_splits_are_a_warning(data_dir):
    for place in ("train/cat/p1_1", "train/cat/p2_1", "train/dog/p3_1", "train/dog/p2_2", "test/cat/p1_2"):
        write_image(data_dir / f"pets/{place}.png")
    (remark,) = load(folder_spec(group="(p.)", validation=0)).origin.warnings
    assert remark.kind == "leak"
    assert remark.text.startswith("1 group of data.group in train and in test (p1), so test results are biased")


def test_a_class_in_one_group_only_is_a_warning(data_dir):
    for place in ("cat/p1_1", "cat/p2_1", "cat/p3_1", "dog/p3_1", "dog/p3_2"):
        write_image(data_dir / f"pets/{place}.png")
    texts = [remark.text for remark in load(folder_spec(group="(p.)", validation=0, test=1)).origin.warnings]
    assert "all examples of dog are in one group, and therefore in one split" in texts
