import gc
import traceback
from pathlib import Path

import pytest
import tensorflow as tf

import cnnlab
from cnnlab.cli import main
from cnnlab.config.load import load
from cnnlab.config.overrides import parse_set
from cnnlab.training.engine.engine import Engine
from cnnlab.training.tasks import NewRun
from cnnlab.training.train import Trainers, train

PACKAGE = str(Path(cnnlab.__file__).parent)
TINY = ("model.layers=[flatten, {dense: 10}]", "data.limit=100", "train.epochs=3")


def tiny(*changes):
    return load("digits", [parse_set(change) for change in (*TINY, *changes)])


def test_at_most_seven_frames_are_between_main_and_the_gradient_tape(tmp_path, monkeypatch):
    stacks = []

    class Tape(tf.GradientTape):
        def __enter__(self):
            ours = [
                frame.name
                for frame in traceback.extract_stack()
                if frame.filename.startswith(PACKAGE) and frame.name != "one"  # the loop in `_steps`, a part of that
            ]
            stacks.append(ours)
            return super().__enter__()

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tf, "GradientTape", Tape)
    assert main(["train", "digits", "--smoke", "--quiet"]) == 0
    stack = next(stack for stack in stacks if Engine._compute_gradients.__name__ in stack)
    assert stack[0] == "main"
    assert len(stack[1:]) <= 7, stack


def test_an_epoch_hook_receives_the_row_and_can_end_the_training(tmp_path):
    rows = []

    def stops(row):
        rows.append(dict(row))
        return row["epoch"] == 2

    (trained,) = train([NewRun(tiny(), "stopped")], tmp_path, after_epoch=stops)
    assert [row["epoch"] for row in rows] == [1, 2]
    assert rows[1]["val_accuracy"] == trained.run.record().results["val_accuracy"]
    assert trained.run.record().stopped_early
    assert trained.run.record().status == "finished"


def test_runs_are_reported_as_they_finish(tmp_path):
    reported = []
    seeds = [tiny().model_copy(update={"seed": seed}) for seed in (0, 1)]
    trained = train(
        [NewRun(seed) for seed in seeds], tmp_path, on_finished=lambda one: reported.append(one.run.path.name)
    )
    assert reported == [one.run.path.name for one in trained] == ["lenet-digits-1", "lenet-digits-2"]
    assert trained[0].evaluation["accuracy"] == trained[0].run.record().results["test_accuracy"]


@pytest.mark.parametrize("never", [False, True])
def test_the_test_set_is_not_evaluated_if_the_experiment_excludes_it(tmp_path, never):
    (trained,) = train([NewRun(tiny(*["train.test=never"] * never))], tmp_path)
    assert (trained.evaluation is None) is never
    assert ("test_accuracy" in trained.run.record().results) is not never


@pytest.mark.parametrize("calls", [1, 3])
def test_memory_does_not_grow_with_the_number_of_experiments(tmp_path, calls):
    """Each is another graph, of one call of `train` or of several; only the last one's images are kept."""
    experiments = [tiny(f"train.batch_size={size}", "train.epochs=1", "data.limit=97") for size in (20, 30, 40)]
    trainers = Trainers()
    for tasks in [experiments] if calls == 1 else [[experiment] for experiment in experiments]:
        train(list(map(NewRun, tasks)), tmp_path / "runs", trainers=trainers)
    gc.collect()
    shape = trainers.last.dataset.train.images.shape
    # Other things that were trained in this process are of other sizes.
    tensors = [one for one in gc.get_objects() if isinstance(one, tf.Tensor) and not tf.is_symbolic_tensor(one)]
    kept = [one for one in tensors if one.shape == shape]
    assert shape[0] == 97
    assert 1 <= len(kept) <= 2  # a copy for each of the two devices
