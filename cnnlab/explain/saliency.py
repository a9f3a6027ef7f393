"""Which pixels speak for a class, and whether the trained weights have anything to do with it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cnnlab.models.inference import to_input
from cnnlab.models.inspection import output_in

Array = NDArray[np.float32]
STEPS, MOST_STEPS = 32, 256  # of integrated gradients; doubled until the sum is near enough
TOLERANCE = 0.01  # of the sum, as a share of the difference of the scores
BATCH = 64  # images between the baseline and the image at once
METHODS = ("Grad-CAM", "gradient", "integrated gradients")


@dataclass(frozen=True)
class Map:
    """How much each place speaks for a class, (height, width), and the same of the network with shuffled weights.

    `correlation` is Spearman's between the two, of absolute values, None where one of them is constant.
    """

    method: str
    values: Array
    shuffled: Array
    correlation: float | None


@dataclass(frozen=True)
class ClassMaps:
    """The maps of a class; `completeness` is what integrated gradients sum to, and what they should."""

    label: int
    maps: Sequence[Map]
    completeness: tuple[float, float]


def explain(
    model: keras.Model,
    pixels: NDArray[np.uint8],
    labels: Sequence[int],
    cam_layer: str | None,
    seed: int,
    after_maps: Callable[[int], None] = lambda count: None,
) -> list[ClassMaps]:
    """The maps of these classes for an image (height, width, channels); without `cam_layer` no Grad-CAM.

    `after_maps` gets how many of all classes, with both weights, are done.

    The weights are shuffled within each array (Adebayo et al. 2018, who draw them anew), which keeps their scale and
    is no return to the weights that the training began with; they are put back.
    """
    image = to_input(tf.constant(pixels))[None]
    done = 0

    def maps(label: int) -> tuple[dict[str, Array], tuple[float, float]]:
        nonlocal done
        found = _maps(model, image, label, cam_layer)
        done += 1
        after_maps(done)
        return found

    trained = [maps(label) for label in labels]
    with shuffled(model, seed):
        random = [maps(label) for label in labels]
    lit: NDArray[np.bool_] = np.any(pixels, axis=-1)
    return [
        ClassMaps(label, [_compared(name, own[name], other[name], lit) for name in own], completeness)
        for label, (own, completeness), (other, _) in zip(labels, trained, random, strict=True)
    ]


def _compared(method: str, own: Array, other: Array, lit: NDArray[np.bool_]) -> Map:
    """Integrated gradients only where the image is not black: elsewhere they are 0 whatever the weights are."""
    pair = (own[lit], other[lit]) if method == "integrated gradients" else (own, other)
    return Map(method, own, other, rank_correlation(*pair))


def _maps(
    model: keras.Model, image: tf.Tensor, label: int, cam_layer: str | None
) -> tuple[dict[str, Array], tuple[float, float]]:
    attributions, wanted = integrated_gradients(model, image, label)
    maps = {"Grad-CAM": grad_cam(model, image, label, cam_layer)} if cam_layer else {}
    maps |= {"gradient": gradient(model, image, label), "integrated gradients": attributions.sum(axis=-1)}
    return maps, (float(attributions.sum(dtype=np.float64)), wanted)


def grad_cam(model: keras.Model, image: tf.Tensor, label: int, layer: str) -> Array:
    """Grad-CAM at the resolution of the layer, not negative, of an image (1, ...) in [0, 1]. Selvaraju et al. 2017.

    The channels are weighted by the means of the gradients of the class's output, and what is negative becomes 0.
    """
    both = keras.Model(model.input, [output_in(model.get_layer(layer)), model.output])
    images = _twice(image)
    with tf.GradientTape() as tape:
        tape.watch(images)
        features, outputs = both(images, training=False)
        score = outputs[0, label]
    slopes = tape.gradient(score, features)
    weights = tf.reduce_mean(tf.cast(slopes, tf.float32), axis=(1, 2))
    found: Array = tf.nn.relu(tf.einsum("nhwc,nc->nhw", tf.cast(features, tf.float32), weights))[0].numpy()
    return found


def gradient(model: keras.Model, image: tf.Tensor, label: int) -> Array:
    """The largest of the channels' absolute gradients of the class's output. Simonyan et al. 2013."""
    found: Array = np.abs(_slopes(model, _twice(image), label)[0]).max(axis=-1)
    return found


def integrated_gradients(model: keras.Model, image: tf.Tensor, label: int) -> tuple[Array, float]:
    """Attributions (height, width, channels) against a black image, and what they should sum to.

    That is the difference of the class's outputs for the image and for black. Sundararajan et al. 2017; by the midpoint
    rule, of more steps until the sum is within 1 %.
    """
    ends = model(tf.concat([image, tf.zeros_like(image)], 0), training=False)[:, label]
    wanted = float(ends[0] - ends[1])
    steps = STEPS
    while True:
        shares = (np.arange(steps, dtype=np.float32) + 0.5) / steps
        total = np.zeros(image.shape[1:], np.float64)
        for first in range(0, steps, BATCH):
            part = tf.reshape(tf.constant(shares[first : first + BATCH]), (-1, 1, 1, 1))
            total += _slopes(model, part * image, label).sum(axis=0, dtype=np.float64)
        attributions = (image[0].numpy() * total / steps).astype(np.float32)
        if steps >= MOST_STEPS or abs(attributions.sum(dtype=np.float64) - wanted) <= TOLERANCE * abs(wanted):
            return attributions, wanted
        steps *= 2


def _twice(image: tf.Tensor) -> tf.Tensor:
    """A batch of two, of which the first counts: see `models.inspection` for what a batch of one does."""
    return tf.repeat(image, 2, axis=0)


def _slopes(model: keras.Model, images: tf.Tensor, label: int) -> Array:
    """Gradients of the class's output by the pixels of each image."""
    with tf.GradientTape() as tape:
        tape.watch(images)
        scores = tf.cast(model(images, training=False)[:, label], tf.float32)
    found: Array = tape.gradient(scores, images).numpy()
    return found


@contextmanager
def shuffled(model: keras.Model, seed: int) -> Iterator[None]:
    """The values of each weight in another order, within the weight; put back at the end."""
    random = np.random.default_rng(seed)
    before = [weight.numpy() for weight in model.weights]
    try:
        for weight, values in zip(model.weights, before, strict=True):
            weight.assign(random.permutation(values.ravel()).reshape(values.shape))
        yield
    finally:
        for weight, values in zip(model.weights, before, strict=True):
            weight.assign(values)


def rank_correlation(first: Array, second: Array) -> float | None:
    """Spearman's, of absolute values; None where one map is constant or not finite."""
    from scipy.stats import spearmanr

    pair = [np.abs(one).ravel() for one in (first, second)]
    if any(len(one) < 2 or not np.isfinite(one).all() or np.ptp(one) == 0 for one in pair):
        return None
    return float(spearmanr(*pair).statistic)
