"""A folder of images, one folder per class: decoded once into a file of pixels, and read from there."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from cnnlab.data.dataset import Examples, Origin, Remark, Source
from cnnlab.data.decoded import DecodedImages
from cnnlab.data.locate import find
from cnnlab.data.sources import user_arrays
from cnnlab.data.sources.listing import Listing, list_files
from cnnlab.errors import DataError
from cnnlab.experiment.data import Folder
from cnnlab.images.decode import Size


def load(data: Folder) -> Source:
    """Images (n, *image_shape) uint8 in [0, 255], on disk; labels (n,) int32, the place of the class in their order.

    Raises DataError naming the file or folder that cannot be used.
    """
    listing = listing_of(data)
    decoded = _decoded(data, listing)
    images, summary = decoded.read(skip=data.on_error == "skip")
    skipped = {listing.files[index]: reason for index, reason in summary.faults.items()}
    warnings = [*listing.remarks(), *summary.remarks(decoded.levels), *_skipped(skipped, len(listing.files))]
    notes = summary.notes(_size(data), len(listing.files))
    intact = np.ones(len(listing.files), bool)
    intact[list(summary.faults)] = False
    examples = Examples(images, listing.labels, np.array(listing.names(), np.object_))
    parts = {
        split: examples.take(where.start + np.flatnonzero(intact[where]))
        for split, where in (listing.splits or {"train": slice(0, len(listing.files))}).items()
    }
    for split, part in parts.items():
        if not len(part):
            raise DataError(f"{listing.root}: {split}: none of its images can be decoded")
    origin = Origin(str(listing.root.absolute()), tuple(notes), tuple(warnings), skipped, summary.inferred)
    return user_arrays.source(
        data, parts["train"], parts.get("test"), listing.class_names, parts.get("validation"), origin
    )


def listing_of(data: Folder) -> Listing:
    """The folder's files. Raises DataError where it lacks classes, or a class has no images."""
    root = find(data.path, data.dir, "folder")
    if not root.is_dir():
        raise DataError(f"{root}: is a file; expected a folder of images")
    return list_files(Path(root), data.num_classes, data.class_order)


def verify(data: Folder) -> tuple[dict[str, str], list[str]]:
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


def _decoded(data: Folder, listing: Listing) -> DecodedImages:
    return DecodedImages(
        listing.root, listing.files, listing.state, listing.newest, _size(data), bit_depth=data.bit_depth
    )


def _size(data: Folder) -> Size:
    return Size(*data.image_size, data.channels, data.fit)
