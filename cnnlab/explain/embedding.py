"""The last hidden layer's outputs for many examples, in two dimensions."""

from dataclasses import dataclass
from typing import Literal

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cnnlab.data import Examples
from cnnlab.models.graph import compiled
from cnnlab.models.inference import to_input

Method = Literal["pca", "tsne"]
PERPLEXITY = 30  # scikit-learn's default; at most a third of the examples


@dataclass(frozen=True)
class Embedding:
    """Points (n, 2) float64, and what the axes are called."""

    points: NDArray[np.float64]
    axes: tuple[str, str]


def hidden(model: keras.Model, layer: str, examples: Examples, batch_size: int) -> NDArray[np.float32]:
    """The input (n, features) of a layer, which is the last hidden layer's output, for all examples."""
    partial = keras.Model(model.input, model.get_layer(layer).input)
    specification = tf.TensorSpec([None, *model.input_shape[1:]], tf.uint8)
    run = compiled(lambda images: tf.cast(partial(to_input(images), training=False), tf.float32), [specification])
    found = []
    for part in examples.chunks(multiple=batch_size):
        images = examples.images[part]
        found += [run(images[first : first + batch_size]).numpy() for first in range(0, len(images), batch_size)]
    return np.concatenate(found).reshape(len(examples), -1)


def embed(features: NDArray[np.float32], method: Method, seed: int) -> Embedding:
    """Features (n, m) in two dimensions, with their principal components or by t-SNE (van der Maaten, Hinton 2008)."""
    if method == "tsne":
        from sklearn.manifold import TSNE

        perplexity = min(PERPLEXITY, max(1, (len(features) - 1) // 3))
        points = TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(features)
        return Embedding(points.astype(np.float64), ("t-SNE 1", "t-SNE 2"))
    from sklearn.decomposition import PCA

    points, shares = np.zeros((len(features), 2)), [0.0, 0.0]
    if np.ptp(features, axis=0).any():  # without any variance there are no components
        count = min(2, *features.shape)
        pca = PCA(count, random_state=seed).fit(features)
        points[:, :count] = pca.transform(features)
        shares[:count] = pca.explained_variance_ratio_
    first, second = (f"component {n}: {share:.0%} of the variance" for n, share in enumerate(shares, start=1))
    return Embedding(points, (first, second))
