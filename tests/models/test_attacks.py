"""Perturbations stay where they may, and are the best where the best is known."""

import numpy as np
import pytest
import tensorflow as tf

from cnnlab.models.attacks import perturb, random_noise, random_start, rounded

SHAPE = (6, 5, 4, 3)
NORMS = ["linf", "l2"]


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, SHAPE).astype(np.float32) / np.float32(255)


def length(change, norm):
    flat = np.reshape(change, (len(change), -1)).astype(np.float64)
    return np.abs(flat).max(axis=1) if norm == "linf" else np.linalg.norm(flat, axis=1)


def perturbed(losses, images, epsilon, norm, steps=20, start=None):
    epsilon = tf.fill([len(images)], epsilon)
    start = tf.zeros_like(images) if start is None else start
    run = tf.function(
        lambda: perturb(
            losses, tf.constant(images), start, epsilon=epsilon, step_size=epsilon / 5, steps=steps, norm=norm
        )
    )
    return run().numpy()


@pytest.mark.parametrize("norm", NORMS)
def test_perturbed_images_stay_in_the_ball_and_in_range(images, norm):
    start = random_start(tf.constant(SHAPE), tf.constant([1, 2]), norm)
    found = perturbed(lambda x: tf.reduce_sum(tf.sin(20 * x), axis=[1, 2, 3]), images, 0.3, norm, start=start)
    assert found.min() >= 0
    assert found.max() <= 1
    assert (length(found - images, norm) <= 0.3 + 1e-6).all()
    assert (length(found - images, norm) > 0.1).all()


@pytest.mark.parametrize("norm", NORMS)
def test_the_best_perturbation_for_a_linear_loss_is_found(norm):
    weights = np.random.default_rng(1).normal(size=SHAPE[1:]).astype(np.float32)
    images = np.full(SHAPE, 0.5, np.float32)
    found = perturbed(lambda x: tf.reduce_sum(weights * x, axis=[1, 2, 3]), images, 0.1, norm)
    best = np.sign(weights) if norm == "linf" else weights / np.linalg.norm(weights)
    np.testing.assert_allclose(found - images, np.broadcast_to(0.1 * best, SHAPE), atol=1e-6)


def test_tiny_gradients_have_a_direction():
    images = np.full(SHAPE, 0.5, np.float32)
    found = perturbed(lambda x: 1e-30 * tf.reduce_sum(x, axis=[1, 2, 3]), images, 0.1, "l2")
    np.testing.assert_allclose(length(found - images, "l2"), 0.1, rtol=1e-5)


@pytest.mark.parametrize("norm", NORMS)
def test_starts_are_within_the_unit_ball_and_noise_is_on_its_boundary(norm):
    shape, seed = tf.constant([500, *SHAPE[1:]]), tf.constant([3, 4])
    starts = length(random_start(shape, seed, norm).numpy(), norm)
    assert starts.max() <= 1 + 1e-6
    assert starts.min() < 0.999
    np.testing.assert_allclose(length(random_noise(shape, seed, norm).numpy(), norm), 1, rtol=1e-5)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("epsilon", [8 / 255, 0.02, 0.3, 1.0])
def test_rounded_images_are_within_epsilon(images, norm, epsilon):
    change = epsilon * random_noise(tf.constant(SHAPE), tf.constant([5, 6]), norm).numpy()
    files = rounded(
        tf.constant(np.clip(images + change, 0, 1)), tf.constant(images), tf.fill([len(images)], epsilon), norm
    )
    assert files.dtype == tf.uint8
    lengths = length(files.numpy() / 255 - images, norm)
    assert (lengths <= epsilon + 1e-6).all()
    assert lengths.max() > 0.5 * epsilon or epsilon < 0.05


def test_whole_steps_of_a_pixel_are_not_lost_in_rounding():
    images = np.full(SHAPE, np.float32(100 / 255))
    files = rounded(tf.constant(images + np.float32(8 / 255)), tf.constant(images), tf.fill([6], 8 / 255), "linf")
    np.testing.assert_array_equal(files, 108)
