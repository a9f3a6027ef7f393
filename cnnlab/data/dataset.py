"""Labelled images, in memory or in a file."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from cnnlab.data.stored import StoredImages, chunks, digests_of

Images = NDArray[np.uint8] | StoredImages
"""Images (n, height, width, channels) uint8 in [0, 255]; indexing gives an array."""
Which = NDArray[np.integer] | slice
Spec = TypeVar("Spec")
"""The data of an experiment, such as `Mnist`."""


@dataclass(frozen=True)
class Examples:
    """Images (n, height, width, channels) uint8 in [0, 255]; labels (n,) int32 in [0, num_classes).

    `files` (n,) are the paths that they come from, relative to the data set's folder, where each has its own file.
    `groups` (n,) int32 are equal where examples belong together, such as images of one person; None without
    `data.group`. The numbers mean the same in every split. `indices` (n,) are the places that they had in their split
    as it was read, before any were left out or held out.
    """

    images: Images
    labels: NDArray[np.int32]
    files: NDArray[np.object_] | None = None
    groups: NDArray[np.int32] | None = None
    indices: NDArray[np.intp] | None = None

    def __len__(self) -> int:
        """The number of examples."""
        return len(self.labels)

    def take(self, which: Which) -> "Examples":
        """These examples, in the order of `which`."""
        return Examples(
            self.images.take(which) if isinstance(self.images, StoredImages) else self.images[which],
            self.labels[which],
            None if self.files is None else self.files[which],
            None if self.groups is None else self.groups[which],
            None if self.indices is None else self.indices[which],
        )

    def chunks(self, multiple: int = 1) -> Iterator[slice]:
        """All examples in parts small enough to be in memory, whose sizes are multiples of `multiple`, but the last."""
        yield from chunks(len(self), int(np.prod(self.images.shape[1:])), multiple)

    @cached_property
    def digests(self) -> NDArray[np.uint8]:
        """SHA-256 of every image's pixels, (n, 32)."""
        if isinstance(self.images, StoredImages):
            return self.images.digests
        return digests_of(self.images)


@dataclass(frozen=True)
class Remark:
    """A warning about `count` files or values that may not be intended; `kind` is for scripts."""

    kind: str
    count: int
    text: str


@dataclass(frozen=True)
class Origin:
    """Where examples come from, and how they were read; recorded in run.json.

    `skipped` are files that cannot be decoded, each with the reason; `inferred` are options that the experiment leaves
    open and the data decide, such as the range of values.
    """

    place: str = ""
    notes: tuple[str, ...] = ()
    warnings: tuple[Remark, ...] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)
    inferred: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """A data set before splitting: a training set, optionally a validation set, a test set.

    `genuine`: whether its files have the published digests; None if none are published. `group_names` are those of
    the numbers in `Examples.groups`; empty without groups.
    """

    train: Examples
    test: Examples
    class_names: tuple[str, ...]
    validation: Examples | None = None
    genuine: bool | None = None
    origin: Origin = Origin()
    group_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Loader(Generic[Spec]):
    """How a data set is read; of a published one also where it is and how to get it.

    `place` describes where the examples are on this machine, None where they are not. `fetch` downloads missing files
    and returns the paths of all; it is None where the files are the user's. `digests` identify the genuine files by
    name, as `sha256:...`.
    """

    load: Callable[[Spec], Source]
    place: Callable[[Spec], str | None] = lambda _: None
    fetch: Callable[[Spec], Sequence[Path]] | None = None
    digests: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Dataset:
    """The examples that an experiment is trained, validated and tested on.

    `validation` is None where nothing is held out, and the test set itself with `validation: test`. `pool` are the
    examples that are divided into folds, of which one is the test set; None without cross-validation. `group_names` are
    as of `Source`.
    """

    name: str
    train: Examples
    validation: Examples | None
    test: Examples
    class_names: tuple[str, ...]
    genuine: bool | None = None
    origin: Origin = Origin()
    pool: Examples | None = None
    group_names: tuple[str, ...] = ()

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
        """The splits by name, without those that the data set lacks."""
        splits = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: examples for name, examples in splits.items() if examples is not None}

    def absent_classes(self) -> dict[str, list[str]]:
        """The classes of which a split has no examples, by split; splits that have all are left out."""
        absent = {
            split: [self.class_names[label] for label in np.flatnonzero(self._counts(examples) == 0)]
            for split, examples in self.splits().items()
            if not (split == "validation" and examples is self.test)
        }
        return {split: names for split, names in absent.items() if names}

    def _counts(self, examples: Examples) -> NDArray[np.intp]:
        return np.bincount(examples.labels, minlength=self.num_classes)
