"""Trainings that go wrong in known ways, and what is said of each; and that it is not said of one that goes well."""

from dataclasses import replace

import numpy as np
import pytest

from cnnlab.config.load import load
from cnnlab.config.overrides import parse_set
from cnnlab.models.inference import Outcome
from cnnlab.training import coach
from cnnlab.training.trainer import Trainer

GOOD_TABLE = {
    "loss": [1.0, 0.5, 0.2],
    "accuracy": [0.7, 0.8, 0.96],
    "val_loss": [1, 0.6, 0.4],
    "val_accuracy": [0.7, 0.8, 0.95],
}
NOTHING_LEARNT = {"accuracy": [0.1, 0.1, 0.11], "val_accuracy": [0.1, 0.1, 0.1]}


@pytest.fixture(scope="module")
def trainer():
    return made()


def made(*sets):
    return Trainer.of(load("digits", [parse_set(text) for text in ("data.limit=300", *sets)]))


def outcome(accuracy, classes=10, n=1000):
    labels = np.arange(n, dtype=np.int32) % classes
    said = np.where(np.arange(n) < accuracy * n, labels, (labels + 1) % classes)
    return Outcome(labels, np.eye(classes, dtype=np.float32)[said], np.ones(n, np.float32))


def said(trainer, table=None, accuracy=0.95, classes=10):
    return coach.findings(trainer, {**GOOD_TABLE, **(table or {})}, outcome(accuracy, classes))


def test_of_a_network_that_is_well_nothing_is_said(trainer):
    assert said(trainer) == []


def test_chance_level_is_named_with_which_way_to_go(trainer):
    (line,) = said(trainer, {"loss": [2.3, 2.29, 2.3], **NOTHING_LEARNT}, accuracy=0.11)
    assert line == (
        "chance level: test accuracy 0.1100, and answering always the commonest class gives 0.1000; the training loss "
        "went from 2.3 to 2.3 with a learning rate of 0.002; try --set train.optimizer.adam.learning_rate=0.02"
    )
    assert said(trainer, {"loss": [2.3, 2.4, 2.6], **NOTHING_LEARNT}, accuracy=0.11)[0].endswith("learning_rate=0.0002")
    fast = replace(trainer, experiment=load("digits", [parse_set("train.optimizer.adam.learning_rate=0.1")]))
    assert said(fast, {"loss": [2.3, 2.3, 2.3], **NOTHING_LEARNT}, accuracy=0.11)[0].endswith("learning_rate=0.001")
    assert said(trainer, accuracy=0.2) == []


def test_what_learnt_its_training_examples_is_not_at_chance_level(trainer):
    assert not any("chance" in line for line in said(trainer, accuracy=0.1))


def test_a_few_steps_need_not_lead_anywhere():
    assert said(made("train.epochs=1"), NOTHING_LEARNT, accuracy=0.1) == []
    assert said(made("train.epochs=2"), NOTHING_LEARNT, accuracy=0.1)


def test_a_test_set_that_is_too_small_to_tell_says_nothing_of_chance(trainer):
    assert coach.findings(trainer, {**GOOD_TABLE, **NOTHING_LEARNT}, outcome(1.0, classes=2, n=6)) == []


def test_chance_level_goes_by_the_largest_class(trainer):
    at_half = {"accuracy": [0.5, 0.5, 0.5], "val_accuracy": [0.5] * 3}
    assert said(trainer, at_half, accuracy=0.51, classes=2)
    assert not said(trainer, at_half, accuracy=0.7, classes=2)


def test_a_loss_that_rises_is_named(trainer):
    (line,) = said(trainer, {"loss": [1.0, 0.5, 0.8]})
    assert line == (
        "the loss rises: 0.8 in the last epoch, 0.5 in epoch 2; try --set train.optimizer.adam.learning_rate=0.0002"
    )
    assert said(trainer, {"loss": [1.0, 0.5, 0.51]}) == []
    assert said(trainer, {"loss": [2.3, 0.005, 0.02]}) == []  # as losses near zero do


def test_a_gap_is_named(trainer):
    (line,) = said(trainer, {"accuracy": [0.7, 0.9, 1.0], "val_accuracy": [0.7, 0.9, 0.9], "val_loss": [1, 0.5, 0.7]})
    assert line.startswith(
        "a gap: accuracy 1.0000 on the training examples and 0.9000 on those held out, whose loss was lowest in epoch 2 "
        "of 3; try --set train.callbacks='[early_stopping: "
    )
    (line,) = said(trainer, {"accuracy": [0.7, 0.9, 1.0], "val_accuracy": [0.7, 0.9, 0.9], "val_loss": [1, 0.5, 0.4]})
    assert "try --set preprocessing.augmentation=" in line


