import csv
import json
import re
import shutil

import pytest

from cnnlab.errors import ConfigError
from tests.conftest import TINY, assert_one_line, invoke, needs_mnist


def rows_of(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_the_result_is_on_stdout_and_the_table_on_stderr(trained):
    validation, result, run = (trained / "stdout").read_text().splitlines()
    assert re.fullmatch(r"val accuracy 0\.\d{4}, loss \d\.\d{4} \(144 examples\)", validation)
    assert re.fullmatch(r"test accuracy 0\.\d{4}, loss \d\.\d{4} \(200 examples\)", result)
    assert run == "run: runs/tiny-1"
    table = (trained / "stderr").read_text().splitlines()
    assert (
        table[0]
        == "tiny: 1,490 parameters; digits: 200 train, 144 validation, 200 test examples from scikit-learn, 0.2 MB resident; on CPU:0"
    )
    assert table[1].split() == ["epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds"]
    assert [line.split()[0] for line in table[2:4]] == ["1", "2"]
    assert all(line.startswith("cnnlab: hint: runs/tiny-1: ") for line in table[4:])


def test_the_run_folder_is_complete(trained):
    names = sorted(str(path.relative_to(trained / "runs/tiny-1")) for path in (trained / "runs/tiny-1").rglob("*.*"))
    assert [name for name in names if "validation" not in name] == [
        ".lock",
        "checkpoints/epoch-00001.safetensors",
        "checkpoints/epoch-00002.safetensors",
        "config.yaml",
        "evaluation/test-correct.bin",
        "evaluation/test-predictions.csv",
        "evaluation/test.json",
        "metrics.csv",
        "model.keras",
        "run.json",
        "weights.safetensors",
    ]


def test_metrics_count_epochs_from_one_with_the_decayed_rate(trained):
    rows = rows_of(trained / "runs/tiny-1/metrics.csv")
    assert list(rows[0]) == ["epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds"]
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert [row["learning_rate"] for row in rows] == ["0.1", "0.05"]
    assert float(rows[1]["loss"]) < float(rows[0]["loss"])


def test_the_record_contains_everything_that_determines_the_numbers(trained):
    record = json.loads((trained / "runs/tiny-1/run.json").read_text())
    assert record["status"] == "finished"
    assert record["data"]["splits"]["train"]["examples"] == record["data"]["splits"]["test"]["examples"] == 200
    assert len(record["data"]["fingerprint"]) == 64
    assert record["parameters"] == 4 * 10 + 144 * 10 + 10
    assert set(record["versions"]) == {"cnnlab", "tensorflow", "keras", "numpy", "python"}
    assert record["devices"]["replicas"] == 1
    assert record["test_uses"][0]["by"] == "train"
    last = rows_of(trained / "runs/tiny-1/metrics.csv")[-1]
    assert record["results"]["val_accuracy"] == float(last["val_accuracy"])
    measured = json.loads((trained / "runs/tiny-1/evaluation/test.json").read_text())
    assert record["results"]["test_accuracy"] == measured["accuracy"]


def test_the_saved_config_reproduces_the_run(trained, tmp_path):
    done = invoke("train", trained / "runs/tiny-1/config.yaml", "--quiet", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    first, again = trained / "runs/tiny-1", tmp_path / "runs/tiny-1"
    assert (again / "weights.safetensors").read_bytes() == (first / "weights.safetensors").read_bytes()
    assert (again / "evaluation/test-predictions.csv").read_text() == (
        first / "evaluation/test-predictions.csv"
    ).read_text()
    without_seconds = [[{**row, "seconds": ""} for row in rows_of(run / "metrics.csv")] for run in (first, again)]
    assert without_seconds[0] == without_seconds[1]


def test_another_seed_gives_other_weights(trained, tmp_path):
    invoke("train", trained / "tiny.yaml", "--quiet", "--seed", 1, cwd=tmp_path)
    assert (tmp_path / "runs/tiny-1/weights.safetensors").read_bytes() != (
        trained / "runs/tiny-1/weights.safetensors"
    ).read_bytes()


def test_options_change_the_experiment_and_are_recorded(cnnlab, tiny, tmp_path):
    options = ["--epochs", 1, "--seed", 7, "--limit", 150, "--runs", "elsewhere", "--name", "mine", "--format", "json"]
    done = cnnlab("train", tiny, *options, "--set", "train.batch_size=40", "--set", "data.validation=0")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["run"] == "elsewhere/mine"
    assert (result["split"], result["examples"]) == ("test", 150)
    assert (result["parameters"], result["val_accuracy"]) == (1490, None)
    experiment = json.loads((tmp_path / "elsewhere/mine/run.json").read_text())["experiment"]
    assert experiment["train"]["epochs"] == 1
    assert experiment["train"]["batch_size"] == 40
    assert experiment["seed"] == 7
    assert experiment["data"] == {"name": "digits", "validation": 0, "limit": 150}
    assert rows_of(tmp_path / "elsewhere/mine/metrics.csv")[0]["val_loss"] == ""


def test_smoke_runs_any_config_on_synthetic_data(cnnlab, tmp_path):
    done = cnnlab("train", "fc", "--smoke", "--data", "digits", "--quiet")
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "runs/fc-1/run.json").read_text())
    assert record["experiment"]["train"]["epochs"] == 1
    assert record["experiment"]["data"] == {"name": "digits", "validation": 0.1, "limit": 256}


