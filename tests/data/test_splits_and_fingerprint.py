"""Deterministic splits of examples, and fingerprints of data."""

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from cnnlab.config.load import load as load_experiment
from cnnlab.data import Dataset, Examples, load, read
from cnnlab.data.fingerprint import differences, fingerprint, record
from cnnlab.data.splits import fold_assignment, split
from cnnlab.errors import ConfigError, DataError
from cnnlab.experiment.data import Cifar100, Digits, FashionMnist, Idx, Synthetic
from cnnlab.models.inference import to_input
from tests.data.data_files import idx_bytes, write_mnist

# Of the default split; changes only with the data set or the definition of the fingerprint.
FINGERPRINT = "bf18bc6f557f0d0aaa70cc39fd2b29bc35fed278b4cbe4324c6cdb186427ae6c"


def digits(**options):
    return Digits(name="digits", **options)


def synthetic(**options):
    given = {"image_shape": [4, 4, 1], "num_classes": 4, "train_examples": 400, "test_examples": 40, **options}
    return Synthetic(name="synthetic", **given)


@pytest.fixture(scope="module")
def source():
    """All digits."""
    return read(digits())


@pytest.fixture
def uneven(data_dir):
    """5,000 examples of three classes, the smallest with one percent; the pixels encode the index."""
    labels = np.random.default_rng(0).choice(np.array([0, 1, 2], np.uint8), 5000, p=[0.9, 0.09, 0.01])
    images = np.arange(5000, dtype=">u4").view(np.uint8).reshape(5000, 2, 2)
    (data_dir / "a").write_bytes(idx_bytes(images))
    (data_dir / "b").write_bytes(idx_bytes(labels))
    given = {
        "name": "idx",
        "image_shape": [2, 2, 1],
        "num_classes": 3,
        "train_images": "a",
        "train_labels": "b",
        "test": 1000,
    }
    return lambda **options: Idx(**{**given, "validation": 0, **options})


def places(examples):
    """The indices of these images of `uneven`."""
    return np.ascontiguousarray(examples.images).reshape(len(examples), 4).view(">u4")[:, 0].tolist()


def counts(dataset):
    return {
        name: np.bincount(part.labels, minlength=dataset.num_classes).tolist()
        for name, part in dataset.splits().items()
    }


# Built-in data sets


def test_digits_have_the_image_shape_of_mnist_and_a_stratified_test_set(source):
    assert source.train.images.shape == (1437, 28, 28, 1)
    assert source.test.images.shape == (360, 28, 28, 1)
    assert source.train.images.dtype == np.uint8
    assert (source.train.images.min(), source.train.images.max()) == (0, 255)
    assert source.train.labels.dtype == np.int32
    assert set(np.bincount(source.test.labels)) <= {35, 36, 37}
    assert (len(source.train), len(source.test)) == digits().published_sizes()


def test_digits_are_the_same_on_every_machine():
    assert fingerprint(load(digits())) == FINGERPRINT


def test_synthetic_images_are_deterministic_balanced_and_of_the_requested_shape():
    data = synthetic(image_shape=[5, 7, 3], train_examples=41, test_examples=8)
    dataset = load(data)
    assert dataset.image_shape == (5, 7, 3)
    assert (len(dataset.train) + len(dataset.validation), len(dataset.test)) == (41, 8)
    assert counts(dataset)["test"] == [2, 2, 2, 2]
    assert dataset.train.images.dtype == np.uint8
    assert fingerprint(dataset) == fingerprint(load(data))


def test_synthetic_images_can_be_learned():
    dataset = load(Synthetic(name="synthetic", validation=0, noise=0.8))
    means = np.stack([dataset.train.images[dataset.train.labels == label].mean(axis=0) for label in range(10)])
    distances = ((dataset.test.images[:, None] - means) ** 2).sum(axis=(2, 3, 4))
    assert (distances.argmin(axis=1) == dataset.test.labels).mean() > 0.95


def test_without_noise_only_the_patterns_remain():
    images = load(synthetic(noise=0.0, num_classes=2, validation=0)).train.images
    assert len(np.unique(images.reshape(len(images), -1), axis=0)) == 2
    assert 0 < float(to_input(images).numpy().max()) <= 1


