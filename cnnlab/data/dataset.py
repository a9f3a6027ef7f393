"""Labelled pictures in memory."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Examples:
    """Images (n, height, width, channels) uint8 in [0, 255]; labels (n,) int32 in [0, num_classes)."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int32]

    def __len__(self) -> int:
        """The number of examples."""
        return len(self.labels)

    def take(self, indices: "NDArray[np.intp] | slice") -> "Examples":
        """These examples, in the order of `indices`."""
        return Examples(self.images[indices], self.labels[indices])


@dataclass(frozen=True)
class Source:
    """A data set as it is published: a training set and a test set."""

    train: Examples
    test: Examples
    class_names: tuple[str, ...]


@dataclass(frozen=True)
class Dataset:
    """What one experiment trains on, watches and is measured on.

    `validation` is None where nothing is held out, and the test set itself where the experiment says so.
    """

    name: str
    train: Examples
    validation: Examples | None
    test: Examples
    class_names: tuple[str, ...]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        height, width, channels = self.train.images.shape[1:]
        return height, width, channels

    @property
    def num_classes(self) -> int:
        """The number of classes, with or without examples."""
        return len(self.class_names)

    def splits(self) -> dict[str, Examples]:
        """The splits that there are, by name."""
        splits = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: examples for name, examples in splits.items() if examples is not None}

    def fingerprint(self) -> str:
        """SHA-256 over every split's shape, pixels and labels: equal where the examples are equal, in order."""
        return _digest(self.splits().values())


def _digest(splits: Iterable[Examples]) -> str:
    digest = hashlib.sha256()
    for examples in splits:
        digest.update(repr(examples.images.shape).encode())
        digest.update(np.ascontiguousarray(examples.images).data)
        digest.update(np.ascontiguousarray(examples.labels).data)
    return digest.hexdigest()
