"""Near-duplicates: images that are equal up to brightness, contrast, noise and compression."""

import io

import numpy as np
import pytest
from PIL import Image

from cnnlab.data import Examples, near, read
from cnnlab.data.near import equal_pairs, near_pairs
from cnnlab.data.near_findings import near_findings, rows
from cnnlab.experiment.data import Digits


def photographs(count, size=32):
    """Smooth random images in color (n, size, size, 3), whose channels are alike as in photographs."""
    random = np.random.default_rng(count)
    grey, tint = random.integers(30, 226, (count, 6, 6, 1)), random.integers(-30, 30, (count, 1, 1, 3))
    coarse = (grey + tint).astype(np.uint8)
    return np.stack(
        [np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC)) for image in coarse]
    )


def examples(images, labels=None):
    return Examples(
        np.asarray(images), np.zeros(len(images), np.int32) if labels is None else np.array(labels, np.int32)
    )


def compressed(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=75)
    return np.asarray(Image.open(file))


def darker(image):
    return (image * 0.6 + 20).astype(np.uint8)


def noisy(image):
    return np.clip(image + np.random.default_rng(0).normal(0, 4, image.shape), 0, 255).astype(np.uint8)


def places(pairs):
    return {(pair.first.split, pair.first.index, pair.second.split, pair.second.index) for pair in pairs}


@pytest.mark.parametrize("changed", [compressed, darker, noisy])
def test_a_changed_copy_is_found_in_another_split(changed):
    images = photographs(200)
    splits = {"train": examples(images), "test": examples([changed(images[7]), *photographs(20)])}
    (pair,) = near_pairs(splits)
    assert places([pair]) == {("train", 7, "test", 0)}
    assert pair.correlation > 0.98
    assert pair.is_across
    assert not pair.is_equal


def test_different_images_of_few_strokes_are_no_pair():
    assert near_pairs({"train": read(Digits(name="digits")).train}) == []


def test_two_images_that_differ_in_a_small_place_are_no_pair():
    image = photographs(1, 64)
    other = image.copy()
    other[:, 30, 30] = np.where(other[:, 30, 30] < 128, 255, 0)
    splits = {"train": examples(np.concatenate([image, other]))}
    assert near_pairs(splits) == []
    assert len(near_pairs(splits, 0.95)) == 1


def test_images_of_a_single_colour_are_like_no_other():
    images = np.full((3, 8, 8, 1), [[[[250]]], [[[251]]], [[[255]]]], np.uint8)
    assert near_pairs({"train": examples(images)}) == []


def test_equal_images_are_pairs_once_each_and_not_nearly_equal():
    (one, other) = photographs(2)
    splits = {"train": examples([one, other, one]), "test": examples([one])}
    pairs = equal_pairs(splits)
    assert places(pairs) == {("train", 0, "train", 2), ("train", 0, "test", 0)}
    assert all(pair.is_equal for pair in pairs)
    assert near_pairs(splits) == []


def test_near_hashes_are_found_by_parts_as_by_comparing_all():
    random = np.random.default_rng(0)
    hashes = random.integers(0, 1 << 62, 300, dtype=np.uint64)
    for number in range(100, 300):  # near ones, up to 8 bits away
        flipped = random.choice(60, number % 9, replace=False).astype(np.uint64)
        hashes[number] = hashes[number % 50] ^ np.bitwise_or.reduce(np.uint64(1) << flipped, initial=np.uint64(0))
    first, second = near._candidates(hashes, np.ones((300, 63), np.float32), 0)
    distances = np.bitwise_count(hashes[:, None] ^ hashes[None])
    expected = np.argwhere(np.triu(distances <= near.MAX_DISTANCE, 1))
    assert len(expected) > 100
    assert {*zip(first.tolist(), second.tolist(), strict=True)} == {*map(tuple, expected.tolist())}


def test_many_images_of_one_scene_are_compared_in_part_which_is_said(capsys):
    scene = photographs(1)[0]
    frames = [np.clip(scene + np.random.default_rng(number).normal(0, 3, scene.shape), 0, 255) for number in range(300)]
    pairs = near_pairs({"train": examples(np.array(frames, np.uint8))})
    assert 300 * near.MAX_CANDIDATES < len(pairs) < 300 * 299 / 2
    assert {place.index for pair in pairs for place in (pair.first, pair.second)} == {*range(300)}
    assert "more than 20 pairs per image look alike; not all of them are compared" in capsys.readouterr().err


def test_what_pairs_mean_for_the_splits():
    images = photographs(6)
    splits = {
        "train": examples([*images, darker(images[1])], [0, 1, 0, 1, 0, 1, 0]),
        "test": examples([darker(images[2])], [0]),
    }
    pairs = near_pairs(splits)
    found = {finding.kind: finding for finding in near_findings(splits, pairs, ["cat", "dog"])}
    assert {kind: (finding.split, finding.count) for kind, finding in found.items()} == {
        "near-leak": ("test", 1),
        "near-duplicates": ("train", 1),
        "near-contradictions": ("train", 1),
    }
    assert found["near-leak"].text == (
        "1 of 1 image nearly equal to one in train, so test results are biased: train 2 ≈ test 0"
    )
    assert found["near-contradictions"].text.endswith("with different labels: train 1 (dog) ≈ train 6 (cat)")
    table = rows(splits, pairs, ["cat", "dog"])
    assert {(row["split_1"], row["index_1"], row["split_2"], row["index_2"], row["same_label"]) for row in table} == {
        ("train", 1, "train", 6, False), ("train", 2, "test", 0, True),
    }  # fmt: skip