# Validation


def test_validation_is_held_out_and_no_example_is_lost(source):
    dataset = load(digits(validation=100))
    assert (len(dataset.train), len(dataset.validation)) == (1337, 100)
    together = np.concatenate([dataset.train.images, dataset.validation.images])
    assert sorted(map(bytes, together)) == sorted(map(bytes, source.train.images))
    assert np.ptp(np.bincount(dataset.validation.labels)) <= 1


@pytest.mark.parametrize(
    ("validation", "count"), [(0, None), (0.0, None), (1, 1), (0.25, 359), (0.5, 718), (1436, 1436), ("test", 360)]
)
def test_validation_is_a_count_a_fraction_none_or_the_test_set(validation, count):
    data = digits(validation=validation)
    dataset = load(data)
    assert (len(dataset.validation) if dataset.validation else None) == count
    assert len(dataset.train) == 1437 - (0 if validation in (0, "test") else count) == data.train_size()
    assert (dataset.validation is None) == data.holds_out_nothing()
    assert (dataset.validation is dataset.test) == (validation == "test")


@pytest.mark.parametrize("validation", [1437, 5000])
def test_more_validation_examples_than_data_are_rejected(validation):
    with pytest.raises(
        ConfigError, match=rf"data.validation: {validation:,} examples to hold out, but digits has 1,437"
    ):
        load(digits(validation=validation))


@pytest.mark.parametrize("seed", [0, 1])
def test_the_held_out_examples_do_not_depend_on_the_training_seed(tmp_path, seed):
    path = tmp_path / "x.yaml"
    path.write_text(
        f"name: x\nseed: {seed}\ndata: digits\nmodel: {{layers: [flatten, {{dense: 10}}]}}\ntrain: {{epochs: 1, batch_size: 8, optimizer: sgd}}\n"
    )
    experiment = load_experiment(str(path))
    assert experiment.seed == seed
    np.random.seed(seed)
    assert fingerprint(load(experiment.data)) == FINGERPRINT


def labelled(*sizes):
    """Examples of classes of these sizes in random order."""
    labels = np.random.default_rng(1).permutation(np.repeat(np.arange(len(sizes)), sizes)).astype(np.int32)
    return Examples(np.arange(len(labels), dtype=np.uint8).reshape(-1, 1, 1, 1), labels)


@pytest.mark.parametrize(
    ("sizes", "count", "expected"),
    [
        ((10, 12, 1), 5, [2, 3, 0]),  # one class is too small; the others are stratified
        ((10, 10, 1, 1), 4, [2, 2, 0, 0]),
        ((4, 1), 2, [2, 0]),
        ((1, 1, 1, 8), 4, [0, 0, 0, 4]),
        ((0, 6, 6), 4, [0, 2, 2]),
        ((40, 4, 4), 24, [20, 2, 2]),
    ],
)
def test_splits_are_stratified_where_possible_whatever_the_smallest_class(sizes, count, expected):
    rest, chosen = split(labelled(*sizes), count)
    assert np.bincount(chosen.labels, minlength=len(sizes)).tolist() == expected
    assert (np.bincount(chosen.labels, minlength=len(sizes)) + np.bincount(rest.labels, minlength=len(sizes))).tolist() == [*sizes]  # fmt: skip


@pytest.mark.parametrize("count", range(1, 12))
def test_fewer_examples_than_classes_are_spread_over_the_classes(count):
    _, chosen = split(labelled(*[5] * 12), count)
    assert sorted(np.bincount(chosen.labels).tolist(), reverse=True)[0] == 1
    assert len(chosen) == count


@pytest.mark.parametrize("count", range(50, 60))
def test_holding_out_nearly_all_examples_leaves_several_classes(count):
    rest, chosen = split(labelled(*[5] * 12), count)
    assert (len(rest), len(chosen)) == (60 - count, count)
    assert np.bincount(rest.labels).max() <= 2


