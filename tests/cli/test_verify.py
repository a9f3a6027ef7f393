import json
import math
import shutil

import pytest

from cnnlab.analysis.significance import mcnemar
from tests.conftest import assert_one_line, run_cnnlab


@pytest.fixture
def run(trained, tmp_path):
    """A copy of the trained run."""
    shutil.copytree(trained / "runs", tmp_path / "runs")
    return tmp_path / "runs" / "tiny-1"


def test_a_run_is_verified_bit_for_bit_and_unchanged(cnnlab, run):
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    done = cnnlab("verify", "runs/tiny-1", "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "runs/tiny-1: identical: table, weights and predictions are the same, bit for bit\n"
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    assert [path.name for path in run.parent.iterdir()] == ["tiny-1"]


def test_other_kernels_are_noise_and_named(run, tmp_path):
    # TensorFlow reads the variable once per process.
    options = ("--quiet", "--format", "json")
    done = run_cnnlab("verify", "runs/tiny-1", *options, cwd=tmp_path, env={"TF_ENABLE_ONEDNN_OPTS": "0"})
    assert done.returncode == 0, done.stderr
    verdict = json.loads(done.stdout)
    assert verdict["verdict"] == "within noise"
    assert 0 < verdict["largest_weight_difference"] < 1e-3
    assert verdict["p_value"] > 0.05
    assert "TF_ENABLE_ONEDNN_OPTS none then, 0 now" in verdict["changed"]


def test_results_that_contradict_the_record_are_different(cnnlab, run):
    path = run / "evaluation" / "test-predictions.csv"
    heading, *lines = path.read_text().splitlines()
    rows = [line.split(",") for line in lines]
    forged = [",".join([number, label, label, *rest]) for number, label, _, *rest in rows]  # all predictions correct
    path.write_text("\n".join([heading, *forged]) + "\n")
    record = json.loads((run / "run.json").read_text())
    record["versions"]["keras"] = "3.0.0"
    (run / "run.json").write_text(json.dumps(record))
    done = cnnlab("verify", "runs/tiny-1", "--quiet")
    assert done.returncode == 1
    first, second, third = done.stdout.splitlines()
    assert first.startswith("runs/tiny-1: different: test accuracy 1.0000, now 0.")
    assert "in the weights or predictions only" in second
    assert third.startswith("changed: keras 3.0.0 then, ")


def test_an_edited_config_is_rejected(cnnlab, run):
    config = run / "config.yaml"
    config.write_text(config.read_text().replace("epochs: 2", "epochs: 3"))
    assert_one_line(
        cnnlab("verify", "runs/tiny-1", "-q"), 1, "config.yaml is not the experiment that run.json recorded"
    )


def test_an_unfinished_run_is_rejected(cnnlab, run):
    record = json.loads((run / "run.json").read_text()) | {"status": "interrupted"}
    (run / "run.json").write_text(json.dumps(record))
    assert_one_line(cnnlab("verify", "runs/tiny-1", "-q"), 1, "its status is 'interrupted'")


@pytest.mark.parametrize(("only_first", "only_second"), [(0, 0), (1, 0), (5, 0), (10, 2), (12, 12), (9, 30)])
def test_mcnemar_exact_test_is_twice_the_binomial_tail(only_first, only_second):
    speaking = only_first + only_second
    tail = sum(math.comb(speaking, count) for count in range(min(only_first, only_second) + 1)) / 2**speaking
    first = [True] * 90 + [False] * 7 + [True] * only_first + [False] * only_second
    second = [True] * 90 + [False] * 7 + [False] * only_first + [True] * only_second
    assert mcnemar(first, second).p == pytest.approx(min(1, 2 * tail), rel=1e-9)
