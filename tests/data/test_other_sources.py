"""Synthetic pictures, CIFAR-10's binary files and headerless files."""

import numpy as np
import pytest

from cnnlab.data import cifar10, load
from cnnlab.errors import DataError
from cnnlab.experiment.data import Cifar10, Raw, Synthetic
from cnnlab.models.inference import to_input
from tests.conftest import needs_cifar10


def test_synthetic_pictures_are_seeded_balanced_and_of_the_shape_asked_for():
    data = Synthetic(name="synthetic", image_shape=[5, 7, 3], num_classes=4, train_examples=41, test_examples=8)
    dataset = load(data)
    assert dataset.image_shape == (5, 7, 3)
    assert dataset.num_classes == 4
    assert (len(dataset.train) + len(dataset.validation), len(dataset.test)) == (41, 8)
    assert np.bincount(dataset.test.labels).tolist() == [2, 2, 2, 2]
    assert dataset.fingerprint() == load(data).fingerprint()
    assert dataset.train.images.dtype == np.uint8


def test_synthetic_pictures_can_be_learned():
    dataset = load(Synthetic(name="synthetic", validation=0, noise=0.8))
    means = np.stack([dataset.train.images[dataset.train.labels == label].mean(axis=0) for label in range(10)])
    distances = ((dataset.test.images[:, None] - means) ** 2).sum(axis=(2, 3, 4))
    assert (distances.argmin(axis=1) == dataset.test.labels).mean() > 0.95


def test_all_noise_leaves_nothing_to_learn_and_none_leaves_only_patterns():
    images = load(Synthetic(name="synthetic", noise=0.0, num_classes=2, validation=0)).train.images
    assert len(np.unique(images.reshape(len(images), -1), axis=0)) == 2
    assert float(to_input(images).numpy().max()) <= 1


@pytest.fixture
def cifar_folder(tmp_path, monkeypatch):
    """Six small files in CIFAR-10's binary format: a byte of label, then the planes."""
    monkeypatch.setenv("CNNLAB_DATA_DIR", str(tmp_path))
    folder = tmp_path / cifar10.FOLDER
    folder.mkdir()
    random = np.random.default_rng(0)
    for name in (*cifar10.TRAIN_FILES, *cifar10.TEST_FILES):
        records = random.integers(0, 256, (4, 3073), dtype=np.uint8)
        records[:, 0] %= 10
        records.tofile(folder / name)
    return folder


def test_cifar10_is_read_plane_by_plane(cifar_folder):
    dataset = load(Cifar10(name="cifar10", validation=0))
    assert len(dataset.train) == 20
    assert dataset.class_names[6] == "frog"
    record = np.fromfile(cifar_folder / "test_batch.bin", np.uint8)[:3073]
    assert dataset.test.labels[0] == record[0]
    assert dataset.test.images[0, 2, 5].tolist() == [record[1 + plane * 1024 + 2 * 32 + 5] for plane in range(3)]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "cannot be read: No such file"),
        (lambda path: path.write_bytes(b""), "damaged: 0 bytes, expected a multiple of 3,073"),
        (lambda path: path.write_bytes(bytes(3074)), "damaged: 3,074 bytes"),
        (lambda path: path.write_bytes(bytes([11]) + bytes(3072)), "has a label 11; CIFAR-10's are 0 to 9"),
    ],
)
def test_a_damaged_cifar10_is_named(cifar_folder, damage, message):
    damage(cifar_folder / "data_batch_3.bin")
    with pytest.raises(DataError) as caught:
        load(Cifar10(name="cifar10"))
    assert "data_batch_3.bin" in str(caught.value)
    assert message in str(caught.value)


def test_a_missing_cifar10_says_where_it_belongs(tmp_path, monkeypatch):
    monkeypatch.setenv("CNNLAB_DATA_DIR", str(tmp_path))
    with pytest.raises(DataError, match=r"no folder .*cifar-10-batches-bin; unpack the binary version"):
        load(Cifar10(name="cifar10"))


@needs_cifar10
def test_the_real_cifar10_has_its_sizes():
    dataset = load(Cifar10(name="cifar10", validation=5000))
    assert [len(split) for split in dataset.splits().values()] == [45_000, 5_000, 10_000]
    assert np.bincount(dataset.test.labels).tolist() == [1000] * 10
    assert 100 < dataset.train.images.mean() < 140


FILES = {"train_images": "a", "train_labels": "b", "test_images": "c", "test_labels": "d"}


@pytest.fixture
def raw(tmp_path, monkeypatch):
    """Faces as the Idemia lecture has them, 6 to train on and 2 to test, and what describes them."""
    monkeypatch.setenv("CNNLAB_DATA_DIR", str(tmp_path))
    random = np.random.default_rng(0)
    for size, images, labels in ((6, "a", "b"), (2, "c", "d")):
        random.integers(0, 256, (size, 48, 48), dtype=np.uint8).tofile(tmp_path / images)
        np.eye(2, dtype=np.float32)[np.arange(size) % 2].tofile(tmp_path / labels)
    return {
        "name": "raw",
        "image_shape": [48, 48, 1],
        "num_classes": 2,
        "label_format": "one_hot_float32",
        "validation": 0,
        **FILES,
    }


def test_raw_files_are_pixels_and_one_hot_labels(raw, tmp_path):
    dataset = load(Raw(**raw))
    assert dataset.train.images.shape == (6, 48, 48, 1)
    assert dataset.train.labels.tolist() == [0, 1, 0, 1, 0, 1]
    pixels = np.fromfile(tmp_path / "a", np.uint8)
    assert dataset.train.images[1, 2, 3, 0] == pixels[48 * 48 + 2 * 48 + 3]


def test_raw_labels_can_be_bytes(raw, tmp_path):
    np.array([1, 1, 0, 0, 1, 0], np.uint8).tofile(tmp_path / "b")
    np.array([0, 1], np.uint8).tofile(tmp_path / "d")
    assert load(Raw(**{**raw, "label_format": "uint8"})).train.labels.tolist() == [1, 1, 0, 0, 1, 0]


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("a", b"", "0 bytes; images of this shape take a multiple of 2,304"),
        ("a", bytes(2305), "2,305 bytes; images of this shape take a multiple of 2,304"),
        ("a", bytes(2304), "6 labels for the 1 images of a"),
        ("b", bytes(9), "9 bytes; labels of 2 float32 take a multiple of 8"),
        ("b", np.full((6, 2), 0.5, np.float32).tobytes(), "not one-hot"),
        ("b", np.full((6, 2), np.nan, np.float32).tobytes(), "not one-hot"),
        ("c", None, "raw: no file c in "),
    ],
)
def test_damaged_raw_files_are_named(raw, tmp_path, file, content, message):
    (tmp_path / file).unlink()
    if content is not None:
        (tmp_path / file).write_bytes(content)
    with pytest.raises(DataError) as caught:
        load(Raw(**raw))
    assert message in str(caught.value)


def test_a_raw_label_beyond_the_classes_is_named(raw, tmp_path):
    np.array([1, 1, 0, 0, 1, 2], np.uint8).tofile(tmp_path / "b")
    with pytest.raises(DataError, match="has a label 2; with 2 classes they end before that"):
        load(Raw(**{**raw, "label_format": "uint8"}))
