import numpy as np
import pytest
from pydantic import TypeAdapter

from cnnlab.data import faces as drawing
from cnnlab.data import load
from cnnlab.data.faces import NAMES, faces, write
from cnnlab.errors import RequestError
from cnnlab.experiment.data import Data

RAW = {
    "name": "raw",
    "image_shape": [48, 48, 1],
    "num_classes": 2,
    "label_format": "one_hot_float32",
    "train_images": "train_images.bin",
    "train_labels": "train_labels.bin",
    "test_images": "test_images.bin",
    "test_labels": "test_labels.bin",
    "validation": 0,
}


def test_files_have_the_format_of_the_lecture(tmp_path, monkeypatch):
    monkeypatch.setenv("CNNLAB_DATA_DIR", str(tmp_path))
    paths = write(tmp_path, 30, 10, seed=0)
    assert [path.name for path in paths] == list(NAMES)
    assert (tmp_path / "train_images.bin").stat().st_size == 30 * 2304
    assert np.fromfile(tmp_path / "test_labels.bin", "<f4").reshape(10, 2).sum(axis=0).tolist() == [5, 5]
    dataset = load(TypeAdapter(Data).validate_python(RAW))
    assert dataset.train.images.shape == (30, 48, 48, 1)
    assert sorted(dataset.train.labels) == [0] * 15 + [1] * 15
    with pytest.raises(RequestError, match=r"train_images\.bin: exists, and is not overwritten"):
        write(tmp_path, 30, 10, seed=0)


def test_faces_are_determined_by_the_seed(monkeypatch):
    monkeypatch.setattr(drawing, "CHUNK", 20)
    first, again, other = (faces(43, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert first[0].shape == (43, 48, 48)
    assert (first[0] == again[0]).all()
    assert (first[1] == again[1]).all()
    assert (first[0] != other[0]).any()
    assert abs(int(first[1].sum()) - 21) <= 1


def test_classes_differ_and_overlap():
    """A nearest-mean classifier is better than chance and not perfect."""
    images, labels = faces(3000, np.random.default_rng(0))
    flat = images.reshape(3000, -1).astype(float)
    means = [flat[:2000][labels[:2000] == label].mean(axis=0) for label in (0, 1)]
    predicted = np.argmin([((flat[2000:] - mean) ** 2).sum(axis=1) for mean in means], axis=0)
    assert 0.6 < (predicted == labels[2000:]).mean() < 0.95


def test_faces_are_written_where_the_gender_experiments_expect_them(cnnlab, tmp_path, monkeypatch):
    monkeypatch.setenv("CNNLAB_DATA_DIR", str(tmp_path))
    done = cnnlab("data", "faces", "--train", 600, "--test", 100)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [str(tmp_path / "gender" / name) for name in NAMES]
    done = cnnlab("data", "info", "gender-cnn", "--format", "json")
    assert done.returncode == 0, done.stderr
