"""Images in files, listed by a folder or a table: decoded once into a file of pixels, and read from there."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from cnnlab.data.dataset import Examples, Origin, Remark, Source
from cnnlab.data.decoded import DecodedImages
from cnnlab.data.groups import find_groups, remarks
from cnnlab.data.sources import folder, table, user_arrays
from cnnlab.data.sources.listing import Listing
from cnnlab.errors import DataError
from cnnlab.experiment.data import Folder, ImageFiles, Table
from cnnlab.images.decode import Size


def load(data: ImageFiles) -> Source:
    """Images (n, *image_shape) uint8 in [0, 255], on disk; labels (n,) int32, the place of the class in their order.

    Raises DataError naming the file or folder that cannot be used.
    """
    listing = listing_of(data)
    decoded = _decoded(data, listing)
    images, summary = decoded.read(skip=data.on_error == "skip")
    skipped = {listing.files[index]: reason for index, reason in summary.faults.items()}
    warnings = [*listing.remarks(), *summary.remarks(decoded.levels), *_skipped(skipped, len(listing.files))]
    notes = [*listing.notes, *summary.notes(_size(data), len(listing.files))]
    intact = np.ones(len(listing.files), bool)
    intact[list(summary.faults)] = False
    groups = None
    if data.group is not None:
        columns = {name: values.tolist() for name, values in listing.columns.items()}
        groups = find_groups(data.group, listing.names, listing.labels, data.num_classes, columns)
    names = np.array(listing.names, np.object_)
    examples = Examples(images, listing.labels, names, groups.numbers if groups else None)
    parts = {
        split: examples.take(where.start + np.flatnonzero(intact[where]))
        for split, where in (listing.splits or {"train": slice(0, len(listing.files))}).items()
    }
    for split, part in parts.items():
        if not len(part):
            raise DataError(f"{listing.root}: {split}: none of its images can be decoded")
    if groups:
        warnings += remarks(groups, parts, listing.class_names)
    origin = Origin(str(listing.root.absolute()), tuple(notes), tuple(warnings), skipped, summary.inferred)
    source = user_arrays.source(
        data, parts["train"], parts.get("test"), listing.class_names, parts.get("validation"), origin
    )
    return replace(source, group_names=groups.names) if groups else source


def listing_of(data: ImageFiles) -> Listing:
    """The files. Raises DataError where the folder or the table is not as specified."""
    match data:
        case Folder():
            return folder.listing_of(data)
        case Table():
            return table.listing_of(data)
    raise TypeError(data)


def verify(data: ImageFiles) -> tuple[dict[str, str], list[str]]:
    """Every file that cannot be decoded, and why; and the files whose cached pixels differ from theirs.

    All files are decoded again.
    """
    listing = listing_of(data)
    faults, stale = _decoded(data, listing).verify()
    return {listing.files[index]: reason for index, reason in faults.items()}, stale


def _skipped(skipped: Mapping[str, str], total: int) -> Iterator[Remark]:
    if skipped:
        first, reason = next(iter(skipped.items()))
        count = f"{len(skipped):,} of {total:,} files"
        yield Remark("skipped", len(skipped), f"{count} cannot be decoded and are skipped, such as {first}: {reason}")


def _decoded(data: ImageFiles, listing: Listing) -> DecodedImages:
    return DecodedImages(
        listing.root, listing.files, listing.state, listing.newest, _size(data), bit_depth=data.bit_depth
    )


def _size(data: ImageFiles) -> Size:
    return Size(*data.image_size, data.channels, data.fit)
