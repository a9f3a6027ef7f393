import keras
import numpy as np
import pytest
import tensorflow as tf
from pydantic import TypeAdapter

from cnnlab.experiment.augmentation import Augmentation
from cnnlab.models.augmentation import Augmenter, color, geometry
from cnnlab.training.engine.batch import order_of

SPEC = TypeAdapter(Augmentation)
SIDE = 12


def augmenter(*steps):
    return Augmenter([SPEC.validate_python(step) for step in steps])


def test_neither_range_nor_type_of_the_pixels_changes(images):
    extreme = np.round(images)
    for step in ALL:
        new = augment_checked(extreme, step)
        assert 0 <= new.min() <= new.max() <= 1 + 1e-6, step


def augment_checked(images, step):
    new = augmented(images, step)
    assert new.dtype == np.float32
    assert np.isfinite(new).all()
    return new


@pytest.fixture(scope="module")
def images():
    """64 images without black pixels, so that padding is recognizable."""
    return np.random.default_rng(0).uniform(0.1, 1, (64, SIDE, SIDE, 3)).astype(np.float32)


def augmented(images, *steps, seed=3, epoch=0):
    augment = augmenter(*steps)
    return augment(tf.constant(images), augment.draws(len(images), seed, epoch)).numpy()


ALL = [
    "horizontal_flip",
    "vertical_flip",
    "alternating_flip",
    {"random_crop": 2},
    {"translation": 0.25},
    {"rotation": 20},
    {"zoom": 0.3},
    {"brightness": 0.3},
    {"contrast": 0.3},
    {"saturation": 0.3},
    {"gaussian_noise": 0.1},
    {"cutout": 4},
    "random_erasing",
    "rand_augment",
]


def test_without_steps_nothing_is_changed():
    assert augmenter().draws(10, 0, 0) is None


@pytest.mark.parametrize("step", ALL)
def test_every_step_depends_on_epoch_and_seed(images, step):
    first = augmented(images, step)
    assert first.shape == images.shape
    assert not np.array_equal(first, images)
    np.testing.assert_array_equal(first, augmented(images, step))
    assert not np.array_equal(first, augmented(images, step, epoch=1))
    assert not np.array_equal(first, augmented(images, step, seed=4))


@pytest.mark.parametrize("step", ALL)
def test_an_augmented_image_does_not_depend_on_its_batch(images, step):
    """The result depends only on the random numbers of the image, not on the batch size or replica."""
    augment = augmenter(step)
    draws = augment.draws(len(images), 3, 0)
    full = augment(tf.constant(images), draws).numpy()
    some = np.array([40, 7, 63])
    np.testing.assert_array_equal(augment(tf.constant(images[some]), tf.gather(draws, some)).numpy(), full[some])


def test_two_steps_of_a_kind_use_different_random_numbers(images):
    draws = augmenter({"cutout": 4}, {"cutout": 4}).draws(64, 0, 0).numpy()
    assert not np.array_equal(draws[:, :2], draws[:, 2:])


def test_a_flip_mirrors_about_half_of_the_images(images):
    flipped = augmented(images, "horizontal_flip")
    mirrored = [np.array_equal(new, old[:, ::-1]) for new, old in zip(flipped, images, strict=True)]
    same = [np.array_equal(new, old) for new, old in zip(flipped, images, strict=True)]
    assert np.all(np.array(mirrored) | np.array(same))
    assert 16 < sum(mirrored) < 48


def test_an_alternating_flip_mirrors_each_image_in_every_second_epoch(images):
    epochs = [augmented(images, "alternating_flip", epoch=epoch) for epoch in range(4)]
    mirrored = [np.array_equal(new, old[:, ::-1]) for new, old in zip(epochs[0], images, strict=True)]
    assert 16 < sum(mirrored) < 48
    np.testing.assert_array_equal(epochs[1], epochs[0][:, :, ::-1])
    np.testing.assert_array_equal(epochs[2], epochs[0])
    np.testing.assert_array_equal(epochs[3], epochs[1])


