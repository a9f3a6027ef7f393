import json
import re

import pytest
import tensorflow as tf

from tests.conftest import assert_one_line, run_cnnlab

NO_GPU = not tf.config.list_physical_devices("GPU")
DENSE = "model.layers=[flatten, {dense: {units: 16, activation: relu}}, {dense: 10}]"


def record_of(tmp_path, name="tiny-1"):
    return json.loads((tmp_path / "runs" / name / "run.json").read_text())


def test_devices_option_splits_the_cpu_and_gives_the_same_numbers(cnnlab, tiny, trained, tmp_path):
    done = cnnlab("train", tiny, "--devices", "2")
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[0].endswith("resident; on CPU:0, CPU:1")
    record, one = record_of(tmp_path), record_of(trained)
    assert record["status"] == "finished"
    assert record["experiment"]["train"]["devices"] == 2
    assert record["devices"]["strategy"] == "MirroredStrategy"
    assert (record["devices"]["workers"], record["devices"]["replicas"]) == (1, 2)
    assert record["devices"]["devices"] == ["CPU:0", "CPU:1"]
    for key in ("loss", "accuracy", "val_loss", "val_accuracy", "test_loss", "test_accuracy"):
        assert record["results"][key] == pytest.approx(one["results"][key], rel=1e-5)
    again = cnnlab("evaluate", "runs/tiny-1", "--format", "json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["accuracy"] == record["results"]["test_accuracy"]


def test_cpu_can_be_requested_and_an_empty_tf_config_is_ignored(tiny, tmp_path):
    done = run_cnnlab("train", tiny, "--epochs", "1", "--devices", "cpu", cwd=tmp_path, env={"TF_CONFIG": ""})
    assert done.returncode == 0, done.stderr
    assert re.search(r"resident; on CPU:0(, 1 thread)?\n", done.stderr), done.stderr
    record = record_of(tmp_path)
    assert record["experiment"]["train"]["devices"] == "cpu"
    assert (record["devices"]["workers"], record["devices"]["replicas"]) == (1, 1)


@pytest.mark.skipif(not NO_GPU, reason="there is a GPU")
def test_a_missing_gpu_is_an_error(cnnlab, tiny, tmp_path):
    done = cnnlab("train", tiny, "--devices", "gpu")
    assert_one_line(done, 2, "train.devices: gpu: TensorFlow finds no GPU here", "`auto`")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    "devices",
    ["3x", "0", "-1", "1.5", "", "GPU", "two", "1025", "true", "²", "٣x", "9" * 5000],
    ids=lambda devices: devices[:10],
)
def test_invalid_devices_are_an_error(cnnlab, tiny, tmp_path, devices):
    done = cnnlab("train", tiny, f"--devices={devices}")
    assert_one_line(done, 2, "train.devices: expected 'auto', 'cpu', 'gpu' or a number of devices, 1 to 1024")
    assert not (tmp_path / "runs").exists()


def test_an_invalid_precision_is_an_error(cnnlab, tiny):
    assert_one_line(cnnlab("train", tiny, "--precision", "bfloat16"), 2, "--precision bfloat16", "'mixed_bfloat16'")


def test_an_option_and_set_for_the_same_key_are_an_error(cnnlab, tiny):
    done = cnnlab("train", tiny, "--devices", "cpu", "--set", "train.devices=2")
    assert_one_line(done, 2, "--devices cpu", "--set train.devices=2")


def test_xla_with_max_pooling_is_rejected(cnnlab, tiny, tmp_path):
    done = cnnlab("train", tiny, "--set", "train.jit=on")
    assert_one_line(done, 2, "train.jit=on", "max pooling")
    assert not (tmp_path / "runs").exists()


def test_a_network_without_pooling_is_compiled_with_xla_and_trained(cnnlab, tiny, tmp_path):
    # The last batch has one example: the shares of the replicas have other shapes.
    options = ("--set", DENSE, "--set", "data.limit=193")
    for number, (jit, devices) in enumerate((("off", "1"), ("on", "2"), ("on", "1")), start=1):
        done = cnnlab("train", tiny, "--set", f"train.jit={jit}", *options, "--devices", devices)
        assert done.returncode == 0, done.stderr
        assert done.stderr.splitlines()[0].endswith(", compiled by XLA") == (jit == "on")
        assert record_of(tmp_path, f"tiny-{number}")["experiment"]["train"]["jit"] == jit
    plain, *compiled = (record_of(tmp_path, f"tiny-{number}")["results"] for number in (1, 2, 3))
    for results in compiled:
        assert results["loss"] == pytest.approx(plain["loss"], rel=1e-4)
        assert results["test_loss"] == pytest.approx(plain["test_loss"], rel=1e-4)


def test_a_malformed_tf_config_is_a_one_line_error(cnnlab, tiny, tmp_path):
    # A strategy is created once per process, so no other test may use this setting.
    done = cnnlab(
        "train", tiny, "--devices=cpu", TF_CONFIG='{"cluster": {"ps": ["a:1"]}, "task": {"type": "ps", "index": 0}}'
    )
    assert_one_line(done, 2, "TF_CONFIG: ")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("devices", [1, 2])
def test_a_batch_of_one_does_not_break_a_projection(devices, tmp_path):
    """oneDNN's gradient by a strided 1x1 kernel corrupts memory for a batch of one, as of TensorFlow 2.21."""
    (tmp_path / "projection.yaml").write_text(
        """\
data: {name: synthetic, image_shape: [28, 28, 4], num_classes: 3, train_examples: 41, test_examples: 9, validation: 0}
model:
  layers:
    - residual: {layers: [{conv2d: {filters: 6, kernel_size: 3, strides: 2, padding: same}}], shortcut: projection}
    - global_avg_pool2d
    - dense: 3
train: {epochs: 20, batch_size: 2}
"""
    )
    done = run_cnnlab("train", "projection.yaml", "--devices", devices, "--quiet", "--no-test", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