def test_examples_of_a_single_example_class_are_held_out_last():
    rest, chosen = split(labelled(1, 1, 1, 2), 2)
    assert chosen.labels.tolist() == [3, 3]
    assert sorted(rest.labels.tolist()) == [0, 1, 2]
    assert len(split(labelled(1, 1, 1), 2)[1]) == 2


def test_examples_stay_in_their_original_order(uneven):
    dataset = load(uneven(validation=500, train_sizes=[2000]))
    for part in dataset.splits().values():
        assert places(part) == sorted(places(part))


def test_limit_selects_examples_of_every_split_and_class():
    full, limited = load(digits()), load(digits(limit=50))
    assert len(limited.splits()) == 3
    for name, examples in limited.splits().items():
        assert np.bincount(examples.labels).tolist() == pytest.approx([5] * 10, abs=1)
        assert {*map(bytes, examples.digests)} <= {*map(bytes, full.splits()[name].digests)}
    assert len(load(digits(limit=1000)).test) == 360


# Classes


@pytest.mark.parametrize("classes", [["3", "5", "1"], [3, 5, 1]])
def test_classes_are_selected_by_name_and_numbered_in_the_given_order(source, classes):
    dataset = load(digits(classes=classes, validation=0.2))
    assert dataset.class_names == ("3", "5", "1")
    assert dataset.num_classes == 3
    for number, label in enumerate([3, 5, 1]):
        np.testing.assert_array_equal(
            dataset.test.images[dataset.test.labels == number], source.test.images[source.test.labels == label]
        )
    total = np.isin(source.train.labels, [3, 5, 1]).sum()
    assert len(dataset.train) + len(dataset.validation) == total
    assert len(dataset.validation) == round(0.2 * total)
    assert dataset.train.labels.dtype == np.int32


def test_classes_of_the_validation_examples_are_selected_too(data_dir):
    dataset = load(synthetic(classes=["2", "0"], validation="test"))
    assert dataset.validation is dataset.test
    assert counts(dataset) == {"train": [100, 100], "validation": [10, 10], "test": [10, 10]}


def test_classes_have_the_names_of_their_data_set(data_dir):
    write_mnist(data_dir / "fashion_mnist")
    dataset = load(FashionMnist(name="fashion_mnist", validation=0, classes=["bag", "pullover"]))
    assert counts(dataset) == {"train": [4, 4], "test": [4, 4]}


@pytest.mark.parametrize("unknown", ["10", "three", "03"])
def test_an_unknown_class_is_reported_with_the_known_ones(unknown):
    with pytest.raises(ConfigError, match=f"data.classes: digits has no class '{unknown}'; it has 0, 1, 2, 3"):
        load(digits(classes=["3", unknown]))


def test_classes_without_examples_are_reported(data_dir):
    (data_dir / "a").write_bytes(idx_bytes(np.zeros((4, 2, 2), np.uint8)))
    for name, labels in (("b", [0, 1, 2, 3]), ("d", [0, 0, 1, 1])):
        (data_dir / name).write_bytes(idx_bytes(np.array(labels, np.uint8)))
    files = {"train_images": "a", "train_labels": "b", "test_images": "a", "test_labels": "d"}
    with pytest.raises(DataError, match="idx: no test examples of the classes 2 and 3"):
        load(Idx(name="idx", image_shape=[2, 2, 1], num_classes=4, validation=0, classes=[2, 3], **files))


def test_a_long_list_of_classes_is_shortened(monkeypatch):
    names = Cifar100(name="cifar100").class_names
    examples = Examples(np.zeros((2, 1, 1, 1), np.uint8), np.zeros(2, np.int32))
    monkeypatch.setattr(
        "cnnlab.data.read", lambda data: replace(read(digits()), train=examples, test=examples, class_names=names)
    )
    with pytest.raises(ConfigError, match=r"it has apple, .*, bowl, boy and 88 more$"):
        load(Cifar100(name="cifar100", classes=["bus", "tram"]))


# Training sizes


def test_a_smaller_training_set_is_a_subset_of_every_larger_one(uneven):
    subsets = [set(places(load(uneven(train_sizes=[size])).train)) for size in (10, 1000, 3000, 4000)]
    assert [len(each) for each in subsets] == [10, 1000, 3000, 4000]
    for smaller, larger in pairwise(subsets):
        assert smaller < larger