def test_an_alternating_flip_does_not_depend_on_the_order_of_the_examples():
    size = 1000
    mirrored = augmenter("alternating_flip").draws(size, 3, 0).numpy()[:, 0] < 0.5
    first_half = order_of(size, 3, 0).numpy()[: size // 2]
    assert 200 < mirrored[first_half].sum() < 300


@pytest.mark.parametrize(("step", "most"), [({"random_crop": 2}, 2), ({"translation": 0.25}, 3)])
def test_shifts_are_integral_and_filled_with_black(images, step, most):
    shifts = set()
    for new, old in zip(augmented(images, step), images, strict=True):
        padded = np.pad(old, [(most, most), (most, most), (0, 0)])
        found = [
            (y - most, x - most)
            for y in range(2 * most + 1)
            for x in range(2 * most + 1)
            if np.array_equal(padded[y : y + SIDE, x : x + SIDE], new)
        ]
        assert len(found) == 1
        shifts.add(found[0])
    assert {y for y, _ in shifts} == {x for _, x in shifts} == set(range(-most, most + 1))


def test_rotation_by_a_right_angle_is_exact_and_within_its_range(images):
    draws = tf.constant([[1.0, 0.0], [0.5, 0.0], [0.0, 0.0]])  # plus 90, none, minus 90 degrees
    turned = augmenter({"rotation": 90})(tf.constant(images[:3]), draws).numpy()
    np.testing.assert_allclose(turned[1], images[1], atol=1e-6)
    ways = {1: np.rot90(images[0], 1), -1: np.rot90(images[0], -1)}
    way = next(way for way, expected in ways.items() if np.allclose(turned[0], expected, atol=1e-4))
    np.testing.assert_allclose(turned[2], np.rot90(images[2], -way), atol=1e-4)


def test_cutout_blacks_out_a_square_of_its_size_at_a_random_position(images):
    corners = set()
    for new, old in zip(augmented(images, {"cutout": 4}), images, strict=True):
        rows, columns = np.nonzero((new == 0).all(axis=-1))
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert len(rows) == height * width  # a complete rectangle, smaller at the border
        assert 2 <= height <= 4
        assert 2 <= width <= 4
        inside = (new != 0).any(axis=-1)
        np.testing.assert_array_equal(new[inside], old[inside])
        corners.add((rows[0], columns[0]))
    assert len(corners) > 30


@pytest.mark.parametrize("fill", ["nearest", "reflect"])
@pytest.mark.parametrize("step", [{"random_crop": {"padding": 20}}, {"translation": {"fraction": 0.9}}], ids=str)
def test_shifts_are_filled_from_the_image(images, step, fill):
    """As NumPy pads, even further than the image is wide."""
    ((kind, options),) = step.items()
    most = 20 if kind == "random_crop" else 10
    mode = {"nearest": "edge", "reflect": "symmetric"}[fill]
    draws = augmenter(step).draws(len(images), 3, 0).numpy()
    new = augmented(images, {kind: {**options, "fill": fill}})
    for image, old, (y, x) in zip(new, images, (draws * (2 * most + 1)).astype(int), strict=True):
        padded = np.pad(old, [(most, most), (most, most), (0, 0)], mode)
        np.testing.assert_array_equal(image, padded[y : y + SIDE, x : x + SIDE])


@pytest.mark.parametrize("fill", ["constant", "nearest", "reflect"])
def test_a_zoom_is_that_of_keras(images, fill):
    draws = tf.constant(np.linspace([0, 0], [1, 1], len(images)), tf.float32)
    new = augmenter({"zoom": {"factor": 0.5, "fill": fill}})(tf.constant(images), draws).numpy()
    theirs = keras.layers.RandomZoom(0.5, fill_mode=fill)
    zoom = 0.5 + draws[:, :1]  # 0.5 shows the inner half, twice as large
    expected = theirs.transform_images(tf.constant(images), {"height_zoom": zoom, "width_zoom": zoom})
    np.testing.assert_allclose(new, expected, atol=1e-5)
    half = augmenter({"zoom": {"factor": 0.5, "fill": fill}})(tf.constant(images[:1]), tf.constant([[0.5, 0.0]]))
    np.testing.assert_allclose(half, images[:1], atol=1e-6)


def test_rotation_translation_and_zoom_are_interpolated_once(images, monkeypatch):
    """A rotation and its opposite give back the image, and what was shifted out of view comes in again."""
    calls = []
    affine = geometry.affine
    monkeypatch.setattr(geometry, "affine", lambda *arguments: calls.append(1) or affine(*arguments))
    steps = [
        {"rotation": 30},
        {"translation": 0.5},
        {"zoom": 0.5},
        {"zoom": 0.5},
        {"translation": 0.5},
        {"rotation": 30},
    ]
    smaller, larger = 1.0, 1 / 6  # 1.5 and 1 / 1.5
    draws = tf.constant([[0.9, 0, 0.99, 0.99, smaller, 0, larger, 0, 0, 0, 0.1, 0]])
    new = augmenter(*steps)(tf.constant(images[:1]), draws).numpy()
    np.testing.assert_allclose(new, images[:1], atol=1e-4)
    assert len(calls) == 1


def test_steps_of_one_transform_are_done_in_their_order(images):
    """One after another where nothing is lost at the border: quarter turns and whole pixels."""
    quarter, shift = [1.0, 0.0], [0.99, 0.5]
    turn = augmenter({"rotation": 90})(tf.constant(images[:1]), tf.constant([quarter]))
    expected = augmenter({"translation": 0.25})(turn, tf.constant([shift])).numpy()
    both = augmenter({"rotation": 90}, {"translation": 0.25})(tf.constant(images[:1]), tf.constant([quarter + shift]))
    np.testing.assert_allclose(both.numpy(), expected, atol=1e-4)


def test_steps_with_another_fill_are_another_transform(images):
    draws = tf.constant([[0.2, 0.0, 0.0, 0.0]])
    fills = ({"rotation": {"degrees": 45, "fill": "nearest"}}, {"zoom": {"factor": 0.5, "fill": "constant"}})
    first = augmenter(fills[0])(tf.constant(images[:1]), draws[:, :2])
    expected = augmenter(fills[1])(first, draws[:, 2:])
    np.testing.assert_array_equal(augmenter(*fills)(tf.constant(images[:1]), draws), expected)


def test_a_vertical_flip_mirrors_about_half_of_the_images(images):
    flipped = augmented(images, "vertical_flip")
    mirrored = [np.array_equal(new, old[::-1]) for new, old in zip(flipped, images, strict=True)]
    same = [np.array_equal(new, old) for new, old in zip(flipped, images, strict=True)]
    assert np.all(np.array(mirrored) | np.array(same))
    assert 16 < sum(mirrored) < 48


def test_random_numbers_reach_both_ends_of_their_range_and_do_not_exceed_them():
    draws = augmenter({"rotation": 20}).draws(20_000, 3, 0)
    degrees = np.rad2deg(geometry.angle(SPEC.validate_python({"rotation": 20}), draws))
    zoom = geometry.scale(SPEC.validate_python({"zoom": 0.2}), draws)
    added = color.factor(SPEC.validate_python({"brightness": 0.3}), draws)
    times = color.factor(SPEC.validate_python({"contrast": 0.3}), draws)
    for values, low, high in ((degrees, -20, 20), (zoom, 0.8, 1.2), (added, -0.3, 0.3), (times, 0.7, 1.3)):
        values, width = np.asarray(values), high - low
        assert low - 1e-5 * width <= values.min() < low + 1e-3 * width
        assert high - 1e-3 * width < values.max() <= high + 1e-5 * width
        assert values.mean() == pytest.approx((low + high) / 2, abs=4 * width / np.sqrt(12 * 20_000))


def test_random_numbers_are_independent_of_images_epochs_and_steps():
    draws = [augmenter("brightness", "contrast").draws(5_000, 3, epoch).numpy() for epoch in (0, 1)]
    columns = np.concatenate([*draws, np.roll(draws[0], 1, axis=0)], axis=1)
    correlations = np.corrcoef(columns.T) - np.eye(columns.shape[1])
    assert np.abs(correlations).max() < 5 / np.sqrt(5_000)


def test_mixup_keeps_the_larger_part_and_mixes_by_it(images):
    augment = augmenter({"mixup": 1.0})
    draws = augment.draws(64, 0, 0)
    partners = images[::-1]
    mixed, part = augment.mix(tf.constant(images), tf.constant(partners), draws)
    part = part.numpy()
    assert part.min() >= 0.5
    assert part.max() <= 1
    assert np.ptp(part) > 0.3
    weight = part[:, None, None, None]
    np.testing.assert_allclose(mixed.numpy(), weight * images + (1 - weight) * partners, rtol=1e-6)


def test_mixup_parts_are_beta_distributed():
    """With alpha 1 the parts are uniform, so the larger one has mean 3/4."""
    parts = augmenter({"mixup": 1.0}).draws(20_000, 0, 0).numpy()[:, -1]
    assert parts.mean() == pytest.approx(0.75, abs=0.005)
    assert augmenter({"mixup": 1e-3}).draws(1000, 0, 0).numpy()[:, -1].mean() > 0.99
