"""Adversarial training in the compiled epoch."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from cnnlab.experiment.adversarial import Adversarial
from cnnlab.experiment.augmentation import Mixup
from cnnlab.experiment.losses import CrossEntropy
from cnnlab.training.engine.engine import Engine
from tests.training.engine.test_engine import examples, last, new_model, weights_of  # noqa: F401

STILL = 1e-30  # a learning rate too small to change the weights


def epoch(examples, adversarial, **options):  # noqa: F811
    model = new_model(optimizer=keras.optimizers.SGD(STILL))
    return last(
        Engine(model, CrossEntropy(), examples, batch_size=64, seed=0, adversarial=adversarial, **options).epoch(0)
    )


def test_the_loss_is_that_of_images_one_gradient_step_away(examples):  # noqa: F811
    progress = epoch(examples, Adversarial(epsilon=0.1, steps=1, step_size=0.1, random_start=False))
    model, images = new_model(), tf.constant(examples.images / np.float32(255), tf.float32)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    with tf.GradientTape() as tape:
        tape.watch(images)
        value = loss(examples.labels, model(images))
    perturbed = tf.clip_by_value(images + 0.1 * tf.sign(tape.gradient(value, images)), 0, 1)
    assert progress.loss == pytest.approx(float(loss(examples.labels, model(perturbed))), rel=1e-4)
    assert progress.loss > 1.05 * float(value)


def test_more_steps_and_a_larger_ball_find_a_larger_loss(examples):  # noqa: F811
    losses = [
        epoch(examples, Adversarial(epsilon=epsilon, steps=steps)).loss
        for epsilon, steps in ((0.05, 1), (0.05, 10), (0.1, 10))
    ]
    assert losses == sorted(losses)
    assert losses[-1] > 1.05 * losses[0]


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_random_starts_depend_on_the_epoch_and_the_step_only(examples, norm):  # noqa: F811
    def trained(first_call):
        model = new_model()
        adversarial = Adversarial(epsilon=0.1, steps=2, norm=norm)
        engine = Engine(model, CrossEntropy(), examples, batch_size=64, seed=0, adversarial=adversarial)
        engine._steps_per_call = first_call
        for number in range(2):
            last(engine.epoch(number))
        return weights_of(model)

    for one, other in zip(trained(1), trained(3), strict=True):
        np.testing.assert_array_equal(one, other)


def test_mixed_images_are_perturbed_away_from_both_labels(examples):  # noqa: F811
    adversarial = Adversarial(epsilon=0.1, steps=3, random_start=False)
    mixed = {"augmentation": [Mixup(alpha=0.4)]}
    assert epoch(examples, adversarial, **mixed).loss > 1.05 * epoch(examples, None, **mixed).loss


def test_the_default_step_is_two_and_a_half_times_epsilon_over_steps():
    assert Adversarial(epsilon=0.2, steps=5).step == pytest.approx(0.1)
    assert Adversarial(epsilon=0.2, steps=5, step_size=0.3).step == 0.3


def test_perturbations_grow_in_the_warm_up(examples):  # noqa: F811
    adversarial = Adversarial(epsilon=0.2, steps=1, step_size=0.2, random_start=False, warmup=1)
    model = new_model(optimizer=keras.optimizers.SGD(STILL))
    engine = Engine(model, CrossEntropy(), examples, batch_size=64, seed=0, adversarial=adversarial)
    losses = [last(engine.epoch(number)).loss for number in range(3)]
    half, full = (
        epoch(examples, Adversarial(epsilon=size, steps=1, step_size=size, random_start=False)).loss
        for size in (0.1, 0.2)
    )
    assert losses == pytest.approx([half, full, full], rel=1e-5)
