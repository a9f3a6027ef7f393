"""The protocol of a contestant in a race to an accuracy. Imports only NumPy.

`python -m benchmarks.contestants.race_X EXPERIMENT DATA TARGET`: EXPERIMENT is the output of
`cnnlab show --format json`, DATA an .npz with standardized images float32 and labels of the training and the validation
examples, and the learning rate of each step. Validation images come in several views with weights, by which the
outputs of the network are averaged.
"""

import json
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

SPLITS = ("train", "validation")


class Part(NamedTuple):
    """Images (n, height, width, channels), for validation (views, n, height, width, channels), and labels (n,)."""

    images: NDArray[np.float32]
    labels: NDArray[np.int64]


class Attempt(NamedTuple):
    """The seconds of the training passes, how many there were, and the validation accuracy after the last."""

    seconds: float
    epochs: int
    accuracy: float


class Race(NamedTuple):
    """The experiment, the examples, the weights of the views of validation images (views,), the learning rates of all
    steps, and the validation accuracy to reach.
    """

    experiment: dict[str, Any]
    train: Part
    validation: Part
    views: NDArray[np.float32]
    rates: NDArray[np.float32]
    target: float


def read_race() -> Race:
    """The race given on the command line."""
    with np.load(sys.argv[2]) as data:
        train, validation = (Part(data[f"{split}_images"], data[f"{split}_labels"]) for split in SPLITS)
        return Race(json.loads(sys.argv[1]), train, validation, data["views"], data["rates"], float(sys.argv[3]))


def serve(run: Callable[[int], Attempt]) -> None:
    """Warm up by one training and say so, then answer each line of standard input, a seed, with an attempt."""
    run(0)
    print("warm", flush=True)
    for line in sys.stdin:
        print(*run(int(line)), flush=True)
