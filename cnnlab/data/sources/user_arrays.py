"""What the sources of user data have in common."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from cnnlab.data.dataset import Examples, Origin, Remark, Source
from cnnlab.data.groups import with_size_remark
from cnnlab.data.sources import checks, ranges
from cnnlab.data.splits import split
from cnnlab.errors import ConfigError, DataError
from cnnlab.experiment.data.base import UserData, count_of
from cnnlab.experiment.data.user import Idx, Raw, UserArrays
from cnnlab.messages import pluralize

NO_ORIGIN = Origin()
Reader = Callable[[str], tuple[Path, NDArray[Any]]]
"""From the name of a file to where it is and the array in it."""


@dataclass(frozen=True)
class Arrays:
    """Images and labels as they were read, and where each comes from."""

    images_from: Path | str
    images: NDArray[Any]
    labels_from: Path | str
    labels: NDArray[Any]


def from_files(data: Idx | Raw, read_images: Reader, read_labels: Reader) -> Source:
    """The examples of two files, or four with a test set. Raises DataError with what is wrong with any of them."""
    names = {"train": (data.train_images, data.train_labels)}
    if data.test_images and data.test_labels:
        names["test"] = data.test_images, data.test_labels
    readers = {}
    for split_name, (images, labels) in names.items():
        readers[f"{split_name} images"] = partial(read_images, images)
        readers[f"{split_name} labels"] = partial(read_labels, labels)
    found = checks.read_all(readers)
    splits = {name: Arrays(*found[f"{name} images"], *found[f"{name} labels"]) for name in names}
    return from_arrays(data, found["train images"][0].parent, splits)


def from_arrays(data: UserArrays, place: Path, splits: Mapping[str, Arrays], remarks: Sequence[Remark] = ()) -> Source:
    """The examples of `train` and, where they are, of `validation` and `test`, brought to bytes and checked.

    Raises DataError naming the place where a shape, a count, a range or a label is not as specified.
    """
    try:
        converted = ranges.to_bytes([(str(part.images_from), part.images) for part in splits.values()], data.range)
    except ranges.AmbiguousRange as error:
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
        str(place.absolute()),
        converted.notes,
        (*remarks, *converted.remarks),
        inferred={"range": list(converted.range)},
    )
    names = data.class_names or checks.numbered(data.num_classes, data.label_offset)
    return source(data, found["train"], found.get("test"), names, found.get("validation"), origin)


def source(
    data: UserData,
    train: Examples,
    test: Examples | None,
    class_names: tuple[str, ...],
    validation: Examples | None = None,
    origin: Origin = NO_ORIGIN,
) -> Source:
    """The source; a missing test set is taken from the training examples. Raises ConfigError."""
    if test is None:
        count = count_of(data.test, len(train))
        if not (count or data.fold) or count >= len(train):
            raise ConfigError(
                f"data.test: {data.test:,} of {pluralize(len(train), 'example')} for the test set; "
                "expected at least one, and fewer than all; try --set data.test=0.2"
            )
        train, test = split(train, count, "data.test")
        origin = with_size_remark(origin, "test", count, test)
    elif data.test != type(data).model_fields["test"].default:
        text = f"data.test: {data.test} is not used, since the data have a test set"
        origin = replace(origin, warnings=(*origin.warnings, Remark("ignored", 1, text)))
    return Source(train, test, class_names, validation, origin=origin)
