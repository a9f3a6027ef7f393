"""Confusions, and two dimensions of the last hidden layer."""

import numpy as np
import pytest

from cnnlab.explain.confusions import most_frequent
from cnnlab.explain.embedding import embed
from cnnlab.models.inference import Outcome


def test_principal_components_keep_the_distances_of_flat_data():
    random = np.random.default_rng(0)
    plane = np.linalg.qr(random.normal(size=(7, 2)))[0]
    flat = random.normal(size=(50, 2))
    found = embed((flat @ plane.T).astype(np.float32), "pca", 0)
    distances = [np.linalg.norm(points[:, None] - points[None], axis=-1) for points in (flat, found.points)]
    np.testing.assert_allclose(*distances, atol=1e-4)
    assert found.axes[0].startswith("component 1: ")


@pytest.mark.parametrize(
    "features", [np.ones((3, 1), np.float32), np.random.default_rng(0).random((12, 5), np.float32)]
)
def test_few_examples_have_two_dimensions_too(features):
    assert embed(features, "pca", 0).points.shape == (len(features), 2)


def test_tsne_separates_two_clusters():
    random = np.random.default_rng(0)
    features = np.concatenate([random.normal(size=(20, 5)), 8 + random.normal(size=(20, 5))]).astype(np.float32)
    points = embed(features, "tsne", 0).points
    centres = points[:20].mean(axis=0), points[20:].mean(axis=0)
    assert all(np.linalg.norm(point - centres[0]) < np.linalg.norm(point - centres[1]) for point in points[:20])


def test_confusions_are_ordered_by_frequency_and_their_examples_by_score():
    labels = np.array([0, 0, 0, 1, 1, 2], np.int32)
    scores = np.array(
        [[0.2, 0.6, 0.2], [0.1, 0.9, 0], [0.9, 0, 0.1], [0.1, 0.2, 0.7], [0, 1, 0], [0, 0, 1]], np.float32
    )
    found = most_frequent(Outcome(labels, scores, np.zeros(6, np.float32)), 5)
    assert [(one.truth, one.predicted, one.examples.tolist()) for one in found] == [(0, 1, [1, 0]), (1, 2, [3])]
    assert most_frequent(Outcome(labels, np.eye(3, dtype=np.float32)[labels], np.zeros(6, np.float32)), 5) == []
