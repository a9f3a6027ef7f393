"""Pairs of images that are equal or nearly so: found by a perceptual hash, then confirmed by their pixels."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnlab.data.dataset import Examples
from cnnlab.terminal import image_progress, note

FREQUENCIES = 8  # of the cosine transform, in either direction: 63 bits without the mean
MAX_DISTANCE = 4  # bits; of 1,000 images of hands, MNIST and CIFAR-10, recompressed by JPEG 75, > 99 % are within it
MIN_CORRELATION = 0.98
MAX_DEVIATION = 0.25
"""Of the pixels of near-duplicates: Pearson's, and the largest difference of a pixel, with equal brightness and
contrast, relative to the range of the image. benchmarks/near_duplicates.py has what they find and what they miss.
"""
BAND_BITS = 12  # of each of the parts of a hash, of which two near ones have one in common
MAX_CANDIDATES = 20  # pairs per image and part of the hash, beyond which only the first are compared: a film, one scene
BATCH = 1 << 12  # pairs whose pixels are compared at once


@dataclass(frozen=True)
class Place:
    """An example: its split, and its index in it."""

    split: str
    index: int


@dataclass(frozen=True)
class Pair:
    """Two examples whose images are equal, or nearly; `distance` of their hashes in bits, `correlation` of pixels."""

    first: Place
    second: Place
    distance: int
    correlation: float
    is_equal: bool = False

    @property
    def is_across(self) -> bool:
        """Whether they are in different splits."""
        return self.first.split != self.second.split


def equal_pairs(splits: Mapping[str, Examples]) -> list[Pair]:
    """For every image that occurs again, of any split: its first occurrence with each of the others."""
    seen: dict[bytes, Place] = {}
    found = []
    for split, examples in splits.items():
        for index, digest in enumerate(np.ascontiguousarray(examples.digests)):
            place = Place(split, index)
            first = seen.setdefault(digest.tobytes(), place)
            if first is not place:
                found.append(Pair(first, place, 0, 1.0, is_equal=True))
    return found


def near_pairs(splits: Mapping[str, Examples], min_correlation: float | None = None) -> list[Pair]:
    """Pairs of images that are equal up to brightness, contrast, noise and compression, the most alike first.

    Those whose pixels correlate by MIN_CORRELATION and differ nowhere by more than MAX_DEVIATION, or all that correlate
    by `min_correlation`. Images of a single colour are like no other. Of images that are equal only the first of each
    split takes part.
    """
    max_deviation = MAX_DEVIATION if min_correlation is None else np.inf
    min_correlation = MIN_CORRELATION if min_correlation is None else min_correlation
    places, hashes, spectra = _described(splits)
    first, second = _candidates(hashes, spectra, min_correlation)
    shape = next(iter(splits.values())).images.shape[1:]
    batch = max(1, min(BATCH, (1 << 24) // int(np.prod(shape))))
    found = []
    with image_progress() as progress:
        task = progress.add_task("comparing pairs", total=len(first), visible=len(first) > batch)
        for start in range(0, len(first), batch):
            a, b = first[start : start + batch], second[start : start + batch]
            images, others = (_centred(_images(splits, places[part], shape)) for part in (a, b))
            correlations = _correlations(images, others)
            alike = np.flatnonzero(correlations >= min_correlation)
            for at in alike[_deviations(images[alike], others[alike]) <= max_deviation].tolist():
                distance = int(np.bitwise_count(hashes[a[at]] ^ hashes[b[at]]))
                pair = (_place(splits, places[a[at]]), _place(splits, places[b[at]]))
                if _digest(splits, pair[0]) != _digest(splits, pair[1]):
                    found.append(Pair(*pair, distance, float(correlations[at])))
            progress.advance(task, len(a))
    return sorted(found, key=lambda pair: -pair.correlation)


def _place(splits: Mapping[str, Examples], row: NDArray[np.intp]) -> Place:
    return Place([*splits][row[0]], int(row[1]))


def _digest(splits: Mapping[str, Examples], place: Place) -> bytes:
    return bytes(splits[place.split].digests[place.index])


def _images(splits: Mapping[str, Examples], places: NDArray[np.intp], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """The images at `places` (n, 2), the numbers of splits and the indices in them; each file is read in order."""
    images = np.empty((len(places), *shape), np.uint8)
    for number, examples in enumerate(splits.values()):
        here = np.flatnonzero(places[:, 0] == number)
        indices, inverse = np.unique(places[here, 1], return_inverse=True)
        if len(here):
            images[here] = examples.images[indices][inverse]
    return images


def _described(
    splits: Mapping[str, Examples],
) -> tuple[NDArray[np.intp], NDArray[np.uint64], NDArray[np.float32]]:
    """The places (n, 2) of different images, their hashes (n,) and their normalized low frequencies (n, 63)."""
    places, hashes, spectra = [], [], []
    with image_progress() as progress:
        task = progress.add_task("comparing images", total=sum(map(len, splits.values())))
        for number, examples in enumerate(splits.values()):
            first_of_equals = np.zeros(len(examples), bool)
            keys = np.ascontiguousarray(examples.digests).view(np.dtype((np.void, 32))).ravel()
            first_of_equals[np.unique(keys, return_index=True)[1]] = True
            for part in examples.chunks():
                spectrum, is_constant = _spectra(examples.images[part])
                which = np.flatnonzero(first_of_equals[part] & ~is_constant)
                places.append(np.stack([np.full(len(which), number), part.start + which], axis=1))
                spectra.append(_normalized(spectrum[which]))
                hashes.append(_hashes(spectrum[which]))
                progress.advance(task, part.stop - part.start)
    return np.concatenate(places), np.concatenate(hashes), np.concatenate(spectra)


def _spectra(images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The lowest frequencies of the grey images but their means, (n, 63), and which images are of a single colour."""
    channels = images.shape[-1]
    grey = images[..., 0].astype(np.float32) if channels == 1 else images.mean(axis=-1, dtype=np.float32)
    height, width = grey.shape[1:]
    low = _cosines(height) @ grey @ _cosines(width).T
    flat = images.reshape(len(images), -1, images.shape[-1])
    return low.reshape(len(low), -1)[:, 1:], np.asarray((flat == flat[:, :1]).all(axis=(1, 2)))


