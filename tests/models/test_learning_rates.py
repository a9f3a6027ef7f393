"""Learning rates of single weights."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from cnnlab.experiment.schema import Experiment
from cnnlab.models.build import Inputs, attach_optimizer, build_for

LAYERS = [{"conv2d": {"filters": 4, "kernel_size": 3}}, "batch_norm", "flatten", {"dense": 3}]
OPTIMIZERS = [{"sgd": {"learning_rate": 0.1}}, {"sgd": {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True}}]


def changes(optimizer, factor, steps=2):
    """What a few steps on the same gradients change of each weight, by its name."""
    data = {"name": "synthetic", "image_shape": [8, 8, 3], "num_classes": 3}
    train = {"optimizer": optimizer, "bias_learning_rate_factor": factor}
    experiment = Experiment.model_validate({"name": "rates", "data": data, "model": {"layers": LAYERS}, "train": train})
    keras.utils.set_random_seed(0)
    model = build_for(experiment, Inputs((8, 8, 3), 3))
    attach_optimizer(model, experiment.train)
    before = [np.asarray(variable) for variable in model.trainable_variables]
    for _ in range(steps):
        model.optimizer.apply([tf.ones_like(value) for value in before], model.trainable_variables)
    return {
        variable.path: np.asarray(variable) - value
        for variable, value in zip(model.trainable_variables, before, strict=True)
    }


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
def test_biases_move_further_by_the_factor_and_other_weights_as_far(optimizer):
    one, eight = changes(optimizer, 1), changes(optimizer, 8)
    is_bias = {path: path.endswith(("/bias", "/beta")) for path in one}
    assert sorted(path for path, bias in is_bias.items() if bias) == [
        "batch_norm_1/beta",
        "conv2d_0/bias",
        "dense_3/bias",
    ]
    for path, bias in is_bias.items():
        np.testing.assert_allclose(eight[path], one[path] * (8 if bias else 1), rtol=1e-5, err_msg=path)


def test_weight_decay_is_that_of_the_learning_rate_alone():
    decayed = {"sgd": {"learning_rate": 0.1, "weight_decay": 0.5}}
    with_decay, without = changes(decayed, 8, steps=1), changes(OPTIMIZERS[0], 8, steps=1)
    # Biases begin with 0, which does not decay; after a step of -0.8 the next one decays that by 0.05.
    np.testing.assert_allclose(with_decay["dense_3/bias"], without["dense_3/bias"], rtol=1e-6)
    twice, plain = changes(decayed, 8), changes(OPTIMIZERS[0], 8)
    np.testing.assert_allclose(twice["dense_3/bias"] - plain["dense_3/bias"], 0.05 * 0.8, rtol=1e-5)
