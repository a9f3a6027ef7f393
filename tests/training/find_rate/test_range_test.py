"""The range test is a training."""

import numpy as np
import pytest

from cnnlab.config.load import read_file
from cnnlab.config.overrides import parse_sets
from cnnlab.training.find_rate.range_test import growing_rates, range_test
from cnnlab.training.fit import fit
from cnnlab.training.trainer import Trainer
from tests.conftest import TINY


def trainer_of(folder, *changes):
    (folder / "tiny.yaml").write_text(TINY, encoding="utf-8")
    constant = ["train.schedule=constant", "data.validation=0"]
    return Trainer.from_experiment(read_file(folder / "tiny.yaml", parse_sets([*constant, *changes])).experiment)


def losses_with(trainer, rates):
    return range_test(trainer, rates, lambda losses: False, lambda: None)


WORDS = [
    (),
    ("train.optimizer={adam: {epsilon: 0.001}}",),
    ("train.devices=2",),
    ("train.input_pipeline=streamed",),
    ("preprocessing.augmentation=[mixup: 0.4, translation: 0.1]",),
    ("train.class_weights={'0': 3}",),
    ("train.adversarial={epsilon: 0.1, steps: 2}",),
    ("train.precision=mixed_float16",),
]


@pytest.mark.parametrize("changes", WORDS, ids=str)
def test_a_constant_rate_trains_as_fit_does(tmp_path, changes):
    trainer = trainer_of(tmp_path, *changes)
    losses = losses_with(trainer, np.full(2 * trainer.engine.steps_per_epoch, 0.1, np.float32))
    weights = [np.asarray(weight) for weight in trainer.model.weights]
    kind = trainer.experiment.train.optimizer.kind
    again = trainer_of(tmp_path, *changes, f"train.optimizer.{kind}.learning_rate=0.1")
    history = fit(again)
    sizes = np.minimum(64, 200 - 64 * np.arange(4))  # of the batches
    means = [np.average(part, weights=sizes) for part in losses.reshape(2, 4)]
    assert means == pytest.approx([row["loss"] for row in history.rows], rel=1e-6)
    for one, other in zip(weights, again.model.weights, strict=True):
        np.testing.assert_array_equal(one, np.asarray(other))


def test_each_step_has_its_rate(tmp_path):
    trainer, rates = trainer_of(tmp_path), np.array([0.1, 0, 0, 0, 0, 0, 0.2], np.float32)
    losses, before = losses_with(trainer, rates), trainer_of(tmp_path)
    last_but_one = losses_with(before, rates[:-1])
    assert losses[:-1].tolist() == last_but_one.tolist()
    one_step = trainer_of(tmp_path)
    losses_with(one_step, rates[:1])
    for one, same in zip(before.model.weights, one_step.model.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(same))
    assert np.any(np.asarray(trainer.model.weights[0]) != np.asarray(before.model.weights[0]))


def test_rates_grow_by_one_factor():
    rates = growing_rates(1e-4, 1.0, 9)
    assert rates[[0, 4, 8]].tolist() == pytest.approx([1e-4, 1e-2, 1.0])


def test_it_ends_at_a_loss_that_is_not_finite(tmp_path):
    losses = losses_with(trainer_of(tmp_path), growing_rates(1e-2, 1e38, 8))
    assert 0 < len(losses) < 20
    assert np.isfinite(losses).all()
