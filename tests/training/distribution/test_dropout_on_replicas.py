"""Randomness on several replicas: independent masks, and the accuracy of one device."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from cnnlab.models.determinism import draw_by_replica
from cnnlab.training.distribution.devices import strategy_for
from tests.conftest import invoke

LAYERS = "[flatten, {dense: {units: 48, activation: relu}}, batch_norm, {dropout: 0.3}, {dense: 10}]"
CHANGES = (f"model.layers={LAYERS}", "train.optimizer={adam: 0.01}", "train.schedule=constant", "train.epochs=3")


def test_dropout_and_batch_norm_give_the_accuracy_of_one_device_within_noise(tmp_path):
    changes = [word for change in CHANGES for word in ("--set", change)]
    accuracies = []
    for devices in (1, 2):
        options = ["--seeds", "2", "--devices", devices, "--quiet", "--format", "json"]
        done = invoke("train", "digits", *changes, *options, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        accuracies.append([result["accuracy"] for result in json.loads(done.stdout)])
    one, two = map(np.array, accuracies)
    assert min(one) > 0.8
    np.testing.assert_allclose(two, one, atol=0.06)
    assert two.mean() == pytest.approx(one.mean(), abs=0.03)


def masks_of(prepare):
    """The dropout masks of two replicas in two steps, (steps, replicas, 200)."""
    strategy = strategy_for(2, None)
    with strategy.scope():
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((200,)), keras.layers.Dropout(0.5)])
        prepare(model)
    step = tf.function(lambda: strategy.run(lambda: model(tf.ones((1, 200)), training=True)))
    drawn = [strategy.experimental_local_results(step()) for _ in range(2)]
    return np.array([[mask.numpy().ravel() > 0 for mask in masks] for masks in drawn])


def test_replicas_draw_independent_masks():
    drawn = masks_of(draw_by_replica).reshape(4, 200)
    for number, mask in enumerate(drawn):
        assert 70 < mask.sum() < 130
        for other in drawn[number + 1 :]:
            assert 60 < (mask != other).sum() < 140


def test_keras_alone_gives_every_replica_the_same_mask():
    # If this fails, `draw_by_replica` is no longer needed.
    first, second = masks_of(lambda model: None)
    np.testing.assert_array_equal(first[0], first[1])
    np.testing.assert_array_equal(second[0], second[1])
    assert (first[0] != second[0]).any()


def test_a_single_replica_drops_the_same_as_keras():
    masks = []
    for prepare in (draw_by_replica, lambda model: None):
        keras.utils.set_random_seed(5)
        model = keras.Sequential([keras.Input((200,)), keras.layers.Dropout(0.5)])
        prepare(model)
        masks.append([model(np.ones((1, 200), np.float32), training=True).numpy() for _ in range(3)])
    np.testing.assert_array_equal(*masks)
    assert (masks[0][0] != masks[0][1]).any()
