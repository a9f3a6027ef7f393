import numpy as np
import pytest
import tensorflow as tf

from cnnlab.experiment.augmentation import CutMix, Mixup
from cnnlab.models.augmentation import Augmenter

SIDE = 16
OLD, NEW = np.zeros((3000, SIDE, SIDE, 1), np.float32), np.ones((3000, SIDE, SIDE, 1), np.float32)


def mixed(*steps, seed=3, epoch=0):
    augment = Augmenter(steps)
    images, part = augment.mix(tf.constant(OLD), tf.constant(NEW), augment.draws(len(OLD), seed, epoch))
    return images.numpy(), part.numpy()


def test_cutmix_pastes_a_rectangle_and_counts_its_area():
    images, part = mixed(CutMix())
    np.testing.assert_allclose(part, 1 - images.mean(axis=(1, 2, 3)), atol=1e-6)
    assert set(np.unique(images)) == {0, 1}
    for image in images[:200, ..., 0]:
        rows, columns = np.nonzero(image)
        assert len(rows) == (0 if not len(rows) else (np.ptp(rows) + 1) * (np.ptp(columns) + 1))
    assert (images.mean(axis=0) > 0.1).all()  # anywhere
    assert part.min() < 0.1
    assert part.max() == 1


def test_parts_of_cutmix_are_uniform_with_alpha_1_but_for_what_is_cut_off():
    """The side is sqrt(1 - part) of the image; a centre is anywhere: on average part of it is outside."""
    random = np.random.default_rng(0)
    half = np.sqrt(random.uniform(size=200_000)) / 2
    area = 1.0
    for centre in random.uniform(size=(2, 200_000)):
        area = area * (np.minimum(centre + half, 1) - np.maximum(centre - half, 0))
    _, part = mixed(CutMix())
    assert part.mean() == pytest.approx(1 - area.mean(), abs=0.015)


def test_a_small_alpha_mixes_little_or_all():
    part = mixed(CutMix(alpha=0.01))[1]
    whole = (part > 0.99).mean()
    assert 0.4 < whole < 0.6


def test_with_both_each_image_is_mixed_by_one_of_them():
    images, part = mixed(Mixup(alpha=1.0), CutMix())
    np.testing.assert_allclose(part, 1 - images.mean(axis=(1, 2, 3)), atol=1e-6)
    blended = np.array([0 < image.min() < 1 and np.ptp(image) == 0 for image in images])
    assert blended.mean() == pytest.approx(0.5, abs=0.04)
    assert part[blended].min() >= 0.5
    cut = images[~blended]
    assert set(np.unique(cut)) == {0, 1}
    reordered, _ = mixed(CutMix(), Mixup(alpha=1.0))
    np.testing.assert_array_equal(reordered, images)


def test_mixing_depends_on_epoch_and_seed():
    first = mixed(CutMix())[1]
    np.testing.assert_array_equal(first, mixed(CutMix())[1])
    assert not np.array_equal(first, mixed(CutMix(), epoch=1)[1])
    assert not np.array_equal(first, mixed(CutMix(), seed=4)[1])


def test_parts_are_independent_of_places():
    draws = Augmenter([Mixup(alpha=1.0), CutMix()]).draws(5000, 3, 0).numpy()
    correlations = np.corrcoef(draws.T) - np.eye(5)
    assert np.abs(correlations).max() < 5 / np.sqrt(5000)
