"""`--no-test` and `train.threads`: their effects on a run and on later commands."""

import json
import re

import pytest

from cnnlab.config.lint import lint
from cnnlab.config.load import read
from cnnlab.config.overrides import parse_set
from tests.conftest import TINY, invoke, invoke_in_new_process

NEVER = ("--quiet", "--no-test")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The tiny experiment trained with --no-test, with two seeds, and once more without validation."""
    folder = tmp_path_factory.mktemp("never")
    (folder / "tiny.yaml").write_text(TINY)
    first = invoke("train", "tiny.yaml", *NEVER, "--seeds", "2", cwd=folder)
    assert first.returncode == 0, first.stderr
    (folder / "stdout").write_text(first.stdout)
    blind = invoke("train", "tiny.yaml", *NEVER, "--set", "data.validation=0", "--name", "blind", cwd=folder)
    assert blind.returncode == 0, blind.stderr
    (folder / "blind").write_text(blind.stdout)
    return folder


@pytest.fixture(scope="module")
def one_thread(tmp_path_factory):
    """A run trained, verified and resumed with one thread, and the output of the commands."""
    folder = tmp_path_factory.mktemp("thread")
    (folder / "tiny.yaml").write_text(TINY)
    results = invoke_in_new_process(
        ("train", "tiny.yaml", *NEVER, "--set", "train.threads=1"),
        ("verify", "runs/tiny-1", "--format", "json"),
        ("resume", "runs/tiny-1", "--epochs", "3"),
        cwd=folder,
        env={"TF_NUM_INTRAOP_THREADS": "2"},
    )
    assert [result.returncode for result in results] == [0, 0, 0], results
    return folder, *results


def record_of(folder, name):
    return json.loads((folder / "runs" / name / "run.json").read_text())


def test_the_test_set_is_not_evaluated(folder):
    run, record = folder / "runs/tiny-1", record_of(folder, "tiny-1")
    assert (record["status"], record["experiment"]["train"]["test"]) == ("finished", "never")
    assert record["test_uses"] == []
    assert set(record["results"]) == {"epoch", "loss", "accuracy", "val_loss", "val_accuracy"}
    assert not list((run / "evaluation").glob("test*"))
    validation = json.loads((run / "evaluation/validation.json").read_text())
    assert validation["accuracy"] == record["results"]["val_accuracy"]
    assert not list((folder / "runs/blind").glob("evaluation/*"))


def test_the_result_is_that_of_the_validation_examples(folder):
    lines = (folder / "stdout").read_text().splitlines()
    line = r"val accuracy 0\.\d{4}, loss \d\.\d{4} \(144 examples\)"
    assert re.fullmatch(line, lines[0])
    assert lines[1] == "the test set was left alone; `cnnlab evaluate runs/tiny-1` measures it"
    assert lines[2] == "run: runs/tiny-1"
    assert lines[7].split() == ["seed", "val_accuracy", "val_loss", "run"]
    assert re.fullmatch(r"val accuracy 0\.\d{4} ± 0\.\d{4} \(mean and standard deviation of 2 seeds\)", lines[-1])


def test_without_validation_the_result_is_that_of_the_training_examples(folder):
    lines = (folder / "blind").read_text().splitlines()
    assert re.fullmatch(r"training accuracy 0\.\d{4}, loss \d\.\d{4} \(200 examples\)", lines[0])
    assert lines[1] == "the test set was left alone; `cnnlab evaluate runs/blind` measures it"


def test_a_run_without_test_results_is_resumed_without_the_test_set_and_records_its_threads(one_thread):
    folder, _, _, resumed = one_thread
    assert "test accuracy" not in resumed.stdout
    record = record_of(folder, "tiny-1")
    assert (record["experiment"]["train"]["threads"], record["test_uses"]) == (1, [])
    assert (record["threads"]["within_operations"], record["threads"]["between_operations"]) == (1, 1)


def test_a_run_without_test_results_is_verified_with_its_threads_on_the_validation_examples(one_thread):
    _, trained, verified, _ = one_thread
    assert verified.stderr.splitlines()[0].endswith("on CPU:0, 1 thread")
    verdict = json.loads(verified.stdout)
    assert (verdict["verdict"], verdict["split"], verdict["changed"]) == ("identical", "validation", [])
    validation = float(trained.stdout.split()[2].rstrip(","))
    assert verdict["accuracy"] == verdict["accuracy_again"] == pytest.approx(validation, abs=5e-5)


def test_differing_thread_settings_in_the_environment_are_named_and_ignored(one_thread):
    warned = [line for result in one_thread[1:] for line in result.stderr.splitlines() if "warning" in line]
    assert warned[0] == "cnnlab: warning: train.threads: 1 goes before TF_NUM_INTRAOP_THREADS=2"


def test_missing_test_results_are_reported_until_the_run_is_evaluated(folder):
    shown = invoke("runs", "show", "runs/tiny-1", cwd=folder).stdout
    assert re.search(r"^test +never measured; `cnnlab evaluate runs/tiny-1` does it$", shown, re.MULTILINE)
    rows = json.loads(invoke("runs", "list", "--format", "json", cwd=folder).stdout)
    assert {row["test_accuracy"] for row in rows} == {None}
    compared = invoke("compare", "runs", "--metric", "val_accuracy", "--format", "json", cwd=folder)
    assert compared.returncode == 0, compared.stderr
    done = invoke("evaluate", "runs/tiny-1", "--no-pictures", "--format", "json", cwd=folder)
    assert done.returncode == 0, done.stderr
    record = record_of(folder, "tiny-1")
    assert [use["by"] for use in record["test_uses"]] == ["evaluate"]
    assert record["results"]["test_accuracy"] == json.loads(done.stdout)["accuracy"]
    assert "never measured" not in invoke("runs", "show", "runs/tiny-1", cwd=folder).stdout
    compared = invoke("compare", "runs/tiny-1", "--format", "json", cwd=folder)
    assert json.loads(compared.stdout)[0]["test_accuracy"] == record["results"]["test_accuracy"]


def test_monitoring_the_test_set_and_no_test_are_mutually_exclusive(tmp_path):
    (tmp_path / "tiny.yaml").write_text(TINY)
    changes = [parse_set("data.validation=test"), parse_set("train.test=never")]
    errors = [found for found in lint(read(str(tmp_path / "tiny.yaml"), changes)) if found.is_error]
    assert [found.rule for found in errors] == ["test-never"]
    assert "hold out training examples, such as data.validation=0.1" in errors[0].message
    assert not [found for found in lint(read(str(tmp_path / "tiny.yaml"), changes[1:])) if found.is_error]
