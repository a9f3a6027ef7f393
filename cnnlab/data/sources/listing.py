"""Image files with their splits and classes, found before any is decoded."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cnnlab.data.dataset import Remark
from cnnlab.messages import join_names

NAMED = 3  # files of a kind in a note
Order = Literal["numeric", "text"]


@dataclass(frozen=True)
class Listing:
    """The image files of a folder or of a table.

    `splits` are the places of each split's files in the list; without any, all are to be split. `names` are the files
    as they are shown: relative to the folder, or as the table writes them.
    `state` is SHA-256 over names, sizes, times and inodes: equal where no file was changed, the last time at `newest`.
    """

    root: Path
    class_names: tuple[str, ...]
    files: tuple[str, ...]
    names: tuple[str, ...]
    labels: NDArray[np.int32]
    splits: dict[str, slice]
    unread: dict[str, list[str]]
    """What is not read, by reason."""
    state: str
    newest: float
    columns: Mapping[str, NDArray[np.object_]] = field(default_factory=dict)
    """The values of each column that was read of a table, as text, in the order of the files."""
    notes: tuple[str, ...] = ()
    """How the table was read, where that is not obvious."""

    def remarks(self) -> Iterator[Remark]:
        """What is not read, counted and named."""
        for reason, names in self.unread.items():
            yield Remark("ignored", len(names), f"not read: {reason} ({len(names):,}: {join_names(names, NAMED)})")

    def counts(self) -> dict[str, list[int]]:
        """The number of images of each class by split; all under the name `all` without splits."""
        parts = self.splits or {"all": slice(0, len(self.files))}
        return {
            name: np.bincount(self.labels[where], minlength=len(self.class_names)).tolist()
            for name, where in parts.items()
        }


class FileStates:
    """What identifies the contents of files without reading them, collected one by one."""

    def __init__(self, seed: Any = None) -> None:
        self._digest = hashlib.sha256(json.dumps(seed).encode())
        self.newest = 0.0

    def add(self, path: str, status: os.stat_result | None) -> None:
        """The next file; None where there is none of that name."""
        identity = None
        if status is not None:
            self.newest = max(self.newest, status.st_mtime, status.st_ctime)
            # Size and time of change can be set to anything; the time of the inode's change cannot.
            identity = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_dev, status.st_ino)
        self._digest.update(f"{path}\0{identity}\n".encode(errors="replace"))

    def state(self) -> str:
        """SHA-256 over all of them."""
        return self._digest.hexdigest()


def sorted_classes(names: Sequence[str], order: Order) -> tuple[str, ...]:
    """By number where all are numbers and `order` is numeric, else as text."""
    if order == "numeric" and all(name.isascii() and name.isdecimal() for name in names):
        return tuple(sorted(names, key=lambda name: (int(name), name)))
    return tuple(sorted(names))
