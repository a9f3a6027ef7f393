"""`describe`, `validate`, `show`, `schema` and `init`, and all features of experiment files in `train`."""

import csv
import json
from typing import NamedTuple

import numpy as np
import pytest

from cnnlab import terminal
from cnnlab.cli import main
from cnnlab.config import shipped
from cnnlab.config.json_schema import json_schema
from cnnlab.config.load import load
from cnnlab.config.reference import markdown
from tests.conftest import assert_one_line

DESCRIBED = """\
conv-pool: images of 28 × 28 × 1, float32

layer             output_shape  parameters  multiplications  additions  weight_memory  activation_memory  receptive_field
zero_padding2d_0  (30, 30, 1)            0                0          0            0 B          460.80 kB  1×1
conv2d_1          (28, 28, 4)           40           28,224     28,224          160 B            1.61 MB  3×3
max_pool2d_2      (14, 14, 4)            0                0          0            0 B          401.41 kB  4×4
flatten_3         (784,)                 0                0          0            0 B                0 B  28×28
dense_4           (10,)              7,850            7,840      7,840       31.40 kB            5.12 kB  28×28
total             (10,)              7,890           36,064     36,064       31.56 kB            2.47 MB  28×28

forward, one example: 36,064 multiplications, 36,064 additions; activations of a batch of 128: 2.47 MB
training, one epoch of 60,000 examples in 469 steps: 4.798e+09 multiplications, 4.798e+09 additions
"""


