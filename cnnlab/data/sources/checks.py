"""Checks that the examples of every source have in common."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from cnnlab.data.dataset import Examples
from cnnlab.errors import DataError
from cnnlab.experiment.data.user import MAX_LABEL_OFFSET
from cnnlab.messages import pluralize

Where = Path | str
Content = TypeVar("Content")


def read_all(readers: Mapping[str, Callable[[], Content]]) -> dict[str, Content]:
    """What every reader returns, by name. Raises one DataError with the faults of all of them."""
    contents, faults = {}, list[str]()
    for name, read in readers.items():
        try:
            contents[name] = read()
        except DataError as error:
            faults.append(str(error))
    if faults:
        *others, last = dict.fromkeys(faults)
        _, separator, advice = last.rpartition("; ")
        # Advice that several share is given once, at the end.
        raise DataError("; ".join([*(other.removesuffix(separator + advice) for other in others), last]))
    return contents


def examples(
    images: NDArray[np.uint8],
    labels: NDArray[Any],
    image_shape: Sequence[int],
    num_classes: int,
    where: tuple[Where, Where],
    label_offset: int = 0,
) -> Examples:
    """Images (n, height, width) or (n, height, width, channels) and labels (n,), checked; `where` each comes from.

    Integer labels count from `label_offset`. Raises DataError naming the place where a shape, a count or a
    label is not as specified.
    """
    images_from, labels_from = where
    if images.ndim == 3:
        images = images[..., np.newaxis]
    if labels.ndim not in (1, 2) or not (np.issubdtype(labels.dtype, np.number) or labels.dtype == bool):
        raise DataError(f"{labels_from}: labels {labels.shape} of {labels.dtype}; expected an integer each, or one-hot")
    if images.shape[1:] != tuple(image_shape):
        got = "×".join(map(str, images.shape[1:]))
        raise DataError(f"{images_from}: images of {got}, expected {'×'.join(map(str, image_shape))}")
    if len(images) != len(labels):
        for_images = f"for the {pluralize(len(images), 'image')} of {_name(images_from)}"
        raise DataError(f"{labels_from}: {pluralize(len(labels), 'label')} {for_images}")
    if not len(labels):
        raise DataError(f"{labels_from}: has no examples")
    return Examples(images, _checked_labels(labels, num_classes, labels_from, label_offset))


def _checked_labels(labels: NDArray[Any], num_classes: int, where: Where, offset: int) -> NDArray[np.int32]:
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 2 and labels.shape[1] == num_classes:
        return _from_one_hot(labels, where).astype(np.int32)
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise DataError(f"{where}: labels of shape {labels.shape} and type {labels.dtype}; expected one integer each")
    low, high = int(labels.min()), int(labels.max())
    last = offset + num_classes - 1
    if low < offset or high > last:
        advice = ""
        if high - low < num_classes and 0 < low <= MAX_LABEL_OFFSET:
            advice = f"; if they count from {low}, --set data.label_offset={low}"
        got = low if low < offset else high
        raise DataError(
            f"{where}: has a label {got}; the labels of {num_classes} classes are {offset} to {last}{advice}"
        )
    return (labels.astype(np.int64) - offset).astype(np.int32)


def _from_one_hot(labels: NDArray[Any], where: Where) -> NDArray[np.intp]:
    if not ((np.count_nonzero(labels, axis=1) == 1) & (labels.max(axis=1) == 1)).all():
        raise DataError(f"{where}: not one-hot: expected a single 1 among zeros for every label")
    best: NDArray[np.intp] = labels.argmax(axis=1)
    return best


def numbered(num_classes: int, first: int = 0) -> tuple[str, ...]:
    """Names for classes without names: their numbers in the file."""
    return tuple(map(str, range(first, first + num_classes)))


def _name(where: Where) -> str:
    return where.name if isinstance(where, Path) else where
