"""Labelled pictures, in memory or in a file."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cnnlab.data.stored import StoredImages, chunks, digests_of

Images = NDArray[np.uint8] | StoredImages
"""Pictures (n, height, width, channels) uint8 in [0, 255]; indexing gives an array."""
Which = NDArray[np.integer] | slice


@dataclass(frozen=True)
class Examples:
    """Images (n, height, width, channels) uint8 in [0, 255]; labels (n,) int32 in [0, num_classes).

    `files` (n,) are the paths that they come from, where each has a file of its own.
    """

    images: Images
    labels: NDArray[np.int32]
    files: NDArray[np.object_] | None = None

    def __len__(self) -> int:
        """The number of examples."""
        return len(self.labels)

    def take(self, which: Which) -> "Examples":
        """These examples, in the order of `which`."""
        images = self.images.take(which) if isinstance(self.images, StoredImages) else self.images[which]
        return Examples(images, self.labels[which], None if self.files is None else self.files[which])

    def chunks(self, multiple: int = 1) -> Iterator[slice]:
        """All examples in parts small enough to be in memory, whose sizes are multiples of `multiple`, but the last."""
        yield from chunks(len(self), int(np.prod(self.images.shape[1:])), multiple)

    @cached_property
    def digests(self) -> NDArray[np.uint8]:
        """SHA-256 of every picture's pixels, (n, 32)."""
        if isinstance(self.images, StoredImages):
            return self.images.digests
        return digests_of(self.images)


@dataclass(frozen=True)
class Source:
    """A data set as it is published: a training set, perhaps one for validation, a test set.

    `genuine` tells whether it has the bytes that were published; None where nobody published any.
    """

    train: Examples
    test: Examples
    class_names: tuple[str, ...]
    validation: Examples | None = None
    genuine: bool | None = None


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
    genuine: bool | None = None

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
