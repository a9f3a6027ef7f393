import json

import pytest

from cnnlab.cli.shorthands import parse_seeds
from cnnlab.errors import RequestError
from cnnlab.training.engine.engine import Engine
from tests.conftest import assert_one_line


@pytest.mark.parametrize(
    ("text", "first", "seeds"),
    [("3", 0, [0, 1, 2]), ("2", 7, [7, 8]), ("3,7,11", 0, [3, 7, 11]), ("4,", 0, [4]), (" 5 , 1 ", 9, [5, 1])],
)
def test_seeds_are_a_count_from_the_first_or_a_list(text, first, seeds):
    assert parse_seeds(text.strip(), first) == seeds


@pytest.mark.parametrize("text", ["", "x", "0", "-1", "1.5", "3,,4", "3,3", "4294967296,", "10001", "1e3", ",", "3;4"])
def test_invalid_seeds_are_rejected(text):
    with pytest.raises(RequestError, match=f"--seeds {text}: "):
        parse_seeds(text, 0)


def test_a_list_of_seeds_and_seed_are_mutually_exclusive(cnnlab, tiny):
    assert_one_line(cnnlab("train", tiny, "--seed", "3", "--seeds", "1,2"), 2, "--seed 3: not with a list of --seeds")


@pytest.fixture
def engines(monkeypatch):
    """All engines created."""
    made, init = [], Engine.__init__
    monkeypatch.setattr(
        Engine, "__init__", lambda engine, *args, **kwargs: (made.append(engine), init(engine, *args, **kwargs))[1]
    )
    return made


def test_seeds_share_a_graph_and_each_equals_a_single_run(cnnlab, tiny, tmp_path, engines):
    done = cnnlab("train", "tiny.yaml", "--seeds", "3,7,5", "--name", "set", "--quiet")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[-6].split() == ["seed", "val_accuracy", "val_loss", "accuracy", "loss", "run"]
    assert [line.split()[0] for line in lines[-5:-2]] == ["3", "5", "7"]
    for line, split in zip(lines[-2:], ("val", "test"), strict=True):
        assert line.startswith(f"{split} accuracy 0.")
        assert line.endswith("(mean and standard deviation of 3 seeds)")
    assert cnnlab("train", "tiny.yaml", "--seed", "7", "--name", "alone", "--quiet").returncode == 0
    assert [engine._run_steps.experimental_get_tracing_count() for engine in engines] == [1, 1]
    runs = {seed: tmp_path / "runs" / f"set-{seed}" for seed in (3, 5, 7)}
    for file in ("weights.safetensors", "evaluation/test.json", "evaluation/test-predictions.csv"):
        assert (runs[7] / file).read_bytes() == (tmp_path / "runs/alone" / file).read_bytes()
        assert (runs[3] / file).read_bytes() != (runs[7] / file).read_bytes()
    records = {seed: json.loads((run / "run.json").read_text()) for seed, run in runs.items()}
    assert {seed: record["experiment"]["seed"] for seed, record in records.items()} == {3: 3, 5: 5, 7: 7}
    assert len({record["experiment_sha256"] for record in records.values()}) == 3


def test_sizes_and_seeds_multiply(cnnlab, tiny, tmp_path):
    done = cnnlab("train", tiny, "--set", "data.train_sizes=[50, 100]", "--seeds", "2", "--format", "json", "--quiet")
    assert done.returncode == 0, done.stderr
    found = [(result["train_examples"], result["seed"], result["run"]) for result in json.loads(done.stdout)]
    assert found == [
        (100, 0, "runs/tiny-1"),
        (100, 1, "runs/tiny-2"),
        (50, 0, "runs/tiny-3"),
        (50, 1, "runs/tiny-4"),
    ]