def test_monitoring_the_test_set_is_flagged_and_recorded(cnnlab, tiny, tmp_path):
    done = cnnlab("train", tiny, "--quiet", "--set", "data.validation=test")
    assert done.stderr.splitlines() == [
        "cnnlab: warning: --set data.validation=test: data.validation: "
        "the test set is evaluated during training; choose nothing by it [test-as-validation]"
    ]
    record = json.loads((tmp_path / "runs/tiny-1/run.json").read_text())
    assert [use["by"] for use in record["test_uses"]] == ["validation", "train"]


def test_divergence_is_reported_and_recorded(cnnlab, tiny, tmp_path):
    done = cnnlab("train", tiny, "--quiet", "--set", "train.optimizer.sgd.learning_rate=1e30")
    assert done.returncode == 1
    warning, line = done.stderr.splitlines()
    assert "is far from the usual range of sgd" in warning
    assert line.startswith("cnnlab: runs/tiny-1: diverged: the loss became ")
    assert "--set train.optimizer.sgd.learning_rate=0.01" in line
    assert json.loads((tmp_path / "runs/tiny-1/run.json").read_text())["status"] == "diverged"
    assert not (tmp_path / "runs/tiny-1/weights.safetensors").exists()


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["nowhere.yaml"], ["nowhere.yaml: no such file"]),
        (["lenett"], ["lenett: no such file or shipped experiment; did you mean 'lenet'?"]),
        (["."], [".: is a folder; expected an experiment file"]),
        (["empty.yaml"], ["empty.yaml: empty"]),
        (["broken.yaml"], ["broken.yaml:1:8: not YAML"]),
        (["tiny.yaml", "--set", "train.batch_size=0"], ["--set train.batch_size=0: train.batch_size: expected"]),
        (["tiny.yaml", "--set", "train.epoch=1"], ["unknown key; did you mean 'epochs'?"]),
        (["tiny.yaml", "--epochs", "0"], ["--epochs 0: train.epochs: expected a value greater than 0, got 0"]),
        (["tiny.yaml", "--epochs", "1", "--set", "train.epochs=2"], ["--set train.epochs=2: train.epochs is also set by --epochs 1; keep one"]),
        (["tiny.yaml", "--epochs", "x"], ["cnnlab train: Invalid value for '--epochs'"]),
        (["tiny.yaml", "--epoch", "1"], ["No such option: --epoch", "--epochs"]),
        (["tiny.yaml", "--data", "mnits"], ["--data mnits: data.name: unknown data set 'mnits'; did you mean 'mnist'?"]),
        (["tiny.yaml", "--name", "a/b"], ["--name a/b: expected at most 100 letters"]),
        (["tiny.yaml", "--runs", "tiny.yaml"], ["--runs tiny.yaml", "is a file; expected a folder"]),
        (["tiny.yaml", "--set", "data.validation=9999"], ["9,999 examples to hold out, but digits has 1,437"]),
        (["tiny.yaml", "--set", "model.layers[3].dense.units=9"], ["the network ends in (9,), and digits has 10 classes; expected a last layer such as dense: 10"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)  # fmt: skip
def test_an_invalid_request_is_one_line_and_leaves_nothing(cnnlab, tiny, tmp_path, arguments, parts):
    (tmp_path / "empty.yaml").write_text("")
    (tmp_path / "broken.yaml").write_text("a: [1, }")
    assert_one_line(cnnlab("train", *arguments), 2, *parts)
    assert not (tmp_path / "runs").exists()


def test_all_problems_of_a_file_are_printed_one_per_line(cnnlab, tmp_path):
    (tmp_path / "bad.yaml").write_text(TINY.replace("filters", "filtres").replace("epochs: 2", "epochs: two"))
    done = cnnlab("train", "bad.yaml")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "cnnlab: bad.yaml:6:7: model.layers[0].conv2d.filters: missing; this key is required",
        "cnnlab: bad.yaml:6:16: model.layers[0].conv2d.filtres: unknown key; did you mean 'filters'?",
        "cnnlab: bad.yaml:11:11: train.epochs: expected an integer, got 'two'",
    ]


