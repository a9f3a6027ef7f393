import keras
import numpy as np
import pytest
import tensorflow as tf

from cnnlab.experiment.augmentation import GaussianNoise, RandomErasing
from cnnlab.models.augmentation import Augmenter, color, erasing, noise


@pytest.fixture(scope="module")
def images():
    """One black, one white, one gray and 13 random ones."""
    random = np.random.default_rng(0).uniform(0, 1, (16, 9, 7, 3)).astype(np.float32)
    for index, value in enumerate((0, 1, 0.4)):
        random[index] = value
    return tf.constant(random)


def test_brightness_is_added(images):
    added = np.linspace(-1, 1, 16).astype(np.float32)
    layer = keras.layers.RandomBrightness(1.0, value_range=(0, 1))
    expected = layer.transform_images(images, {"rgb_delta": added[:, None, None, None]})
    np.testing.assert_allclose(color.brightness(images, tf.constant(added)), expected, atol=1e-6)


def test_contrast_is_that_of_keras(images):
    factors = np.linspace(0, 2, 16).astype(np.float32)
    layer = keras.layers.RandomContrast(1.0, value_range=(0, 1))
    expected = layer.transform_images(images, {"contrast_factor": factors[:, None, None, None]})
    np.testing.assert_allclose(color.contrast(images, tf.constant(factors)), expected, atol=1e-6)


def test_saturation_is_that_of_hsv(images):
    factors = np.linspace(0, 2, 16).astype(np.float32)
    layer = keras.layers.RandomSaturation(1.0, value_range=(0, 1))
    expected = layer.transform_images(images, {"factor": tf.constant(factors)})
    found = color.saturation(images, tf.constant(factors)).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.ptp(found[0], axis=-1).max() == 0
    np.testing.assert_array_equal(found[:3], images[:3])  # black, white and gray have no color


def test_the_mean_image_is_unchanged_by_brightness_and_contrast():
    image = np.random.default_rng(1).uniform(0.4, 0.6, (1, 8, 8, 1)).astype(np.float32)
    many = tf.repeat(tf.constant(image), 4_000, axis=0)
    for change, step in ((color.brightness, 0.2), (color.contrast, 1.0)):
        factors = tf.random.stateless_uniform([4_000], [1, 2], -step, step) + (change is color.contrast)
        np.testing.assert_allclose(tf.reduce_mean(change(many, factors), axis=0), image[0], atol=0.01)


# Noise


@pytest.fixture(scope="module")
def keys():
    return Augmenter([GaussianNoise()]).draws(400, 3, 0)


def test_normal_noise_has_mean_0_and_variance_1_and_tails(keys):
    values = noise.normal(keys, (16, 16, 3)).numpy()
    assert values.mean() == pytest.approx(0, abs=4 / np.sqrt(values.size))
    assert values.var() == pytest.approx(1, abs=4 * np.sqrt(2 / values.size))
    for limit, share in ((1, 0.3173), (2, 0.0455), (3, 0.0027)):
        assert (np.abs(values) > limit).mean() == pytest.approx(share, rel=0.05)


def test_noise_is_independent_over_pixels_images_and_epochs(keys):
    values = noise.normal(keys, (64,)).numpy()
    later = noise.normal(Augmenter([GaussianNoise()]).draws(400, 3, 1), (64,)).numpy()
    for rows in (values, values.T, np.concatenate([values.T, later.T])):
        correlations = np.corrcoef(rows) - np.eye(len(rows))
        assert np.abs(correlations).max() < 6 / np.sqrt(rows.shape[1])
    assert len({row.tobytes() for row in values}) == 400


@pytest.mark.parametrize("shape", [(1,), (3, 3, 3), (4, 4, 1)])
def test_noise_of_an_odd_number_of_pixels(keys, shape):
    values = noise.uniform(keys, shape).numpy()
    assert values.shape == (400, *shape)
    assert values.min() < 0.01 < 0.99 < values.max()
    assert values.mean() == pytest.approx(0.5, abs=4 / np.sqrt(12 * values.size))


def test_gaussian_noise_has_its_standard_deviation(keys):
    gray = tf.fill([400, 8, 8, 1], 0.5)
    new = Augmenter([GaussianNoise(stddev=0.1)])(gray, keys).numpy()
    assert new.mean() == pytest.approx(0.5, abs=0.003)
    assert new.std() == pytest.approx(0.1, rel=0.02)


# Random erasing


@pytest.mark.parametrize("shape", [(16, 16, 1), (9, 30, 3)])
def test_random_erasing_replaces_a_rectangle_within_the_image(shape):
    step = RandomErasing(probability=0.7, min_area=0.1, max_area=0.3)
    augment = Augmenter([step])
    draws = augment.draws(500, 3, 0)
    old = np.full((500, *shape), 2, np.float32)
    erased = (augment(tf.constant(old), draws).numpy() != old).any(axis=-1)
    areas = []
    for rows, columns in (np.nonzero(one) for one in erased if one.any()):
        assert len(rows) == (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
        areas.append(len(rows) / erased[0].size)
    assert len(areas) / 500 == pytest.approx(0.7, abs=0.08)
    assert 0.08 < min(areas) < 0.12
    assert 0.28 < max(areas) < 0.33
    assert np.mean(areas) == pytest.approx(0.2, abs=0.01)
    assert (erased.mean(axis=0) > 0).all()  # also at the borders


@pytest.mark.parametrize("sides", [(16, 16), (4, 40), (40, 4), (1, 1)])
def test_rectangles_have_their_area_whatever_the_ratio(sides):
    step = RandomErasing(min_area=0.5, max_area=1.0, min_ratio=0.01)
    draws = Augmenter([step]).draws(2_000, 3, 0)
    rows, columns = (one.numpy() for one in erasing.erased_sides(step, sides, draws))
    assert rows.min() >= 1
    assert columns.min() >= 1
    assert rows.max() <= sides[0]
    assert columns.max() <= sides[1]
    expected = 0.5 + 0.5 * draws[:, 1].numpy()
    np.testing.assert_allclose(rows * columns / np.prod(sides), expected, atol=0.5 / min(sides))
