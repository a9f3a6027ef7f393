"""What the sources of a user's own data have in common."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from cnnlab.data.dataset import Examples, Origin, Source
from cnnlab.data.sources import checks, ranges
from cnnlab.data.splits import split
from cnnlab.errors import ConfigError, DataError
from cnnlab.experiment.data.base import count_of
from cnnlab.experiment.data.own import OwnArrays, OwnData

NO_ORIGIN = Origin()


@dataclass(frozen=True)
class Arrays:
    """Images and labels as they were read, and where each comes from."""

    images_from: Path | str
    images: NDArray[Any]
    labels_from: Path | str
    labels: NDArray[Any]


def from_arrays(data: OwnArrays, place: Path, splits: Mapping[str, Arrays]) -> Source:
    """The examples of `train` and, where they are, of `validation` and `test`, brought to bytes and checked.

    Raises DataError naming the place where a shape, a count, a range or a label is not what was said.
    """
    try:
        converted = ranges.to_bytes([(str(part.images_from), part.images) for part in splits.values()], data.range)
    except ranges.Unclear as error:
        raise DataError(f"{place}: {error}") from None
    found = {
        name: checks.examples(
            images,
            part.labels,
            data.image_shape,
            data.num_classes,
            (part.images_from, part.labels_from),
            data.label_offset,
        )
        for (name, part), images in zip(splits.items(), converted.images, strict=True)
    }
    origin = Origin(
        str(place.absolute()), converted.notes, converted.remarks, resolved={"range": list(converted.range)}
    )
    names = data.class_names or checks.numbered(data.num_classes, data.label_offset)
    return source(data, found["train"], found.get("test"), names, found.get("validation"), origin)


def source(
    data: OwnData,
    train: Examples,
    test: Examples | None,
    class_names: tuple[str, ...],
    validation: Examples | None = None,
    origin: Origin = NO_ORIGIN,
) -> Source:
    """The source, its test set set aside from the training examples where there is none. Raises ConfigError."""
    if test is None:
        count = count_of(data.test, len(train))
        if not 0 < count < len(train):
            raise ConfigError(
                f"data.test: {data.test:,} of {len(train):,} examples to set aside as the test set; "
                "expected some, and some left; try --set data.test=0.2"
            )
        train, test = split(train, count)
    return Source(train, test, class_names, validation, origin=origin)
