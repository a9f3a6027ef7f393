"""Moving averages of weights, against the same by hand."""

import keras
import numpy as np
import pytest

from cnnlab.config.load import load
from cnnlab.config.overrides import parse_set
from cnnlab.training.engine.engine import Engine
from cnnlab.training.fit import fit
from cnnlab.training.trainer import Trainer

MOMENTUM = 0.9


def trainer_of(*changes):
    base = ("data={name: digits, limit: 200}", "train.epochs=3", "train.batch_size=50", "train.schedule=constant")
    return Trainer.from_experiment(load("fc", [parse_set(change) for change in (*base, *changes)]))


def sgd(**options):
    return f"train.optimizer={{sgd: {{learning_rate: 0.1, {', '.join(f'{key}: {value}' for key, value in options.items())}}}}}"


class Recorder(keras.callbacks.Callback):
    """The weights after every step."""

    def __init__(self):
        super().__init__()
        self.steps = []

    def on_train_batch_end(self, batch, logs=None):
        self.steps.append(self.model.get_weights())


@pytest.fixture(autouse=True)
def _one_step_per_call(monkeypatch):
    def one_step(engine, steps, seconds):
        engine._steps_per_call = 1

    monkeypatch.setattr(Engine, "_resize_call", one_step)


def average_of(weights):
    """The running mean of a list of weights; the first one begins it."""
    mean = weights[0]
    for one in weights[1:]:
        mean = [np.float32(MOMENTUM) * a + np.float32(1 - MOMENTUM) * b for a, b in zip(mean, one, strict=True)]
    return mean


def test_the_final_network_is_the_running_mean_of_the_weights_and_training_is_not_changed():
    plain, averaged = Recorder(), Recorder()
    fit(trainer_of(sgd(momentum=0.5)), callbacks=[plain])
    trainer = trainer_of(sgd(momentum=0.5, use_ema="true", ema_momentum=MOMENTUM))
    history = fit(trainer, callbacks=[averaged])
    assert len(plain.steps) > 4
    for ours, theirs in zip(averaged.steps, plain.steps, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(one, other)
    for found, expected in zip(trainer.model.get_weights(), average_of(plain.steps), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6)
    outcome = trainer.forward(trainer.dataset.validation)
    assert history.rows[-1]["val_loss"] == outcome.loss


def test_the_best_weights_that_early_stopping_restores_are_the_means_that_were_measured():
    stop = "train.callbacks=[{early_stopping: {patience: 3, restore_best_weights: true}}]"
    trainer = trainer_of(sgd(use_ema="true", ema_momentum=MOMENTUM), stop, "train.epochs=6")
    history = fit(trainer)
    outcome = trainer.forward(trainer.dataset.validation)
    assert history.results["val_loss"] == outcome.loss == min(row["val_loss"] for row in history.rows)