@pytest.mark.parametrize("size", [100, 1000, 3000])
def test_every_class_keeps_its_share_at_each_training_size(uneven, size):
    full, part = (counts(load(uneven(train_sizes=sizes)))["train"] for sizes in (None, [size]))
    for count, of_all in zip(part, full, strict=True):
        assert abs(count - size * of_all / sum(full)) <= 2


def test_training_sizes_do_not_change_validation_and_test(uneven):
    full, small = load(uneven(validation=300)), load(uneven(validation=300, train_sizes=[50]))
    assert places(small.validation) == places(full.validation)
    assert places(small.test) == places(full.test)
    assert set(places(small.train)) < set(places(full.train))


def test_several_training_sizes_are_separate_runs_and_rejected_when_loading():
    with pytest.raises(
        ConfigError,
        match=r"data.train_sizes: 2 sizes, which `cnnlab train` trains one run each.*--set 'data.train_sizes=\[100\]'",
    ):
        load(digits(train_sizes=[100, 1000]))


def test_a_training_size_larger_than_the_data_is_rejected():
    with pytest.raises(ConfigError, match=r"data.train_sizes: 1,338 examples, but digits has 1,337 training examples"):
        load(digits(validation=100, train_sizes=[1338]))
    assert len(load(digits(validation=100, train_sizes=[1337])).train) == 1337


# Fingerprints


@pytest.fixture(scope="module")
def base():
    return load(synthetic())


def with_train(base, **changes):
    return replace(base, train=replace(base.train, **changes))


def changed_pixel(base):
    images = base.train.images.copy()
    images[3, 2, 2, 0] ^= 1
    return with_train(base, images=images)


def changed_label(base):
    labels = base.train.labels.copy()
    labels[3] = (labels[3] + 1) % 4
    return with_train(base, labels=labels)


def reordered(base):
    return replace(base, train=base.train.take(np.arange(len(base.train))[::-1]))


def coloured(base):
    parts = {name: replace(part, images=np.repeat(part.images, 3, axis=-1)) for name, part in base.splits().items()}
    return replace(base, **parts)


OTHERS = {
    "pixels": (changed_pixel, ["train: other images"]),
    "labels": (changed_label, ["train: other labels"]),
    "pixels and labels": (lambda base: changed_pixel(changed_label(base)), ["train: other images and labels"]),
    "order": (reordered, ["train: the same examples in another order"]),
    "count": (lambda base: replace(base, train=base.train.take(slice(1, None))), ["train: 360 examples then, 359 now"]),
    "no validation": (lambda base: replace(base, validation=None), ["validation: some then, none now"]),
    "test set": (lambda base: replace(base, validation=base.test), ["validation: other images and labels"]),
    "shape": (coloured, ["images of 4×4×1 then, of 4×4×3 now", *(f"{part}: other images" for part in ("train", "validation", "test"))]),
    "two splits": (lambda base: replace(changed_label(base), test=base.test.take(slice(9))), ["train: other labels", "test: 40 examples then, 9 now"]),
    "number of classes": (lambda base: replace(base, class_names=(*base.class_names, "4")), ["4 classes then, 5 now"]),
    "order of classes": (lambda base: replace(base, class_names=("0", "2", "1", "3")), ["class 1 was 1, is 2"]),
}  # fmt: skip


def recorded(dataset):
    """As stored in run.json."""
    return json.loads(json.dumps(record(dataset)))


@pytest.mark.parametrize("what", OTHERS)
def test_changed_data_are_described(base, what):
    change, words = OTHERS[what]
    assert differences(recorded(base), recorded(change(base))) == words


def test_a_new_validation_set_is_described(base):
    assert differences(recorded(replace(base, validation=None)), recorded(base)) == ["validation: none then, some now"]


@pytest.mark.parametrize(
    "change",
    [
        lambda base: load(synthetic()),
        lambda base: replace(base, name="another"),
        lambda base: with_train(base, images=np.asfortranarray(base.train.images)),
        lambda base: with_train(base, labels=base.train.labels.astype(np.int64)),
    ],
    ids=["again", "name", "memory", "type of labels"],
)
def test_equal_data_give_no_difference(base, change):
    assert differences(recorded(base), recorded(change(base))) == []


