"""`export`: every format, compared in its runtime, and what is left where that fails."""

import json
import os
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from cnnlab import data
from cnnlab.config.load import load_file
from cnnlab.errors import DataError
from cnnlab.export import export as exporting
from cnnlab.export import proof, targets
from cnnlab.export.targets import Format
from cnnlab.models import build
from cnnlab.runs import Run
from tests.conftest import assert_one_line, invoke

EVERY_KIND = """\
name: every-kind
extends: tiny.yaml
preprocessing: {zero_padding: 1, scale: standardize}
model:
  layers:
    - separable_conv2d: {filters: 8, kernel_size: 3, strides: 2, activation: relu}
    - batch_norm
    - depthwise_conv2d: {kernel_size: 3, padding: same}
    - channel_max_pool: 2
    - parallel:
        - [{conv2d: {filters: 2, kernel_size: 1}}]
        - [{max_pool2d: {pool_size: 3, strides: 1, padding: same}}]
    - residual: {layers: [{conv2d: {filters: 8, kernel_size: 3, padding: same}}], shortcut: pad}
    - avg_pool2d: {pool_size: 2, padding: same}
    - {activation: elu}
    - parallel: [[global_avg_pool2d], [global_max_pool2d], [flatten]]
    - dense: 10
train: {epochs: 1, precision: mixed_bfloat16}
"""
RUN = "runs/tiny-1"


@pytest.fixture(scope="module")
def experiments(tmp_path_factory, trained):
    """A folder with the tiny run, and one of a network of every kind of layer, in bfloat16."""
    folder = tmp_path_factory.mktemp("experiments")
    shutil.copytree(trained, folder, dirs_exist_ok=True)
    (folder / "every.yaml").write_text(EVERY_KIND)
    done = invoke("train", "every.yaml", "--name", "every-kind", "--quiet", cwd=folder)
    assert done.returncode == 0, done.stderr
    (folder / "runs/every-kind").rename(folder / "runs/every kind")
    return folder


@pytest.fixture
def folder(experiments, tmp_path):
    """A copy without exports."""
    return shutil.copytree(experiments, tmp_path / "copy")


@pytest.fixture
def export(folder):
    """`cnnlab export RUN --to FORMAT OPTIONS`."""
    return lambda to, *options, run=RUN: invoke("export", run, "--to", to, *options, cwd=folder)


def exported(done):
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def metadata_within(path, to):
    """The metadata in the file itself, where its format has a place for them."""
    match to:
        case Format.ONNX:
            import onnx

            return {entry.key: entry.value for entry in onnx.load(path).metadata_props}
        case Format.SAVEDMODEL:
            return json.loads(tf.saved_model.load(path).metadata()["json"].numpy())


@pytest.mark.parametrize("to", Format)
def test_every_kind_of_layer_is_the_same_in_every_runtime(export, folder, tmp_path, to):
    done = export(to, "--format", "json", run="runs/every kind")
    report = exported(done)
    assert report["largest_difference"] < 1e-5
    assert report["equal_labels"] == 1
    assert report["accuracy"] == pytest.approx(report["accuracy_of_run"], abs=0.02)
    assert report["accuracy_interval"][0] < 0 < report["accuracy_interval"][1]
    assert report["precision_of_run"] == "mixed_bfloat16"
    assert report["largest_difference_of_run"] > 1e-5  # of bfloat16
    assert report == json.loads((folder / f"runs/every kind/export/{to}.json").read_text())

    network = folder / report["file"]
    metadata = json.loads((folder / report["metadata"]).read_text())
    assert (
        metadata["weights_sha256"] == sha256((folder / "runs/every kind/weights.safetensors").read_bytes()).hexdigest()
    )
    assert metadata["classes"] == list("0123456789")
    assert metadata["preprocessing_inside"]["zero_padding"] == 1
    assert len(metadata["preprocessing_inside"]["mean"]) == 1
    within = metadata_within(network, to)
    assert within is None or within["weights_sha256"] == metadata["weights_sha256"]

    Image.fromarray(np.arange(40 * 30, dtype=np.uint8).reshape(40, 30)).save(tmp_path / "image.png")
    used = subprocess.run(
        [sys.executable, folder / report["script"], "image.png"], cwd=tmp_path, capture_output=True, text=True
    )
    predicted = invoke("predict", folder / "runs/every kind", "image.png", "--format", "json", cwd=tmp_path)
    (row,) = json.loads(predicted.stdout)
    path, label, probability = used.stdout.split()
    assert (path, label) == ("image.png", row["label"]), used.stderr
    assert float(probability) == pytest.approx(row["probability"], abs=0.02)  # predict computes in bfloat16


