"""What a folder of images or a table of them is: its classes, splits and sizes, and the options that describe it.

Nothing is trained or decoded here but a few images: file names, rows of the table and headers of files decide.
"""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cnnlab.data.dataset import Remark
from cnnlab.data.name_groups import find_grouping
from cnnlab.data.recognition.columns import guess_columns
from cnnlab.data.recognition.measured import Measured, measure
from cnnlab.data.recognition.propose import Proposal, propose_channels, propose_size
from cnnlab.data.sources import folder, table
from cnnlab.data.sources.layout import EXPECTED_CLASSES
from cnnlab.data.sources.listing import Listing
from cnnlab.data.sources.scan import TABLES, is_image, is_table
from cnnlab.errors import DataError
from cnnlab.experiment.data.base import SHARE_HELD_OUT, count_of
from cnnlab.messages import join_names, pluralize

TEST = 0.2  # of the images; the default of the option `test`
NAMED = 8  # classes in a text
FEWEST = 2  # classes
ORDER = (
    *("name", "path", "file", "image", "label", "split", "image_size", "channels", "fit", "num_classes"),
    *("test", "validation"),
)
"""In which options are written."""


@dataclass(frozen=True)
class Recognized:
    """A folder or a table: the options of `data` that describe it, with the reason for each, and what was found.

    `counts` are the images of each class by split, all of them under `all` where there are no splits.
    """

    path: Path
    options: Mapping[str, Any]
    reasons: Mapping[str, str]
    class_names: tuple[str, ...]
    counts: Mapping[str, list[int]]
    measured: Measured
    remarks: tuple[Remark, ...]
    grouping: str = ""
    """That the names of the files look grouped, and the option that says so."""

    @property
    def summary(self) -> str:
        """What it is, in a line."""
        kind = "a table" if self.options["name"] == "table" else "a folder"
        named = join_names(self.class_names, NAMED)
        images = pluralize(self.measured.total, "image")
        return f"recognised as {kind} of {images} in {len(self.class_names)} classes ({named}), {self._splits()}"

    def _splits(self) -> str:
        if "all" in self.counts:
            low, high = min(self.counts["all"]), max(self.counts["all"])
            each = f"{low:,} each" if low == high else f"{low:,} to {high:,} each"
            return f"{each}, without splits"
        return "with the splits " + join_names(f"{name} ({sum(counts):,})" for name, counts in self.counts.items())

    def lines(self) -> list[str]:
        """What it is, then each option that was guessed, with its value and the reason."""
        guessed = [
            f"data.{option}={value}: {self.reasons[option]}"
            for option, value in self.options.items()
            if option in self.reasons
        ]
        return [self.summary, *guessed]

    def warnings(self) -> list[str]:
        """What may not be intended: files whose header is damaged."""
        if not self.measured.unreadable:
            return []
        first, reason = next(iter(self.measured.unreadable.items()))
        count = f"{len(self.measured.unreadable):,} of {pluralize(self.measured.read, 'file')}"
        return [f"{count} cannot be read, such as {first}: {reason}"]

    def to_json(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "path": str(self.path),
            "options": dict(self.options),
            "reasons": dict(self.reasons),
            "classes": list(self.class_names),
            "counts": {
                split: dict(zip(self.class_names, counts, strict=True)) for split, counts in self.counts.items()
            },
            **self.measured.to_json(),
            "grouping": self.grouping,
            "skipped": [{"kind": one.kind, "count": one.count, "text": one.text} for one in self.remarks],
        }


def recognize(
    given: str,
    columns: Mapping[str, str] = MappingProxyType({}),
    classes: Collection[str] = (),
    *,
    is_grouped: bool = False,
) -> Recognized:
    """What the folder or the table at a path is; `columns` are those of the table that are known, by option.

    The labels of a table are among `classes`, if there are any. `is_grouped` is whether `data.group` is set.

    Raises DataError where it is neither, with what was expected.
    """
    path = Path(os.path.expanduser(given))
    if not path.exists():
        raise DataError(f"{given}: no such file or folder")
    if path.is_dir():
        proposal = Proposal({"name": "folder", "path": str(path.absolute())})
        listing = folder.list_files(path, None)
        proposal.options["num_classes"] = len(listing.class_names)
    elif is_table(given):
        proposal, listing = _table(path, columns, classes)
    else:
        kind = "an image" if is_image(given) else "no table by its name"
        raise DataError(f"{path}: is {kind}; expected a folder of images, or a table ({', '.join(sorted(TABLES))})")
    measured = measure(listing.files, listing.names, str(path))
    propose_size(proposal, measured)
    propose_channels(proposal, measured)
    proposal.reasons["num_classes"] = f"the number of {'class folders' if path.is_dir() else 'different labels'}"
    _propose_splits(proposal, listing, is_grouped=is_grouped)
    grouping = None if is_grouped else find_grouping(listing.names, listing.labels, len(listing.class_names))
    return Recognized(
        path,
        {option: proposal.options[option] for option in ORDER if option in proposal.options},
        proposal.reasons,
        listing.class_names,
        listing.counts(),
        measured,
        tuple(listing.remarks()),
        grouping.text if grouping else "",
    )


def _table(path: Path, known: Mapping[str, str], classes: Collection[str]) -> tuple[Proposal, Listing]:
    columns = guess_columns(path, known, classes)
    proposal = Proposal({"name": "table", "file": str(path.absolute())})
    for option in ("image", "label", "split"):
        if (name := getattr(columns, option)) is not None:
            proposal.add(option, name, columns.reasons[option])
    reading = table.Reading(columns.image, columns.label, columns.split, on_error="skip")
    listing = table.list_rows(path.absolute(), reading)
    if len(listing.class_names) < FEWEST:
        raise DataError(
            f"{path}: one class only in the column '{columns.label}', {listing.class_names[0]}; {EXPECTED_CLASSES}"
        )
    proposal.options["num_classes"] = len(listing.class_names)
    return proposal, listing


def _propose_splits(proposal: Proposal, listing: Listing, *, is_grouped: bool) -> None:
    """How the test set and the validation examples are taken from the others where the data have none."""
    what = "rows" if proposal.options["name"] == "table" else "folder"
    present = {name: where.stop - where.start for name, where in listing.splits.items()}
    rest = present.get("train", len(listing.files))
    about, how = ("about ", "in whole groups") if is_grouped else ("", "stratified")
    if "test" not in present:
        count = count_of(TEST, rest)
        proposal.add("test", TEST, f"no {what} for testing: {about}{count:,} of {rest:,} images, {how}")
        rest -= count
    if "validation" in present:
        proposal.add("validation", "auto", f"the {present['validation']:,} images of the {what} for validation")
    else:
        count = count_of(SHARE_HELD_OUT, rest)
        proposal.add(
            "validation", SHARE_HELD_OUT, f"no {what} for validation: {about}{count:,} of the other {rest:,}, {how}"
        )