def test_fingerprints_depend_on_pixels_labels_order_counts_and_splits(base):
    changes = [change for what, (change, _) in OTHERS.items() if "classes" not in what]
    assert len({fingerprint(base), *(fingerprint(change(base)) for change in changes)}) == 1 + len(changes)


def test_moving_an_image_to_another_split_changes_the_fingerprint():
    images = np.arange(6, dtype=np.uint8).reshape(6, 1, 1, 1)
    everything = Examples(images, np.zeros(6, np.int32))
    first, second = (
        Dataset("x", everything.take(slice(0, at)), everything.take(slice(at, 5)), everything.take(slice(5, 6)), ("0",))
        for at in (2, 3)
    )
    assert fingerprint(first) != fingerprint(second)


def test_a_record_describes_the_data(base):
    record = recorded(base)
    assert record["name"] == "synthetic"
    assert record["fingerprint"] == fingerprint(base)
    assert record["image_shape"] == [4, 4, 1]
    assert record["classes"] == ["0", "1", "2", "3"]
    assert {name: of_split["examples"] for name, of_split in record["splits"].items()} == {
        "train": 360,
        "validation": 40,
        "test": 40,
    }


# Folds


@pytest.mark.parametrize("with_groups", [False, True])
def test_every_class_has_the_same_share_of_every_fold(with_groups):
    labels = np.tile(np.arange(4, dtype=np.int32), 100)
    groups = np.arange(400, dtype=np.int32) // 8 if with_groups else None
    folds = fold_assignment(labels, groups, 5, seed=0)
    assert [np.bincount(labels[folds == fold]).tolist() for fold in range(5)] == [[20] * 4] * 5
    assert not np.array_equal(folds, fold_assignment(labels, groups, 5, seed=1))
    if groups is not None:
        assert all(len({*folds[groups == group]}) == 1 for group in range(50))


@pytest.mark.parametrize(("labels", "groups"), [([0, 1, 2, 3, 4], [0, 0, 1, 2, 3]), ([0, 0, 0, 1], None)])
def test_classes_smaller_than_the_number_of_folds_leave_no_fold_empty(labels, groups):
    folds = fold_assignment(np.array(labels), None if groups is None else np.array(groups), 4, seed=0)
    assert {*folds} == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("groups", "message"), [(None, "5 folds of 4 examples; .* one fold per example"), ([0, 0, 1, 1], "5 folds of 2 groups")]
)  # fmt: skip
def test_more_folds_than_there_is_to_divide_are_rejected(groups, message):
    with pytest.raises(ConfigError, match=message):
        fold_assignment(np.array([0, 1, 0, 1]), None if groups is None else np.array(groups), 5, seed=0)


def test_each_example_is_in_one_fold_and_validation_is_held_out_of_the_others(uneven):
    held_out = []
    for number in (1, 2, 3):
        dataset = load(uneven(fold={"number": number, "of": 3}, validation=0.1))
        train, validation, test = map(places, dataset.splits().values())
        assert {*train, *validation, *test} == {*places(dataset.pool)}
        assert len(train) + len(validation) + len(test) == 4000
        assert len(validation) == round(0.1 * (4000 - len(test)))
        held_out += test
    assert sorted(held_out) == sorted(places(load(uneven()).train))


def test_without_a_test_set_of_the_data_all_examples_are_divided_into_folds(uneven):
    dataset = load(uneven(fold={"number": 1, "of": 5}, test=0))
    assert len(dataset.pool) == 5000
    with pytest.raises(ConfigError, match="expected at least one"):
        load(uneven(test=0))


def test_folds_of_some_classes_are_of_their_examples_alone(uneven):
    dataset = load(uneven(fold={"number": 1, "of": 5}, test=0, classes=["0", "2"]))
    assert {*dataset.pool.labels.tolist()} == {0, 1}
    assert len(dataset.test) == pytest.approx(len(dataset.pool) / 5, abs=1)