def test_float_images_are_taken_in_the_unit_interval(export, folder):
    report = exported(export("onnx", "--input", "float32", "--format", "json"))
    assert report["file"] == f"{RUN}/export/onnx-float32/tiny-1.onnx"
    assert report["largest_difference"] < 1e-5
    metadata = json.loads((folder / report["metadata"]).read_text())
    assert (metadata["input"]["dtype"], metadata["input"]["range"]) == ("float32", [0, 1])


def test_the_table_names_the_runtime_the_measures_and_the_files(export):
    done = export("onnx")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].split() == [RUN, "tiny-1.onnx"]
    for text in (
        "largest difference  0 ",
        "equal labels        1.0000",
        "accuracy +0.0000 to the run's",
        "ONNX Runtime 1",
    ):
        assert text in done.stdout
    assert done.stdout.splitlines()[-1] == f"exported: {RUN}/export/onnx/tiny-1.onnx, with tiny-1.json and use_it.py"


def test_scores_are_called_scores(export, folder):
    invoke("train", "tiny.yaml", "--name", "mse", "--epochs", 1, "--set", "train.loss=mse", "--quiet", cwd=folder)
    done = export("onnx", "--format", "json", run="runs/mse")
    assert exported(done)["output"] == "scores"
    assert "was not trained to give probabilities" in done.stderr
    assert 'model.run(["scores"]' in (folder / "runs/mse/export/onnx/use_it.py").read_text()


def test_a_quantized_network_is_calibrated_on_training_images(export, folder, monkeypatch):
    calibrated = []
    conversion = exporting.Conversion
    monkeypatch.setattr(exporting, "Conversion", lambda *given: calibrated.append(given[2]) or conversion(*given))
    whole = exported(export("litert", "--format", "json", run="runs/every kind"))
    done = export("litert", "--int8", "--format", "json", run="runs/every kind")
    report = exported(done)
    dataset = data.load(load_file(folder / "every.yaml").data)
    training = {image.tobytes() for image in dataset.train.images}
    images = np.round(calibrated[1] * 255).astype(np.uint8)
    assert {image.tobytes() for image in images} == training  # all 200, for there are fewer than 500
    assert report["calibration_images"] == len(dataset.train)
    assert report["bytes"] < whole["bytes"]
    assert report["equal_labels"] > 0.7  # of a network that is hardly trained
    assert report["largest_difference"] > whole["largest_difference"]
    assert "activation_7" in report["layers_in_float"]
    assert "avg_pool2d_6" not in report["layers_in_float"]
    assert "LiteRT has no integer operations for activation_7" in done.stderr


