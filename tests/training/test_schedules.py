import keras
import numpy as np
import pytest

from cnnlab.experiment.schema import Train
from cnnlab.training import schedules


def train(schedule, epochs=10, rate=0.1):
    return Train.model_validate({"epochs": epochs, "schedule": schedule, "optimizer": {"sgd": rate}})


def by_epoch(schedule, epochs=10, rate=0.1):
    return [schedules.learning_rate(train(schedule, epochs, rate), epoch, rate) for epoch in range(epochs)]


def by_step(schedule, epochs, steps, rate=0.1):
    settings = train(schedule, epochs, rate)
    return np.concatenate([schedules.rates(settings, epoch, steps, rate) for epoch in range(epochs)])


def test_the_courses_decay():
    # KTH: 0.01 * 0.6 ** epoch, set by a LearningRateScheduler callback.
    assert by_epoch({"exponential": 0.6}, 5, 0.01) == pytest.approx([0.01 * 0.6**epoch for epoch in range(5)])


def test_epoch_by_epoch():
    assert by_epoch("constant", 3) == [0.1, 0.1, 0.1]
    assert by_epoch({"step": {"every": 2, "decay": 0.5}}, 5) == pytest.approx([0.1, 0.1, 0.05, 0.05, 0.025])
    piecewise = {"piecewise": {"boundaries": [1, 3], "factors": [1, 0.1, 0.01]}}
    assert by_epoch(piecewise, 4) == pytest.approx([0.1, 0.01, 0.01, 0.001])


def test_cosine_is_that_of_keras():
    theirs = keras.optimizers.schedules.CosineDecay(0.1, decay_steps=40, alpha=0.05)
    expected = [float(theirs(step)) for step in range(40)]
    np.testing.assert_allclose(by_step({"cosine": {"alpha": 0.05}}, 4, 10), expected, rtol=1e-5)


def test_one_cycle_rises_to_the_rate_and_falls_to_nearly_nothing():
    rates = by_step({"one_cycle": {"pct_start": 0.25}}, 4, 10, rate=1.0)
    assert rates[0] == pytest.approx(1 / 25)
    assert rates.argmax() == 10
    assert rates[10] == pytest.approx(1.0)
    assert (np.diff(rates[:11]) > 0).all()
    assert (np.diff(rates[10:]) < 0).all()
    # One step later it is at its end, 1 / 25 / 10,000: Smith and Topin 2017, with PyTorch's defaults.
    assert train({"one_cycle": {}}).schedule.at(10, 10) == pytest.approx(1 / 25 / 10_000)


@pytest.mark.parametrize("kind", ["constant", "cosine", "one_cycle", "reduce_on_plateau"])
def test_a_warm_up_rises_evenly_from_zero_and_then_the_schedule_goes_on(kind):
    rates, plain = by_step({kind: {"warmup": 2}}, 4, 10), by_step(kind, 4, 10)
    np.testing.assert_allclose(rates[20:], plain[20:], rtol=1e-6)
    # At the end of step n of 20, n/20 of what the schedule gives there.
    share = np.arange(1, 20) / 20
    np.testing.assert_allclose(rates[:19], share * plain[1:20], rtol=1e-5)


def test_only_schedules_of_steps_go_through_the_graph():
    assert not schedules.changes_within_epochs(train({"exponential": 0.5}))
    assert schedules.changes_within_epochs(train({"exponential": {"decay": 0.5, "warmup": 1}}))
    assert schedules.changes_within_epochs(train("cosine"))


def test_a_plateau_is_left_to_its_own_callback():
    settings = train({"reduce_on_plateau": {"monitor": "val_accuracy", "factor": 0.5, "patience": 3}})
    scheduler, plateau = schedules.callbacks(settings)
    assert isinstance(scheduler, keras.callbacks.LearningRateScheduler)
    assert isinstance(plateau, keras.callbacks.ReduceLROnPlateau)
    assert (plateau.monitor, plateau.factor, plateau.patience, plateau.mode) == ("val_accuracy", 0.5, 3, "max")
    assert schedules.learning_rate(settings, 5, 0.025) == 0.025