def test_damaged_data_are_one_line_and_leave_nothing(cnnlab, tmp_path):
    (tmp_path / "data/mnist").mkdir(parents=True)
    for prefix in ("train", "t10k"):
        for kind in ("images-idx3", "labels-idx1"):
            (tmp_path / "data/mnist" / f"{prefix}-{kind}-ubyte.gz").write_bytes(b"\x1f\x8b truncated")
    done = cnnlab("train", "lenet", CNNLAB_DATA_DIR=str(tmp_path / "data"))
    assert_one_line(done, 1, "train-images-idx3-ubyte.gz: truncated or damaged .gz")
    assert not (tmp_path / "runs").exists()


def test_without_mnist_and_network_one_line_names_an_alternative(cnnlab, tmp_path):
    nowhere = "http://127.0.0.1:9"
    done = cnnlab(
        "train",
        "lenet",
        CNNLAB_DATA_DIR=str(tmp_path / "data"),
        XDG_CACHE_HOME=str(tmp_path),
        https_proxy=nowhere,
        CNNLAB_OFFLINE="",
    )
    assert_one_line(
        done, 1, "mnist: train-images-idx3-ubyte.gz: no network to download it", "`cnnlab train … --data digits`"
    )


@pytest.mark.parametrize("arguments", [["--debug", "train", "lenett"], ["train", "lenett", "--debug"]])
def test_debug_shows_the_traceback_wherever_the_option_is_placed(cnnlab, arguments):
    with pytest.raises(ConfigError, match="lenett: no such file"):
        cnnlab(*arguments)


@needs_mnist
def test_fc_reproduces_the_published_table_on_mnist(cnnlab, tmp_path):
    done = cnnlab("train", "fc", "--epochs", 12, "--quiet")
    assert done.returncode == 0, done.stderr
    accuracies = [float(row["val_accuracy"]) for row in rows_of(tmp_path / "runs/fc-1/metrics.csv")]
    # tf-slides, fc-mse, epochs 4 to 12 counted from 1; earlier epochs still depend on the initial weights.
    published = [0.627, 0.658, 0.680, 0.701, 0.715, 0.726, 0.735, 0.746, 0.752]
    assert accuracies[3:] == pytest.approx(published, abs=0.02)
    assert accuracies[-1] == pytest.approx(0.752, abs=0.01)


@needs_mnist
def test_lenet_learns_mnist_in_one_epoch(cnnlab):
    done = cnnlab("train", "lenet", "--epochs", 1, "--limit", 20_000, "--quiet", "--format", "json")
    assert json.loads(done.stdout)["accuracy"] > 0.9


def test_a_shipped_experiment_reports_whether_its_result_was_expected(cnnlab, tmp_path):
    """Other machines may give other bits; five standard deviations are a safe bound."""
    *_, last = cnnlab("train", "digits", "--quiet").stdout.splitlines()
    assert re.fullmatch(
        r"0\.9\d{3}, (as expected|\d\.\d standard deviations (above|below) what this config gives) "
        r"\(0\.\d{4} ± 0\.\d{4}, n = 5\)",
        last,
    )
    run = tmp_path / "runs/lenet-digits-1"
    record = json.loads((run / "run.json").read_text()) | {"status": "interrupted"}
    (run / "run.json").write_text(json.dumps(record))
    shutil.copytree(run, tmp_path / "runs/lenet-digits-2")
    *_, last = cnnlab("resume", "runs", "--all", "--quiet").stdout.splitlines()
    assert re.fullmatch(r"0\.9\d{3} ± 0\.0000, .* \(0\.\d{4} ± 0\.\d{4}, n = 5\)", last)


def test_other_experiments_have_no_expected_result(cnnlab):
    *_, last = cnnlab("train", "digits", "--quiet", "--limit", 200, "--epochs", 1).stdout.splitlines()
    assert last == "run: runs/lenet-digits-1"