def _cosines(size: int) -> NDArray[np.float32]:
    """The basis of the discrete cosine transform (DCT-II) of the lowest frequencies, orthonormal, (8, size)."""
    waves = np.cos(np.pi * np.outer(np.arange(FREQUENCIES), np.arange(size) + 0.5) / size) * np.sqrt(2 / size)
    waves[0] /= np.sqrt(2)
    return np.asarray(waves, np.float32)


def _hashes(spectra: NDArray[np.float32]) -> NDArray[np.uint64]:
    """Which frequencies are stronger than the median, as bits (Zauner 2010, pHash)."""
    bits = spectra > np.median(spectra, axis=1, keepdims=True)
    # Each part has bits of all frequencies: the lowest are the same in many images of a data set.
    mixed = bits[:, np.argsort(np.arange(bits.shape[1]) % (MAX_DISTANCE + 1), kind="stable")]
    packed = np.packbits(np.pad(mixed, ((0, 0), (0, 1))), axis=1, bitorder="little")
    return np.ascontiguousarray(packed).view(np.uint64).ravel()


def _normalized(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6), np.float32)


def _candidates(
    hashes: NDArray[np.uint64], spectra: NDArray[np.float32], min_correlation: float
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The pairs whose hashes differ in at most MAX_DISTANCE bits, and whose low frequencies correlate.

    Of MAX_DISTANCE + 1 parts of two such hashes one is equal: for each part, only images that have it in common are
    compared.
    """
    found: list[NDArray[np.intp]] = [np.empty((2, 0), np.intp)]
    is_complete = True
    for shift in range(0, (MAX_DISTANCE + 1) * BAND_BITS, BAND_BITS):
        keys = (hashes >> np.uint64(shift)) & np.uint64((1 << BAND_BITS) - 1)
        left = MAX_CANDIDATES * len(hashes)
        for pairs in _with_equal_keys(keys, hashes, spectra, min_correlation):
            found.append(pairs)
            left -= pairs.shape[1]
            if left < 0:
                is_complete = False
                break
    if not is_complete:
        note(f"more than {MAX_CANDIDATES} pairs per image look alike; not all of them are compared")
    first, second = np.unique(np.concatenate(found, axis=1), axis=1)
    return first, second


def _with_equal_keys(
    keys: NDArray[np.uint64], hashes: NDArray[np.uint64], spectra: NDArray[np.float32], min_correlation: float
) -> Iterator[NDArray[np.intp]]:
    """Pairs (2, n) with equal keys whose hashes and low frequencies are near, by their distance in sorted order."""
    order = np.argsort(keys, kind="stable")
    keys, hashes = keys[order], hashes[order]
    at = np.arange(len(keys) - 1)
    for step in range(1, len(keys)):
        at = at[at + step < len(keys)]
        at = at[keys[at] == keys[at + step]]
        if not len(at):
            return
        near = at[np.bitwise_count(hashes[at] ^ hashes[at + step]) <= MAX_DISTANCE]
        pairs = np.sort(np.stack([order[near], order[near + step]]), axis=0)
        alike = np.einsum("ij,ij->i", spectra[pairs[0]], spectra[pairs[1]]) >= min_correlation
        yield pairs[:, alike]


def _centred(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The pixels (n, m) of images, less their mean."""
    values = images.reshape(len(images), -1).astype(np.float32)
    values -= (values @ np.full(values.shape[1], 1 / values.shape[1], np.float32))[:, None]
    return values


def _correlations(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """Pearson's, of the values (n, m) of each pair, whose means are 0."""
    products, *squares = (np.einsum("ij,ij->i", *pair) for pair in ((first, second), (first, first), (second, second)))
    return np.asarray(products / np.sqrt(squares[0] * squares[1]))


def _deviations(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """The largest difference of the values (n, m) of each pair, with equal standard deviations and means of 0.

    Relative to the larger of their ranges.
    """
    first, second = _normalized(first), _normalized(second)
    largest = np.maximum(np.ptp(first, axis=1), np.ptp(second, axis=1))
    return np.asarray(np.abs(first - second).max(axis=1) / largest)
