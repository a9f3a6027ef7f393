import json

import pytest

from tests.conftest import TINY, assert_one_line, run_cnnlab


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench")
    (folder / "tiny.yaml").write_text(TINY, encoding="utf-8")
    done = run_cnnlab("bench", "tiny.yaml", "--epochs", "2", "--format", "json", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in folder.iterdir()] == ["tiny.yaml"]  # no run folder is written
    return json.loads(done.stdout)


def test_examples_per_second_is_examples_divided_by_seconds(measured):
    assert measured["examples"] == 200
    assert measured["examples_per_second"] == pytest.approx(200 / measured["seconds_per_epoch"])
    assert measured["fastest_epoch"] <= measured["seconds_per_epoch"] <= measured["slowest_epoch"]


def test_time_to_first_step_is_after_imports_and_within_the_run(measured):
    assert 0.5 < measured["seconds_to_first_step"] < 300


def test_share_of_matmul_is_the_flops_from_describe_over_the_matmul_rate(measured):
    # Forward: 4 * 13 * 13 * 9 + 4 * 6 * 6 * 10 products; backward: both weights and the input of the dense layer.
    products = 3 * 4 * 6 * 6 * 10 + 2 * 4 * 13 * 13 * 9
    biases = measured["gflops"] * 1e9 / measured["examples_per_second"] - 2 * products
    assert -1e-6 <= biases < 0.2 * products  # rounding errors
    assert measured["share_of_matmul"] == pytest.approx(measured["gflops"] / measured["matmul_gflops"])
    assert 0 < measured["share_of_matmul"] < 1


def test_peak_memory_is_plausible_for_a_tensorflow_process(measured):
    assert 100e6 < measured["peak_memory"] < 10e9


def test_missing_data_are_replaced_by_random_data(cnnlab, tmp_path):
    folder = tmp_path / "empty"
    folder.mkdir()
    done = cnnlab("bench", "fc", "--epochs", "1", CNNLAB_DATA_DIR=str(folder), XDG_CACHE_HOME=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "mnist is not on this machine: measured with random images of its shape" in done.stderr
    assert ["examples", "60,000"] in [line.split() for line in done.stdout.splitlines()]


def test_an_invalid_experiment_is_reported_as_in_train(cnnlab):
    assert_one_line(cnnlab("bench", "lenet", "--set", "train.epoch=3"), 2, "train.epoch: unknown key")
