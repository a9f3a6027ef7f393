import pytest

from cnnlab.analysis.compare import compare
from cnnlab.analysis.differences import brief, differing_keys
from cnnlab.errors import RequestError, RunError
from tests.conftest import make_run


def record(accuracy, seed=0, **changes):
    return {
        "status": "finished",
        "experiment": {"name": "tiny", "seed": seed},
        "parameters": 10,
        "seconds": 1.26,
        "results": {"test_accuracy": accuracy, "test_loss": 1 - accuracy, "val_accuracy": 0.5},
        **changes,
    }


def test_only_the_keys_that_differ_are_columns(tmp_path):
    make_run(tmp_path, "tiny", None, record(0.75))
    make_run(tmp_path, "tiny", None, record(0.5, seed=1))
    comparison = compare([tmp_path])
    rows = comparison.rows
    assert comparison.columns == ["run", "seed", "val_accuracy", "accuracy", "loss", "parameters", "seconds"]
    assert [row["seed"] for row in rows] == [0, 1]
    assert rows[0]["accuracy"] == 0.75
    assert rows[0]["seconds"] == 1.3


def test_the_status_is_a_column_where_a_run_did_not_finish(tmp_path):
    make_run(tmp_path, "tiny", None, record(0.75))
    make_run(tmp_path, "tiny", None, {"status": "failed"})
    comparison = compare([tmp_path], sort="accuracy")
    rows = comparison.rows
    assert "status" in comparison.outcomes
    assert [row["status"] for row in rows] == ["finished", "failed"]
    assert rows[1]["accuracy"] is None


@pytest.mark.parametrize(("column", "order"), [("accuracy", [3, 1, 2]), ("loss", [3, 1, 2]), ("seed", [2, 1, 3])])
def test_sorting_puts_the_best_first(tmp_path, column, order):
    for accuracy, seed in ((0.5, 8), (0.25, 7), (0.75, 9)):
        make_run(tmp_path, "tiny", None, record(accuracy, seed))
    rows = compare([tmp_path], sort=column).rows
    assert [row["run"] for row in rows] == [str(tmp_path / f"tiny-{number}") for number in order]


def test_an_unknown_column_is_refused(tmp_path):
    make_run(tmp_path, "tiny", None, record(0.5))
    with pytest.raises(RequestError, match=r"--sort acuracy: no such column; did you mean 'accuracy'\?"):
        compare([tmp_path], sort="acuracy")


def test_a_damaged_run_is_left_out_with_a_warning(tmp_path, capsys):
    make_run(tmp_path, "tiny", None, record(0.5))
    (make_run(tmp_path, "tiny", None, record(0.5)).path / "run.json").write_text("{")
    rows = compare([tmp_path]).rows
    assert len(rows) == 1
    assert "damaged" in capsys.readouterr().err
    (tmp_path / "tiny-1" / "run.json").write_text("{")
    with pytest.raises(RunError, match="no run here can be read"):
        compare([tmp_path])


def test_differences_are_as_deep_as_the_structure_is_the_same():
    def experiment(layers, optimizer):
        return {"model": {"layers": layers}, "train": {"optimizer": optimizer}, "published": {"accuracy": len(layers)}}

    small = experiment(["flatten", {"dense": {"units": 10}}], {"sgd": {"learning_rate": 0.1}})
    wide = experiment(["flatten", {"dense": {"units": 12}}], {"sgd": {"learning_rate": 0.2}})
    deep = experiment(
        ["flatten", {"dense": {"units": 9}}, {"dense": {"units": 10}}], {"adam": {"learning_rate": 0.1, "beta_1": 0.9}}
    )
    assert differing_keys([small, small]) == {}
    assert differing_keys([small, wide]) == {
        "model.layers[1].dense.units": [10, 12],
        "train.optimizer.sgd.learning_rate": [0.1, 0.2],
    }
    assert differing_keys([small, deep]) == {
        "model.layers": [small["model"]["layers"], deep["model"]["layers"]],
        "train.optimizer": [{"sgd": {"learning_rate": 0.1}}, {"adam": {"learning_rate": 0.1, "beta_1": 0.9}}],
    }


def test_settings_are_told_in_as_few_words_as_tell_them_apart():
    sgd, heavy = ({"sgd": {"learning_rate": 0.1, "momentum": momentum}} for momentum in (0.0, 0.9))
    adam = {"adam": {"learning_rate": 0.1, "beta_1": 0.9}}
    assert brief("train.optimizer", [sgd, adam]) == ["sgd(0.1)", "adam(0.1)"]
    assert brief("train.optimizer", [sgd, heavy]) == ["sgd(learning_rate=0.1)", "sgd(learning_rate=0.1, momentum=0.9)"]
    small = ["flatten", {"dense": {"units": 10, "activation": "linear"}}]
    wide = ["flatten", {"dense": {"units": 12, "activation": "linear"}}]
    deep = ["flatten", {"dense": {"units": 9}}, {"dense": {"units": 10}}]
    assert brief("model.layers", [small, deep, small]) == ["flatten, dense", "flatten, 2 dense", "flatten, dense"]
    assert brief("model.layers", [small, wide, deep]) == [
        "flatten, dense(10)",
        "flatten, dense(12)",
        "flatten, dense(9), dense(10)",
    ]
    assert brief("train.x", [0.1, None, 1]) == [0.1, None, 1]
    assert brief("data.image_shape", [[48, 48, 1], None]) == ["[48, 48, 1]", None]
    schedules = [
        {"constant": {"warmup": 0.0}},
        {"constant": {"warmup": 1.0}},
        {"exponential": {"decay": 0.5, "warmup": 0.0}},
    ]
    assert brief("train.schedule", schedules) == ["constant", "constant(1.0)", "exponential(0.5)"]
    repeated = ["flatten", {"repeat": {"times": 3, "layers": [{"dense": {"units": 9}}, "batch_norm"]}}]
    assert brief("model.layers", [small, repeated]) == ["flatten, dense", "flatten, repeat(dense, batch_norm)"]


def test_experiments_of_other_versions_can_be_compared():
    assert differing_keys([{}, {"seed": 1, "train": {"epochs": 2}}]) == {
        "seed": [None, 1],
        "train": [None, {"epochs": 2}],
    }
