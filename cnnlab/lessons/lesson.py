"""What a worked example consists of."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from cnnlab.lessons import texts
from cnnlab.lessons.convolution import Array


@dataclass(frozen=True)
class Step:
    """An array of a worked example, and what the lecture prints of it."""

    title: str
    values: Array
    """(height, width, channels), or (values,) after flattening."""
    lines: Sequence[str] = ()
    """How it is computed, number by number."""
    printed: Array | None = None
    """As the lecture prints it; its first values where that prints not all."""
    printed_shape: tuple[int, ...] | None = None
    """As the lecture prints it, where it prints the shape only."""
    cut: bool = False
    """Whether the lecture cuts its numbers to two digits."""
    rounded: bool = False
    """Whether the lecture rounds them to whole numbers, halves up."""

    @property
    def agrees(self) -> bool | None:
        """Whether it is what the lecture prints; None where that prints nothing of it."""
        if self.printed_shape is not None:
            return self.values.shape == self.printed_shape
        if self.printed is None:
            return None
        values = texts.cut(self.values) if self.cut else self.values
        values = np.floor(values + 0.5) if self.rounded else values
        same_start = values[tuple(slice(size) for size in self.printed.shape)]
        return same_start.shape == self.printed.shape and bool(np.allclose(same_start, self.printed, atol=1e-9))


@dataclass(frozen=True)
class Lesson:
    """A worked example of a lecture."""

    source: str
    """The lecture."""
    about: str
    work: Callable[[], list[Step]] = field(repr=False)
    """Computes it."""


def image(rows: Sequence[Sequence[float]] | Array) -> Array:
    """Rows as an image of one channel."""
    return np.asarray(rows, np.float64)[:, :, None]


def kernel(*filters: Sequence[Sequence[float]]) -> Array:
    """Filters of one input channel as kernels, one output channel each."""
    return np.stack([np.asarray(rows, np.float64) for rows in filters], axis=-1)[:, :, None, :]


def shown(kernels: Array) -> Array:
    """Kernels as an image, one channel for each."""
    return kernels.reshape(*kernels.shape[:2], -1)
