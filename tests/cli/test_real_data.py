"""Real data sets, where `CNNLAB_DATA_DIR` contains them."""

import json

import numpy as np
import pytest

from cnnlab import data
from cnnlab.experiment.data import Cifar10, Folder
from tests.conftest import assert_one_line, needs_cifar10, needs_cifar10_folder, needs_mnist

# SHA-256 of the 60,000 and 10,000 published images and labels; changes only with the definition of the fingerprint.
MNIST_FINGERPRINT = "543b762ea4512aa9abb3bb39518a8311075589c0845d1d776463a5029d84fd0e"


@needs_mnist
def test_mnist_is_recognised_and_has_the_well_known_pixels(cnnlab):
    done = cnnlab("data", "info", "mnist", "--format", "json")
    measured = json.loads(done.stdout)
    assert done.stderr == ""
    assert measured["genuine"] is True
    assert measured["fingerprint"] == MNIST_FINGERPRINT
    assert measured["splits"]["train"]["pixels"]["mean"] == pytest.approx(
        [0.1307], abs=5e-5
    )  # as in the examples of torchvision
    assert measured["splits"]["train"]["pixels"]["std"] == pytest.approx([0.3081], abs=5e-5)
    assert cnnlab("data", "verify", "mnist").stdout == "mnist: 70,000 examples read: no problems\n"


@needs_cifar10
def test_a_variant_of_cifar10_is_named_and_trained_on(cnnlab, tmp_path):
    done = cnnlab("train", "cifar", "--limit", 500, "--epochs", 1, "--quiet")
    assert done.returncode == 0
    assert "cifar-10-batches-bin: a variant, not the genuine CIFAR-10: 6 of its 6 files differ" in done.stderr
    assert json.loads((tmp_path / "runs/cifar-1/run.json").read_text())["data"]["genuine"] is False


@needs_cifar10
def test_the_copies_in_cifar10_are_found(cnnlab):
    pairs = json.loads(cnnlab("data", "verify", "cifar10", "--format", "json").stdout)["pairs"]
    assert ("train", 36325, "test", 6919) in {
        (pair["split_1"], pair["index_1"], pair["split_2"], pair["index_2"]) for pair in pairs
    }
    assert 15 < len(pairs) < 30
    assert all(pair["same_label"] for pair in pairs)


@pytest.mark.slow
@needs_cifar10
@needs_cifar10_folder
def test_a_folder_of_60000_jpegs_has_the_images_of_the_binary_files_and_trains(cnnlab, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    spec = {"name": "folder", "path": "cifar10-folder", "image_size": 32, "num_classes": 10, "validation": 5000}
    images = data.load(Folder(**spec))
    assert {name: len(split) for name, split in images.splits().items()} == {
        "train": 45_000, "validation": 5_000, "test": 10_000,
    }  # fmt: skip
    binary = data.load(Cifar10(name="cifar10"))
    labelled = [
        sorted(map(bytes, np.hstack([test.digests, test.labels[:, None].astype(np.uint8)])))
        for test in (images.test, binary.test)
    ]
    assert labelled[0] == labelled[1]
    (tmp_path / "images.yaml").write_text(f"extends: cifar\ndata: {json.dumps(spec)}\n")
    done = cnnlab("train", "images.yaml", "--limit", 500, "--epochs", 1, "--format", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["train_examples"] == 500
    assert_one_line(cnnlab("data", "info", "images.yaml", "--set", "data.num_classes=9"), 1, "10 class folders")
