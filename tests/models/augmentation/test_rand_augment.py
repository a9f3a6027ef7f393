import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from cnnlab.experiment.augmentation import RandAugment
from cnnlab.models.augmentation import Augmenter
from cnnlab.models.augmentation.rand_augment import chosen, operations

SIDE = 32
M, LEVEL = 18, 18 / 30
ENHANCED = {
    "color": ImageEnhance.Color,
    "contrast": ImageEnhance.Contrast,
    "brightness": ImageEnhance.Brightness,
    "sharpness": ImageEnhance.Sharpness,
}
BY_PILLOW = {
    "identity": (lambda image: image, 0),
    "autocontrast": (ImageOps.autocontrast, 1),
    "equalize": (ImageOps.equalize, 0),
    "posterize": (lambda image: ImageOps.posterize(image, 6), 0),
    "solarize": (lambda image: ImageOps.solarize(image, 256 * (1 - LEVEL)), 0),
} | {name: (lambda image, kind=kind: kind(image).enhance(1 + 0.9 * LEVEL), 3) for name, kind in ENHANCED.items()}


@pytest.fixture(scope="module")
def photos():
    """Smooth ones without black and white, (4, height, width, 3) uint8."""
    random = np.random.default_rng(0).integers(0, 256, (4, 5, 5, 3), dtype=np.uint8)
    noisy = [Image.fromarray(one).resize((SIDE, SIDE), Image.Resampling.BICUBIC) for one in random]
    return np.stack([np.array(one.filter(ImageFilter.SHARPEN)) for one in noisy]).clip(20, 230)


def applied(name, photos, sign=1.0, **options):
    images = tf.constant(photos / 255, tf.float32)
    step = RandAugment(magnitude=M, **options)
    return operations(step)[name](images, tf.fill([len(photos)], sign)).numpy()


@pytest.mark.parametrize("channels", [3, 1])
@pytest.mark.parametrize("name", BY_PILLOW)
def test_an_operation_does_what_pillow_does(photos, name, channels):
    theirs, levels = BY_PILLOW[name]
    photos = photos[..., :channels]
    expected = np.stack([np.asarray(theirs(Image.fromarray(one.squeeze()))).reshape(one.shape) for one in photos])
    found = 255 * np.clip(applied(name, photos), 0, 1)
    assert np.abs(found - expected).max() <= levels + 0.01
    assert name in ("identity", "color") or np.abs(found - photos).max() > 2


def test_a_single_level_is_unchanged_by_autocontrast_and_equalize():
    gray = np.full((2, 8, 8, 1), 77, np.uint8)
    for name in ("autocontrast", "equalize"):
        np.testing.assert_allclose(applied(name, gray), gray / 255, atol=1e-6)


@pytest.mark.parametrize("sign", [1, -1])
def test_geometric_operations_move_by_their_magnitude(photos, sign):
    def matrix_of_pillow(*rows):
        centre = (SIDE - 1) / 2 + 0.5
        (a, b, c), (d, e, f) = rows
        shift = (c + centre - a * centre - b * centre, f + centre - d * centre - e * centre)
        return [
            np.asarray(
                Image.fromarray(one).transform(
                    (SIDE, SIDE), Image.Transform.AFFINE, (a, b, shift[0], d, e, shift[1]), Image.Resampling.BILINEAR
                )
            )
            for one in photos
        ]

    shear, pixels, angle = sign * 0.3 * LEVEL, sign * 150 / 331 * SIDE * LEVEL, np.deg2rad(sign * 30 * LEVEL)
    cases = {
        "shear_x": ((1, shear, 0), (0, 1, 0)),
        "shear_y": ((1, 0, 0), (shear, 1, 0)),
        "translate_x": ((1, 0, pixels), (0, 1, 0)),
        "translate_y": ((1, 0, 0), (0, 1, pixels)),
        "rotate": ((np.cos(angle), -np.sin(angle), 0), (np.sin(angle), np.cos(angle), 0)),
    }
    inner = np.s_[:, 8:-8, 8:-8]
    for name, rows in cases.items():
        found = 255 * applied(name, photos, float(sign))
        moved = np.stack(matrix_of_pillow(*rows)).astype(float)
        seen = (found[inner] > 0) & (moved[inner] > 0)
        assert seen.mean() > 0.4, name
        assert np.abs(found[inner] - moved[inner])[seen].mean() < 2, name


def test_each_image_gets_each_operation_equally_often_and_only_its_own():
    step = RandAugment(num_ops=1, magnitude=M, fill="reflect")
    images = tf.constant(np.random.default_rng(0).uniform(0, 1, (700, 8, 8, 3)), tf.float32)
    augment = Augmenter([step])
    draws = augment.draws(700, 3, 0)
    which, signs = chosen(draws, 0, 14)
    assert np.bincount(which, minlength=14).min() > 25
    assert np.mean(signs) == pytest.approx(0, abs=0.15)
    found = augment(images, draws).numpy()
    for index, function in enumerate(operations(step).values()):
        drawn = np.flatnonzero(which.numpy() == index)
        np.testing.assert_allclose(found[drawn], function(tf.gather(images, drawn), tf.gather(signs, drawn)), atol=1e-6)


def test_a_single_image_and_tiny_images_are_augmented():
    for shape in ((1, 1, 1, 1), (2, 2, 2, 4)):
        augment = Augmenter([RandAugment(num_ops=10)])
        for epoch in range(5):
            new = augment(tf.fill(shape, 0.5), augment.draws(shape[0], 3, epoch)).numpy()
            assert new.shape == shape
            assert np.isfinite(new).all()


def test_magnitude_0_changes_only_what_has_no_magnitude(photos):
    images = tf.constant(photos / 255, tf.float32)
    for name, function in operations(RandAugment(magnitude=0)).items():
        new = function(images, tf.ones([len(photos)])).numpy()
        changes = name in ("autocontrast", "equalize")
        assert (np.abs(new - images).max() > 1e-5) == changes, name