def test_pixels_of_a_quantized_network_are_taken_as_they_are(export, folder, monkeypatch):
    from ai_edge_litert.interpreter import Interpreter

    subset = exporting.subset
    half = lambda *given: data.Examples(subset(*given).images // 2 + 10, subset(*given).labels)  # noqa: E731
    monkeypatch.setattr(exporting, "subset", half)
    done = export("litert", "--int8", "--format", "json")
    (details,) = Interpreter(str(folder / exported(done)["file"])).get_input_details()
    assert details["quantization"] == (pytest.approx(1 / 255), 0)
    assert "no pixel is 0" in done.stderr
    assert "no pixel is 255" in done.stderr


@pytest.mark.parametrize("change", [1 / 254, 0.0])
def test_an_export_that_computes_otherwise_is_not_left(export, folder, monkeypatch, change):
    exported(export("onnx", "--format", "json"))
    kept = sorted(folder.joinpath(RUN, "export").rglob("*"))
    monkeypatch.setattr(keras.layers, "Rescaling", lambda _, **options: build.LAYERS["rescale"](change, **options))
    for options in ([], ["--out", "x.onnx"]):
        done = export("onnx", *options)
        assert_one_line(done, 1, "ONNX Runtime gives other results", "nothing was exported")
    assert sorted(folder.joinpath(RUN, "export").rglob("*")) == kept
    assert not list(folder.glob("*x.onnx*")) + list(folder.glob(".cnnlab*"))


class Unknown(keras.layers.Flatten):
    """A layer with an operation that the runtimes lack, and that Keras does not know."""

    def call(self, inputs):
        return super().call(tf.math.igamma(1.0 + tf.nn.relu(inputs), 1.0 + tf.nn.relu(inputs)))


@pytest.mark.parametrize("to", ["onnx", "litert", "keras"])
def test_the_layer_that_a_runtime_cannot_take_is_named(export, folder, monkeypatch, to):
    monkeypatch.setitem(build.LAYERS, "flatten", Unknown)
    done = export(to)
    assert_one_line(done, 1, f"{targets.FORMATS[Format(to)].runtime} cannot take layer flatten_2: ")
    assert not list(folder.joinpath(RUN).glob("export/*"))


def test_a_network_without_its_data_is_compared_on_other_images(export, monkeypatch):
    def gone(*_):
        raise DataError("digits: gone")

    monkeypatch.setattr(proof, "load_dataset", gone)
    done = export("onnx", "--format", "json")
    report = exported(done)
    assert (report["images"], report["count"], report["accuracy"]) == ("digits", 1437, None)
    assert report["largest_difference"] < 1e-5
    assert "note: digits: gone; compared on 1,437 images of digits instead" in done.stderr
    assert "accuracy" not in export("onnx").stdout
    monkeypatch.setattr(exporting, "load_dataset", gone)
    assert_one_line(export("litert", "--int8"), 1, "--int8: is calibrated on training images: digits: gone")


def test_comparing_is_a_use_of_the_test_set(export, folder):
    export("onnx")
    assert [use["by"] for use in Run(folder / RUN).record().test_uses] == ["train", "export"]


def test_a_run_that_leaves_the_test_set_alone_is_compared_on_validation_examples(export, folder):
    invoke("train", "tiny.yaml", "--name", "never", "--epochs", 1, "--no-test", "--quiet", cwd=folder)
    assert exported(export("onnx", "--format", "json", run="runs/never"))["images"] == "validation"
    assert list(Run(folder / "runs/never").record().test_uses) == []


def test_files_go_where_out_says_and_nothing_is_overwritten(export, folder):
    (folder / "away").mkdir()
    assert exported(export("onnx", "--out", "away/a b.onnx", "--format", "json"))["file"] == "away/a b.onnx"
    assert exported(export("litert", "--out", "away", "--format", "json"))["file"] == "away/tiny-1.tflite"
    names = ["a b.json", "a b.onnx", "tiny-1.json", "tiny-1.tflite", "use_it.py", "use_it_litert.py"]
    assert sorted(os.listdir(folder / "away")) == names
    assert_one_line(export("onnx", "--out", "away/a b.onnx"), 2, "away/a b.json exists; remove it")
    for script in ("use_it.py", "use_it_litert.py"):
        used = subprocess.run([sys.executable, folder / "away" / script], capture_output=True, text=True)
        assert used.returncode == 0, used.stderr


@pytest.mark.parametrize(
    ("to", "options", "parts"),
    [
        ("onnx", ["--int8"], ["--int8: quantizes for LiteRT, got the format onnx; try --to litert"]),
        ("onnx", ["--out", "x.pb"], ["--out x.pb: expected a name that ends in .onnx"]),
        ("litert", ["--out", "nowhere/x.tflite"], ["--out nowhere/x.tflite: there is no folder nowhere"]),
        ("litert", ["--out", "tiny.yaml/x.tflite"], ["there is no folder tiny.yaml"]),
        ("keras", ["--out", "use.keras"], ["use.json exists; remove it"]),
        ("savedmodel", ["--out", "tiny.yaml"], ["tiny.yaml exists"]),
        ("onyx", [], ["'onyx' is not one of 'keras', 'savedmodel', 'onnx', 'litert'"]),
    ],
)
def test_bad_requests_are_one_line(export, folder, to, options, parts):
    (folder / "use.json").touch()
    done = export(to, *options)
    assert_one_line(done, 2, *parts)


def test_a_target_that_cannot_be_written_is_one_line(export):
    done = export("onnx", "--out", "/proc/x.onnx")
    assert_one_line(done, 1, "/proc: cannot be written")


def test_an_extra_that_is_not_installed_is_one_line(export, monkeypatch):
    monkeypatch.setattr(targets.importlib.util, "find_spec", lambda name: None)
    for to in ("onnx", "litert"):
        done = export(to)
        assert_one_line(done, 2, f"--to {to}: needs ", f"pip install 'cnnlab[{to}]'")


def test_a_run_that_is_not_finished_is_one_line(export, folder):
    run = Run(folder / RUN)
    run.update({"status": "interrupted"})
    done = export("onnx")
    assert_one_line(done, 1, "has no final weights: its status is 'interrupted'")
    assert not Path(folder / RUN / "export").exists()
