"""Exact pixel statistics: every level of every channel is counted."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnlab.data.dataset import Examples

LEVELS = 256
SAMPLE, SAMPLE_BYTES = 1000, 1 << 26  # images, and the memory that they may take


@dataclass(frozen=True)
class PixelStatistics:
    """Of every channel, pixels as 0 to 1: mean and standard deviation; the least and the greatest level, 0 to 255."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    low: tuple[int, ...]
    high: tuple[int, ...]


def pixel_statistics(examples: Examples) -> PixelStatistics:
    """Over all pixels of all images; read in parts where they are on disk."""
    counts = np.zeros((examples.images.shape[-1], LEVELS), np.int64)
    for part in examples.chunks():
        counts += _counts(examples.images[part])
    levels = np.arange(LEVELS) / (LEVELS - 1)
    total = counts.sum(axis=1)
    mean = counts @ levels / total
    variance = counts @ levels**2 / total - mean**2
    present = [np.flatnonzero(channel) for channel in counts]
    return PixelStatistics(
        tuple(mean.tolist()),
        tuple(np.sqrt(np.maximum(variance, 0)).tolist()),
        tuple(int(channel[0]) for channel in present),
        tuple(int(channel[-1]) for channel in present),
    )


def _counts(images: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The histogram of each channel, (channels, 256)."""
    channels = images.shape[-1]
    return np.stack([np.bincount(images[..., channel].ravel(), minlength=LEVELS) for channel in range(channels)])


def border_brightness(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The mean of the outermost pixels of each image (n, height, width, channels), as 0 to 1: (n,)."""
    inner = images[:, 1:-1, 1:-1]
    total = images.sum(axis=(1, 2, 3), dtype=np.int64) - inner.sum(axis=(1, 2, 3), dtype=np.int64)
    means: NDArray[np.float64] = total / ((images[0].size - inner[0].size) * (LEVELS - 1))
    return means


def mean_border_brightness(examples: Examples) -> float:
    """Of a sample of the images, spread evenly over all."""
    most = min(SAMPLE, max(1, SAMPLE_BYTES // int(np.prod(examples.images.shape[1:]))))
    step = -(-len(examples) // most)
    return float(border_brightness(examples.take(slice(0, None, step)).images[:]).mean())
