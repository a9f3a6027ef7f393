"""Optical Recognition of Handwritten Digits: 1,797 real digits that come inside scikit-learn."""

import numpy as np

from cnnlab.data.dataset import Examples, Loader, Origin, Source
from cnnlab.data.splits import split
from cnnlab.experiment.data.published import DIGITS, Digits

TEST_EXAMPLES = 360  # a fifth


def load(data: Digits) -> Source:
    """1,437 training and 360 test images (n, 28, 28, 1) uint8 in [0, 255]; labels (n,) int32, 0 to 9.

    Alpaydin and Kaynak 1998 (UCI, CC BY 4.0): 8×8 grey images of 17 levels, here enlarged to MNIST's 28×28 so that
    every network for MNIST takes them. The stratified test set is always the same.
    """
    from PIL import Image
    from sklearn.datasets import load_digits

    bunch = load_digits()
    levels = np.rint(bunch.images * (255 / 16)).astype(np.uint8)
    enlarged = [np.asarray(Image.fromarray(image).resize((28, 28), Image.Resampling.BICUBIC)) for image in levels]
    everything = Examples(np.stack(enlarged)[..., np.newaxis], bunch.target.astype(np.int32))
    train, test = split(everything, TEST_EXAMPLES)
    return Source(train, test, DIGITS, origin=Origin("scikit-learn"))


LOADER = Loader(load, place=lambda _: "inside scikit-learn", fetch=lambda _: [])