def test_an_empty_table_is_no_reason_to_fail(trainer):
    assert coach.findings(trainer, {}, outcome(0.95)) == []


def test_dead_relus_are_counted(trainer):
    kernel = trainer.model.layers[1].kernel
    before = kernel.numpy()
    weights = before.copy()
    weights[..., :3] = -1  # pixels are never below zero
    kernel.assign(weights)
    try:
        (line,) = said(trainer)
    finally:
        kernel.assign(before)
    assert line == (
        "conv2d_0: dead ReLUs: 3 of 6 units are above 0 on none of 256 training examples; "
        "try --set 'model.layers[0].conv2d.kernel_initializer=he_normal'"
    )


def test_at_chance_level_the_weights_that_start_far_off_are_the_cause():
    nothing = {"loss": [2.3, 2.3, 2.3], **NOTHING_LEARNT}
    (line,) = said(made("model.layers[0].conv2d.kernel_initializer=zeros"), nothing, accuracy=0.1)
    assert line == (
        "chance level: test accuracy 0.1000, and answering always the commonest class gives 0.1000; conv2d_0: its weights "
        "have a standard deviation of 0, and He's start one of 0.28; "
        "try --set 'model.layers[0].conv2d.kernel_initializer=he_normal'"
    )
    tiny = "kernel_initializer={random_normal: {stddev: 0.0001}}"
    (line,) = said(made(f"model.layers[0].conv2d.{tiny}", f"model.layers[2].conv2d.{tiny}"), nothing, accuracy=0.1)
    assert (
        "(also conv2d_2); try --set 'model.layers[0].conv2d.kernel_initializer=he_normal' --set 'model.layers[2]"
        in line
    )


def test_at_chance_level_a_rate_that_is_far_too_large_is_the_only_cause():
    fast = made("train.optimizer.adam.learning_rate=1", "model.layers[0].conv2d.kernel_initializer=zeros")
    (line,) = said(fast, {"loss": [1000, 2.3, 2.3], **NOTHING_LEARNT}, accuracy=0.1)
    assert line.endswith("with a learning rate of 1; try --set train.optimizer.adam.learning_rate=0.001")


def test_a_loss_that_hardly_falls_wants_a_larger_rate(trainer):
    (line,) = said(trainer, {"loss": [2.3, 2.29, 2.28, 2.27, 2.26]})
    assert line == (
        "slow: the training loss went from 2.3 to 2.26 in 5 epochs with a learning rate of 0.002; "
        "try --set train.optimizer.adam.learning_rate=0.02"
    )
    assert said(trainer, {"loss": [2.3, 2.29, 2.28, 2.27]}) == []


def test_a_loss_that_is_still_on_its_way_wants_more_epochs(trainer):
    (line,) = said(trainer, {"loss": [2.3, 2.0, 1.7, 1.4, 1.1]})
    assert line == (
        "not at its end: of what the training loss fell, 25 % was in the last fifth of 5 epochs; "
        "try --set train.epochs=60"
    )
    assert said(trainer, {"loss": [2.3, 1.5, 1.2, 1.1, 1.0]}) == []


def test_saturation_is_measured():
    layers = "[flatten, dense: {units: 20, activation: tanh, kernel_initializer: {truncated_normal: 50}}, dense: 10]"
    (line,) = said(made(f"model.layers={layers}"))
    assert line.startswith("dense_1: saturated: ")
    assert line.endswith(
        "% of the tanh's outputs are at its bounds, where no gradient passes; "
        "try --set 'model.layers[1].dense.kernel_initializer=glorot_uniform'"
    )


def test_what_it_says_to_try_is_an_option_that_is_understood(trainer):
    for table, accuracy in (({"loss": [1, 2, 3]}, 0.1), ({"accuracy": [0.9, 1, 1], "val_accuracy": [0.5] * 3}, 0.5)):
        for line in said(trainer, table, accuracy):
            change = line.partition("--set ")[2].replace("'", "")
            load("digits", [parse_set(change)])


def test_on_several_devices_activations_are_not_looked_at(trainer):
    several = type("Strategy", (), {"num_replicas_in_sync": 2})()
    assert said(replace(trainer, strategy=several)) == []
