import keras
import numpy as np
import pytest

from cnnlab.experiment.schema import Train
from cnnlab.training.callbacks import schedules


def train(schedule, epochs=10, rate=0.1):
    return Train.model_validate({"epochs": epochs, "schedule": schedule, "optimizer": {"sgd": rate}})


def by_epoch(schedule, epochs=10, rate=0.1):
    return [schedules.learning_rate(train(schedule, epochs, rate), epoch, 0, 1, rate) for epoch in range(epochs)]


def by_step(schedule, epochs, steps, rate=0.1):
    settings = train(schedule, epochs, rate)
    return np.concatenate([schedules.rates(settings, epoch, steps, rate) for epoch in range(epochs)])


def test_the_decay_of_the_course():
    # KTH: 0.01 * 0.6 ** epoch, set by a LearningRateScheduler callback.
    assert by_epoch({"exponential": 0.6}, 5, 0.01) == pytest.approx([0.01 * 0.6**epoch for epoch in range(5)])


def test_schedules_by_epoch():
    assert by_epoch("constant", 3) == [0.1, 0.1, 0.1]
    assert by_epoch({"step": {"every": 2, "decay": 0.5}}, 5) == pytest.approx([0.1, 0.1, 0.05, 0.05, 0.025])
    piecewise = {"piecewise": {"boundaries": [1, 3], "factors": [1, 0.1, 0.01]}}
    assert by_epoch(piecewise, 4) == pytest.approx([0.1, 0.01, 0.01, 0.001])


def test_cosine_matches_keras():
    theirs = keras.optimizers.schedules.CosineDecay(0.1, decay_steps=40, alpha=0.05)
    expected = [float(theirs(step)) for step in range(40)]
    np.testing.assert_allclose(by_step({"cosine": {"alpha": 0.05}}, 4, 10), expected, rtol=1e-5)


def test_one_cycle_rises_to_the_rate_and_falls_to_nearly_zero():
    rates = by_step({"one_cycle": {"pct_start": 0.25}}, 4, 10, rate=1.0)
    assert rates[0] == pytest.approx(1 / 25)
    assert rates.argmax() == 10
    assert rates[10] == pytest.approx(1.0)
    assert (np.diff(rates[:11]) > 0).all()
    assert (np.diff(rates[10:]) < 0).all()
    # The next step would reach 1 / 25 / 10,000: Smith and Topin 2017, with the defaults of PyTorch.
    assert train({"one_cycle": {}}).schedule.at(10, 10) == pytest.approx(1 / 25 / 10_000)


@pytest.mark.parametrize(
    "kind",
    ["constant", "cosine", "one_cycle", "reduce_on_plateau", {"exponential": {"decay": 0.5}}, {"step": {"every": 2}}],
)
@pytest.mark.parametrize("warmup", [1, 2])
def test_a_warm_up_is_linear_from_zero_and_followed_by_the_schedule(kind, warmup):
    kind, options = (kind, {}) if isinstance(kind, str) else next(iter(kind.items()))
    rates, plain = by_step({kind: {**options, "warmup": warmup}}, 4 + warmup, 10), by_step({kind: options}, 4, 10)
    # At the end of step n, the rate is n / steps of the initial rate of the schedule.
    steps = 10 * warmup
    np.testing.assert_allclose(rates[:steps], np.arange(1, steps + 1) / steps * plain[0], rtol=1e-5)
    np.testing.assert_allclose(rates[steps:], plain, rtol=1e-5)


def test_a_warm_up_can_last_part_of_an_epoch():
    rates = by_step({"exponential": {"decay": 0.5, "warmup": 0.5}}, 2, 10)
    expected = [0.02, 0.04, 0.06, 0.08, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, *[0.05] * 10]
    np.testing.assert_allclose(rates, expected, rtol=1e-5)


def test_boundaries_are_epochs_of_the_complete_run():
    piecewise = {"piecewise": {"boundaries": [2], "factors": [1, 0.1], "warmup": 1}}
    np.testing.assert_allclose(by_step(piecewise, 3, 2), [0.05, 0.1, 0.1, 0.1, 0.01, 0.01], rtol=1e-5)


def test_a_warm_up_longer_than_the_training_only_rises():
    assert (np.diff(by_step({"cosine": {"warmup": 9}}, 3, 10)) > 0).all()


def test_only_schedules_by_step_are_passed_to_the_graph():
    assert not schedules.changes_within_epochs(train({"exponential": 0.5}))
    assert schedules.changes_within_epochs(train({"exponential": {"decay": 0.5, "warmup": 1}}))
    assert schedules.changes_within_epochs(train("cosine"))


def test_a_plateau_schedule_is_handled_by_its_callback():
    settings = train({"reduce_on_plateau": {"monitor": "val_accuracy", "factor": 0.5, "patience": 3}})
    scheduler, plateau = schedules.callbacks(settings)
    assert isinstance(scheduler, keras.callbacks.LearningRateScheduler)
    assert isinstance(plateau, keras.callbacks.ReduceLROnPlateau)
    assert (plateau.monitor, plateau.factor, plateau.patience, plateau.mode) == ("val_accuracy", 0.5, 3, "max")
    assert schedules.learning_rate(settings, 5, 0, 1, 0.025) == 0.025