class Result(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def cnnlab(tmp_path, monkeypatch, capsys):
    """`cnnlab` in an empty folder, in this process; keywords add to the environment."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments, **environment):
        with monkeypatch.context() as patched:
            for name, value in {"COLUMNS": "100", "NO_COLOR": "1", **environment}.items():
                patched.setenv(name, value)
            terminal.stderr.cache_clear()  # it caches the stream and the width of its first call
            code = main([*map(str, arguments)])
            terminal.stderr.cache_clear()
        return Result(code, *capsys.readouterr())

    return run


def test_describe_prints_the_table(cnnlab):
    done = cnnlab("describe", "conv-pool", COLUMNS="200")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == DESCRIBED


def test_describe_in_numbers(cnnlab):
    described = json.loads(cnnlab("describe", "lenet", "--format", "json").stdout)
    assert [layer["parameters"] for layer in described["layers"]] == [156, 0, 2416, 0, 0, 48120, 10164, 850]
    assert described["parameters"] == 61706
    assert described["layers"][0]["output_shape"] == [28, 28, 6]
    rows = list(csv.DictReader(cnnlab("describe", "lenet", "--format", "csv").stdout.splitlines()))
    assert rows[-1]["layer"] == "total"
    assert rows[-1]["weight_memory"] == str(4 * 61706)
    assert cnnlab("describe", "lenet", "--format", "md").stdout.splitlines()[2].startswith("| layer ")


def test_describe_side_by_side(cnnlab):
    done = cnnlab("describe", "conv", "--compare", "mlp-mse", "--weights-only")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[0] == ["mlp-mse", "conv", "change"]
    assert ["forward_multiplications", "315,218", "59,584", "-81.1", "%"] in lines
    assert ["weight_memory", "1.26", "MB", "125.58", "kB", "-90.0", "%"] in lines
    rows = json.loads(cnnlab("describe", "conv-pool", "--compare", "conv", "--format", "json").stdout)
    (row,) = (row for row in rows if row["quantity"] == "forward_multiplications")
    assert row == {"quantity": "forward_multiplications", "other": 59584, "this": 36064, "change": 36064 / 59584 - 1}


def test_describe_names_the_layer_with_incompatible_shapes(cnnlab, tiny):
    done = cnnlab("describe", "tiny.yaml", "--set", "model.layers[1].max_pool2d.pool_size=99")
    assert_one_line(done, 2, "--set model.layers[1].max_pool2d.pool_size=99: model.layers[1].max_pool2d: empty output")


def test_show_prints_an_equal_experiment(cnnlab, tmp_path):
    (tmp_path / "x.yaml").write_text(cnnlab("show", "resnet20").stdout)
    assert load(str(tmp_path / "x.yaml")) == load("resnet20")
    (tmp_path / "y.yaml").write_text(cnnlab("show", "resnet20", "--format", "json").stdout)
    assert load(str(tmp_path / "y.yaml")) == load("resnet20")
    assert "epochs: 3\n" in cnnlab("show", "lenet", "--set", "train.epochs=3").stdout


def test_validate_accepts_the_shipped_experiments(cnnlab):
    done = cnnlab("validate", "--strict", *shipped.paths())
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{len(shipped.paths())} experiments: all valid\n"


def test_validate_prints_errors_and_warnings_of_all_files(cnnlab, tiny, tmp_path):
    (tmp_path / "bad.yaml").write_text("data: digits\nmodel: {layers: [flaten]}\nsed: 1\n")
    (tmp_path / "odd.yaml").write_text("extends: tiny.yaml\ntrain: {optimizer: {sgd: 30}}\n")
    done = cnnlab("validate", "bad.yaml", "odd.yaml", "tiny.yaml", "nowhere.yaml")
    assert done.returncode == 2
    assert done.stdout.splitlines() == [
        "bad.yaml:2:18: model.layers[0]: unknown kind 'flaten'; did you mean 'flatten'?",
        "bad.yaml:3:1: sed: unknown key; did you mean 'seed'?",
        "odd.yaml:2:21: train.optimizer.sgd.learning_rate: 30 is far from the usual range of sgd, 0.0001 to 1 [learning-rate]",
        "nowhere.yaml: no such file; `cnnlab configs` lists the shipped experiments",
        "4 experiments: 3 errors, 1 warning",
    ]
    assert cnnlab("validate", "odd.yaml").returncode == 0
    assert cnnlab("validate", "odd.yaml", "--strict").returncode == 2
    (finding,) = json.loads(cnnlab("validate", "odd.yaml", "--format", "json").stdout)
    assert (finding["level"], finding["rule"], finding["config"]) == ("warning", "learning-rate", "odd.yaml")
    assert (finding["file"], finding["line"], finding["column"]) == ("odd.yaml", 2, 21)
    assert "cannot be divided evenly among 3 replicas" in cnnlab("validate", "tiny.yaml", "--replicas", 3).stdout


def test_train_warns_and_fails_with_strict(cnnlab, tiny, tmp_path):
    odd = ["train", "tiny.yaml", "--quiet", "--set", "train.optimizer.sgd.learning_rate=2"]
    assert_one_line(cnnlab(*odd, "--strict"), 2, "2 is far from the usual range of sgd", "[learning-rate]")
    assert not (tmp_path / "runs").exists()
    done = cnnlab(*odd)
    assert done.returncode == 0
    assert done.stderr.startswith("cnnlab: warning: --set train.optimizer.sgd.learning_rate=2: train.optimizer")


def test_schema_prints_both_forms(cnnlab):
    assert json.loads(cnnlab("schema").stdout) == json.loads(json.dumps(json_schema()))
    assert cnnlab("schema", "--format", "md").stdout == markdown()


def test_init_writes_a_file_that_validates(cnnlab, tmp_path):
    done = cnnlab("init", "mine", "--like", "digits")
    assert (done.returncode, done.stdout) == (0, "wrote mine.yaml\nwrote experiment.schema.json\n")
    assert cnnlab("validate", "--strict", "mine.yaml").stdout == "1 experiment: valid\n"
    assert_one_line(cnnlab("init", "mine"), 2, "mine.yaml: exists, and is not overwritten")


@pytest.mark.parametrize(
    ("changes", "best_epoch"),
    [
        (["train.callbacks=[early_stopping: {patience: 1, min_delta: 100, restore_best_weights: true}]", "train.epochs=9"], 1),
        (["train.callbacks=[early_stopping: {patience: 2, min_delta: 100}]", "train.epochs=9"], 3),
    ],
)  # fmt: skip
def test_a_run_that_early_stopping_ended_is_evaluated_with_the_reported_weights(
    cnnlab, tiny, tmp_path, changes, best_epoch
):
    sets = [part for change in changes for part in ("--set", change)]
    done = cnnlab("train", "tiny.yaml", *sets, "--format", "json")
    assert done.returncode == 0, done.stderr
    again = json.loads(cnnlab("evaluate", "runs/tiny-1", "--split", "validation", "--format", "json").stdout)
    results = json.loads((tmp_path / "runs/tiny-1/run.json").read_text())["results"]
    assert again["accuracy"] == results["val_accuracy"]
    assert again["loss"] == pytest.approx(results["val_loss"], rel=1e-6)
    assert results["epoch"] == best_epoch
    assert f"the weights are those of epoch {best_epoch}" in done.stderr


@pytest.mark.parametrize(
    ("warmup", "expected"),
    [(0.5, [0.1] * 4), (1, [0.1] * 4), (1.5, [0.0667, 0.1, 0.1, 0.1]), (2, [0.05, 0.1, 0.1, 0.1])],
)
def test_a_plateau_schedule_keeps_the_rate_after_the_warm_up(cnnlab, tiny, tmp_path, warmup, expected):
    schedule = f"train.schedule={{reduce_on_plateau: {{patience: 9, warmup: {warmup}}}}}"
    cnnlab("train", "tiny.yaml", "--quiet", "--epochs", 4, "--set", schedule)
    rows = csv.DictReader((tmp_path / "runs/tiny-1/metrics.csv").read_text().splitlines())
    assert [float(row["learning_rate"]) for row in rows] == pytest.approx(expected, rel=1e-2)


def test_smoke_warns_about_the_file_but_not_about_few_epochs(cnnlab, tiny):
    assert cnnlab("train", "tiny.yaml", "--smoke", "--strict", "--quiet").stderr == ""
    done = cnnlab("train", "tiny.yaml", "--smoke", "--quiet", "--set", "train.optimizer.sgd.learning_rate=2")
    assert "2 is far from the usual range of sgd" in done.stderr


@pytest.mark.parametrize("name", ["gender-cnn", "cifar"])
def test_synthetic_data_have_the_shape_of_the_real_files(cnnlab, tmp_path, name):
    done = cnnlab("train", name, "--smoke", "--data", "synthetic", "--quiet", CNNLAB_DATA_DIR=str(tmp_path))
    assert done.returncode == 0, done.stderr
    data = json.loads((tmp_path / f"runs/{name}-1/run.json").read_text())["experiment"]["data"]
    assert data["image_shape"] == list(load(name).data.image_shape)
    assert data["num_classes"] == load(name).data.num_classes


def test_missing_data_are_an_error_that_names_an_alternative(cnnlab, tmp_path):
    parts = {
        "cifar": "cifar-10-binary.tar.gz: missing, and CNNLAB_OFFLINE forbids downloads",
        "gender-cnn": "gender/train_images.bin: no such file or folder beside the experiment file, in",
    }
    for name, part in parts.items():
        assert_one_line(cnnlab("train", name, CNNLAB_DATA_DIR=str(tmp_path)), 1, part, "--data synthetic")


def test_an_empty_validation_split_is_an_error_once_the_data_are_loaded(cnnlab, tmp_path):
    np.arange(128, dtype=np.uint8).tofile(tmp_path / "images")
    (np.arange(8, dtype=np.uint8) % 2).tofile(tmp_path / "labels")
    (tmp_path / "x.yaml").write_text("""\
data: {name: raw, image_shape: [4, 4, 1], num_classes: 2, train_images: images, train_labels: labels, test_images: images,
  test_labels: labels, validation: 0.01}
model: {layers: [flatten, dense: 2]}
train: {callbacks: [early_stopping: 2]}
""")
    assert_one_line(
        cnnlab("train", "x.yaml", "-q"),
        2,
        "data.validation: 0.01 of 8 examples holds out none, and val_loss is watched",
    )
    assert not (tmp_path / "runs").exists()


def test_insufficient_memory_is_a_one_line_error(cnnlab, tmp_path):
    huge = "data={name: synthetic, image_shape: [4096, 4096, 64], train_examples: 1000000}"
    done = cnnlab("train", "fc", "--set", huge, "-q")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("cnnlab: out of memory: Unable to allocate")
    assert "Traceback" not in done.stderr


@pytest.mark.filterwarnings("default::UserWarning")
def test_a_library_warning_is_one_line(cnnlab, tiny):
    done = cnnlab(
        "train",
        "tiny.yaml",
        "--smoke",
        "-q",
        "--set",
        "model.layers[0].conv2d.filters=1",
        "--set",
        "model.layers[0].conv2d.activation=softmax",
    )
    assert done.returncode == 0
    assert all(line.startswith("cnnlab: warning: ") for line in done.stderr.splitlines())
