"""A loss that becomes non-finite: the step, the layer, and the saved state."""

import json
import re

import numpy as np
import pytest

from cnnlab.config.load import load
from cnnlab.config.overrides import parse_set
from cnnlab.errors import Diverged, RequestError, TrainingError
from cnnlab.runs import Run, checkpoints
from cnnlab.training.engine.engine import Engine
from cnnlab.training.engine.progress import START
from cnnlab.training.resume import checkpoint as states
from cnnlab.training.resume.plan import plan
from cnnlab.training.tasks import NewRun
from cnnlab.training.train import train

STEPS = 13  # per epoch


def experiment_of(*changes):
    base = ("data.limit=200", "train.batch_size=16", "train.epochs=4", "train.schedule=constant")
    layers = "model.layers=[flatten, {dense: {units: 16, activation: relu}}, {dense: 10}]"
    return load("digits", [parse_set(change) for change in (*base, layers, *changes)])


def diverged(tmp_path, *changes):
    """The error message and the run."""
    with pytest.raises(Diverged) as caught:
        train([NewRun(experiment_of(*changes), "diverged")], tmp_path)
    return str(caught.value), Run(tmp_path / "diverged")


def first_bad_step(experiment, tmp_path):
    """Epoch and step, counted from 1, found by repeating the training step by step, and the weights before it."""
    from cnnlab.training.trainer import Trainer

    trainer = Trainer.from_experiment(experiment)
    for epoch in range(experiment.train.epochs):
        progress = START
        for step in range(trainer.engine.steps_per_epoch):
            before = [np.array(weight) for weight in trainer.model.weights]
            (progress,) = trainer.engine.epoch(epoch, start=progress, steps=step + 1)
            if not np.isfinite(progress.sums[0]):
                return epoch + 1, step + 1, before
    raise AssertionError("it does not diverge")


@pytest.fixture(autouse=True)
def _calls_of_four_steps(monkeypatch):
    monkeypatch.setattr(Engine, "_resize_call", lambda engine, steps, seconds: setattr(engine, "_steps_per_call", 4))


@pytest.mark.parametrize("rate", ["1e6", "1e18", "1e30"])
def test_the_step_is_named_and_the_state_before_it_is_saved(tmp_path, rate):
    changes = (f"train.optimizer={{sgd: {rate}}}", "train.loss=mse")
    message, run = diverged(tmp_path, *changes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Engine, "_resize_call", lambda engine, steps, seconds: setattr(engine, "_steps_per_call", 1))
        epoch, step, weights = first_bad_step(experiment_of(*changes), tmp_path)
    assert f"in step {step} of epoch {epoch};" in message
    place = checkpoints.positions(run)[0]
    assert (place.epoch, place.step) == (epoch - 1, step - 1)
    saved = states.load(run, experiment_of(*changes))
    names = [name for name in saved.arrays if not name.startswith("optimizer/")]
    assert len(names) == len(weights)
    assert all(np.isfinite(saved.arrays[name]).all() for name in names)
    found = sorted(float(np.sum(np.asarray(weight, np.float64))) for weight in weights)
    assert sorted(float(np.sum(saved.arrays[name].astype(np.float64))) for name in names) == pytest.approx(
        found, rel=1e-12
    )


def test_the_first_layer_with_non_finite_outputs_is_named(tmp_path):
    message, run = diverged(tmp_path, "train.optimizer={adam: 1e25}")
    assert re.search(r"the outputs of dense_[12] were the first to become non-finite; ", message)
    assert run.record().status == "diverged"
    assert run.record().error in message


def test_the_loss_alone_can_become_non_finite(tmp_path):
    message, _ = diverged(
        tmp_path, "train.optimizer={sgd: 3e18}", "train.loss=mse", "model.layers=[flatten, {dense: 10}]"
    )
    assert "every layer's outputs are finite, the loss is not" in message


def test_the_proposed_rate_is_a_tenth_or_the_default(tmp_path):
    message, _ = diverged(tmp_path, "train.optimizer={adam: 1e25}")
    assert message.endswith("try a smaller learning rate, such as --set train.optimizer.adam.learning_rate=0.001")


def test_the_proposed_rate_converges(tmp_path):
    message, _ = diverged(tmp_path, "train.optimizer={sgd: 1e6}", "train.loss=mse")
    change = message.rpartition("--set ")[2]
    run = train([NewRun(experiment_of("train.loss=mse", change), "again")], tmp_path)[0].run
    assert run.record().status == "finished"


def test_a_divergence_detected_in_validation_names_the_layer_too(tmp_path):
    changes = ("train.optimizer={sgd: 1e25}", "train.batch_size=200", "train.loss=mse")  # one step per epoch
    message, run = diverged(tmp_path, *changes)
    assert "on the validation examples after epoch 1; " in message
    assert "were the first to become non-finite" in message or "the loss is not" in message
    assert [str(place) for place in checkpoints.positions(run)] == ["epoch 0"]


def test_a_diverged_run_is_not_resumed(tmp_path):
    _, run = diverged(tmp_path, "train.optimizer={adam: 1e25}")
    with pytest.raises(
        RequestError, match=r"diverged, and would again.* --set train.optimizer.adam.learning_rate=0.001"
    ):
        plan(run)


def test_a_diverging_seed_does_not_block_the_others(tmp_path, capsys):
    good, bad = experiment_of("seed=1"), experiment_of("train.optimizer={adam: 1e25}")
    done = []
    with pytest.raises(TrainingError, match="1 of 2 runs failed; the others finished"):
        done.extend(train([NewRun(bad, "bad"), NewRun(good, "good")], tmp_path))
    assert json.loads((tmp_path / "bad" / "run.json").read_text())["status"] == "diverged"
    assert json.loads((tmp_path / "good" / "run.json").read_text())["status"] == "finished"
    assert f"{tmp_path / 'bad'}: diverged" in capsys.readouterr().err
