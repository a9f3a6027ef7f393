"""Random images that a network can learn to classify: for trials, tests and benchmarks."""

import numpy as np

from cnnlab.data.dataset import Examples, Loader, Origin, Source
from cnnlab.experiment.data import Synthetic

SEED = 0  # the same images in every run, whatever its training seed
COARSE = 4  # a class's pattern has this many cells a side, so that convolutions find something in it


def load(data: Synthetic) -> Source:
    """Images (n, *image_shape) uint8 in [0, 255]; labels (n,) int32, every class equally often to within one.

    An image is its class's pattern, a coarse grid of random values, mixed with uniform noise.
    """
    random = np.random.default_rng(SEED)
    height, width, channels = data.image_shape
    rows, columns = np.arange(height) * COARSE // height, np.arange(width) * COARSE // width
    cells = random.random((data.num_classes, COARSE, COARSE, channels), np.float32)
    patterns = cells[:, rows][:, :, columns]
    sizes = data.train_examples, data.test_examples
    train, test = (_draw(patterns, size, data.noise, random) for size in sizes)
    names = tuple(str(label) for label in range(data.num_classes))
    return Source(train, test, names, origin=Origin("a random generator"))


def _draw(patterns: np.ndarray, size: int, noise: float, random: np.random.Generator) -> Examples:
    labels = random.permutation(np.arange(size, dtype=np.int32) % len(patterns))
    images = np.empty((size, *patterns.shape[1:]), np.uint8)
    examples = Examples(images, labels)
    mix, levels = np.float32(255 * (1 - noise)), np.float32(255 * noise)
    for part in examples.chunks():
        drawn = random.random(images[part].shape, np.float32)
        drawn *= levels
        drawn += mix * patterns[labels[part]]
        np.rint(drawn, out=drawn)
        images[part] = drawn
    return examples


LOADER = Loader(load, place=lambda _: "drawn at random", fetch=lambda _: [])
