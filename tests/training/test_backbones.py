"""Training on networks of `keras.applications`, with weights from files that a mirror serves or a folder has."""

import hashlib
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import h5py
import keras
import numpy as np
import pytest
from keras.src.legacy.saving import legacy_h5_format

from cnnlab.config.load import load_file
from cnnlab.data import backbones
from cnnlab.errors import Interrupted
from cnnlab.models import weights
from cnnlab.runs import Run
from cnnlab.runs.record import without_place
from cnnlab.training.resume.plan import plan
from cnnlab.training.tasks import NewRun
from cnnlab.training.train import train
from tests.training.resume.test_exact_resume import interrupt_after, metrics_without_seconds

EXPERIMENT = """\
data: {name: synthetic, image_shape: [32, 32, 3], num_classes: 3, train_examples: 40, test_examples: 8, validation: 8}
model: {layers: [{backbone: {name: mobilenet_v2%s}}, global_avg_pool2d, {dense: 3}]}
train: {epochs: 2, batch_size: 16}
"""


def write(folder, options=""):
    path = folder / "x.yaml"
    path.write_text(EXPERIMENT % options)
    return path


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder."""

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A file in the format of those that Keras publishes, with random weights, and the weights by their names."""
    model = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(96, 96, 3))
    folder = tmp_path_factory.mktemp("mirror")
    path = folder / backbones.PUBLISHED["mobilenet_v2"].path
    path.parent.mkdir()
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, model)
    return folder, path, {f"backbone_0/{name}": weight.numpy() for name, weight in weights.named(model).items()}


def test_a_frozen_backbone_keeps_the_weights_of_its_file(published, cnnlab, tmp_path):
    _, path, arrays = published
    config = write(tmp_path, f", weights: {path}, freeze: true")
    code, _, err = cnnlab("train", config, "--seeds", 2)
    assert code == 0, err
    assert err.count(f"backbone_0: mobilenet_v2 starts from {path}; frozen") == 2
    assert "preprocessing.scale" not in err  # what the hint about the scale of the input proposes
    for run in (Run(tmp_path / "runs/x-1"), Run(tmp_path / "runs/x-2")):
        found = weights.read(run.weights)
        assert found.keys() == {*arrays, "dense_2/kernel", "dense_2/bias"}
        for name, array in arrays.items():
            np.testing.assert_array_equal(found[name], array)
    recorded = load_file(run.config).model.layers[0]
    assert recorded.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert "3,843 trainable, 2,257,984 not" in cnnlab("describe", config)[1]
    assert cnnlab("verify", run.path)[0] == 0
    for arguments in (["evaluate", run.path], ["look", run.path, "--what", "layers"]):
        code, _, err = cnnlab(*arguments)
        assert code == 0, err


def test_imagenet_weights_are_downloaded_once_and_checked(published, cnnlab, tmp_path, monkeypatch):
    folder, path, _ = published
    genuine = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    entry = backbones.PUBLISHED["mobilenet_v2"]
    handler = partial(Quiet, directory=folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        where = {"CNNLAB_MIRROR": f"http://127.0.0.1:{server.server_port}/", "CNNLAB_DATA_DIR": str(tmp_path / "data")}
        online = {**where, "CNNLAB_OFFLINE": ""}
        config = write(tmp_path, ", weights: imagenet, freeze: true")
        monkeypatch.setattr(backbones, "BASE", "http://127.0.0.1:9/")
        monkeypatch.setitem(backbones.PUBLISHED, "mobilenet_v2", backbones.Published(entry.path, "0" * 32))
        code, _, err = cnnlab("train", config, "-q", **online)
        assert code != 0
        assert "not the genuine file (its content differs)" in err
        assert f"into {tmp_path / 'data/keras-applications'}" in err
        assert len(err.splitlines()) == 1
        monkeypatch.setitem(backbones.PUBLISHED, "mobilenet_v2", backbones.Published(entry.path, genuine))
        assert cnnlab("train", config, "-q", **online)[0] == 0
        server.shutdown()
    assert cnnlab("train", config, "-q", **where, CNNLAB_OFFLINE="1")[0] == 0


def test_without_a_network_the_error_says_where_to_put_the_file(cnnlab, tmp_path):
    config = write(tmp_path, ", weights: imagenet")
    code, _, err = cnnlab("train", config, CNNLAB_OFFLINE="1", CNNLAB_DATA_DIR=str(tmp_path / "data"))
    assert code != 0
    assert "CNNLAB_OFFLINE forbids downloads; put the file of https://storage.googleapis.com/" in err
    assert err.rstrip().endswith(f"into {tmp_path / 'data/keras-applications'}")
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("freeze", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_resumed_without_its_file_equals_uninterrupted(published, tmp_path, monkeypatch, freeze):
    copy = tmp_path / "copy.h5"
    copy.write_bytes(published[1].read_bytes())
    experiment = load_file(write(tmp_path, f", weights: copy.h5, freeze: {str(freeze).lower()}"))
    whole = train([NewRun(experiment, "whole")], tmp_path)[0].run
    interrupt_after(monkeypatch, 2)
    with pytest.raises(Interrupted):
        train([NewRun(experiment, "resumed")], tmp_path)
    copy.unlink()
    interrupt_after(monkeypatch, None)
    resumed = Run(tmp_path / "resumed")
    train([plan(resumed)], tmp_path)
    assert metrics_without_seconds(resumed) == metrics_without_seconds(whole)
    assert resumed.weights.read_bytes() == whole.weights.read_bytes()


PROBLEMS = {
    ", weights: none.h5": "weights: none.h5: no such file",
    ", weights: x.yaml": "not weights of this network",
    f", weights: x.yaml, sha256: {64 * '0'}": "expected 0000",
    f", sha256: {64 * '0'}": "sha256 has no effect without weights",
}


@pytest.mark.parametrize("options", PROBLEMS)
def test_a_wrong_file_is_an_error_of_one_line(cnnlab, tmp_path, options):
    code, _, err = cnnlab("train", write(tmp_path, options), "-q")
    assert code == 2
    assert PROBLEMS[options] in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").iterdir())


def test_a_backbone_comes_first_and_takes_pixels_as_they_are(cnnlab, tmp_path):
    config = write(tmp_path)
    _, out, err = cnnlab("validate", config, "--set", "preprocessing.scale=minus_one_one")
    assert "preprocessing.scale: minus_one_one, and mobilenet_v2 scales pixels itself; expected zero_one" in out + err
    _, out, err = cnnlab(
        "validate", config, "--set", "model.layers=[{rescale: 2}, {backbone: resnet50}, flatten, {dense: 3}]"
    )
    assert "model.layers[1].backbone: expected as the first layer" in out + err
    _, out, err = cnnlab("validate", config, "--set", "data.image_shape=[31, 32, 3]")
    assert "expected colour images of at least 32×32×3, got (31, 32, 3)" in out + err


def test_experiments_differ_by_the_content_of_the_file_and_not_by_its_place():
    def plain(path, digit):
        first = {"backbone": {"name": "resnet50", "weights": path, "sha256": 64 * digit}}
        return without_place({"model": {"layers": [first, "flatten"]}})

    assert plain("/here/x.h5", "a") == plain("/there/x.h5", "a") != plain("/here/x.h5", "b")
    assert plain("/here/x.h5", "a")["model"]["layers"][0]["backbone"]["weights"] == "x.h5 (aaaaaaaa)"
