"""A cache of decoded images on disk, each checked before it is used; it may be deleted at any time."""

import hashlib
import json
import os
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import PIL
from numpy.typing import NDArray

from cnnlab.data.conversions import Summary
from cnnlab.data.locate import cache_folder
from cnnlab.data.locks import exclusive
from cnnlab.data.stored import StoredImages
from cnnlab.errors import DataError
from cnnlab.images.batch import Report, decode_into
from cnnlab.images.decode import Size
from cnnlab.images.depth import Levels
from cnnlab.messages import pluralize
from cnnlab.terminal import image_progress, warn

VERSION = 4  # of the decoder; a change invalidates every cache
LONGEST_NAME = 50  # characters of the folder's; a file system allows 255 bytes
NAMED = 3  # files in an error
TICK = 0.02  # seconds within which two changes of a file may get the same time


class DecodedImages:
    """The images in `files`, of one size, in `~/.cache/cnnlab/decoded/NAME/`.

    `pixels.bin` has nothing but pixels, `index.npz` what they were made of and the SHA-256 of each image. `state`
    identifies the files' contents, the last of which changed at `newest`, seconds since the epoch.
    """

    def __init__(
        self, root: Path, files: Sequence[str], state: str, newest: float, size: Size, bit_depth: int | None = None
    ) -> None:
        """Of the folder `root`; nothing is read or decoded yet."""
        self._root, self._files, self._newest, self._size = root.resolve(), files, newest, size
        self.levels = None if bit_depth is None else Levels(bits=bit_depth)
        parts = [str(self._root), asdict(size), *([] if bit_depth is None else [bit_depth])]
        name = f"{self._root.name[:LONGEST_NAME]}-{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]}"
        self.folder = cache_folder() / "decoded" / name
        self._pixels, self._index = self.folder / "pixels.bin", self.folder / "index.npz"
        self._made_of = f"{VERSION} {PIL.__version__} {state}"

    def read(self, *, skip: bool = False) -> tuple[StoredImages, Summary]:
        """The images: from the cache if it is intact and no file has changed, else decoded now.

        With `skip`, one that cannot be decoded is black and among the faults. Raises DataError naming the files that
        cannot be decoded, or the folder that cannot be written.
        """
        # Without the lock first: where all is cached, the folder need not be writable.
        images, summary = self._cached() or self._make_locked(skip=skip)
        if summary.faults and not skip:
            raise DataError(self._described(summary.faults))
        return images, summary

    def verify(self) -> tuple[dict[int, str], list[str]]:
        """Decode every file again: the faults by index, and the files whose cached pixels were different.

        The cache then has the new pixels.
        """
        with self._locked():
            before = self._cached()
            images, summary = self._make(skip=True)
        if before is None:
            return summary.faults, []
        differ = (before[0].digests != images.digests).any(axis=1)
        return summary.faults, [self._files[int(index)] for index in np.flatnonzero(differ)]

    def _make_locked(self, *, skip: bool) -> tuple[StoredImages, Summary]:
        with self._locked():
            return self._cached(with_warning=True) or self._make(skip=skip)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """A second process that decodes the same files waits, and then finds them in the cache."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with exclusive(self.folder / ".lock", f"decodes {self._root.name}"):
                yield
        except OSError as error:
            raise DataError(f"{self.folder}: cannot be written: {error.strerror}; set XDG_CACHE_HOME") from None

    def _cached(self, *, with_warning: bool = False) -> tuple[StoredImages, Summary] | None:
        """The cached images, each checked by its SHA-256; None where they are missing, outdated or damaged."""
        try:
            with self._index.open("rb") as file, np.load(file, allow_pickle=False) as index:
                if str(index["made_of"]) != self._made_of:
                    return None
                digests, summary = index["digests"], Summary.from_json(str(index["summary"]))
            images = self._stored(digests)
            images.check()
            return images, summary
        except FileNotFoundError:
            return None
        except Exception:  # whatever a damaged file leads NumPy and zipfile to
            if with_warning:
                warn(f"{self.folder}: damaged; decoding the images again")
            return None

    def _make(self, *, skip: bool) -> tuple[StoredImages, Summary]:
        """Decode all. Files with faults, unless they are skipped, are an error and leave nothing behind."""
        # A file that is changed after it was read must not have the time by which it is known.
        time.sleep(max(0.0, min(TICK, self._newest + TICK - time.time())))
        with self._room() as pixels:
            digests, summary = self._decode(pixels)
            if summary.faults and not skip:
                raise DataError(self._described(summary.faults))
            self._index.unlink(missing_ok=True)
            pixels.replace(self._pixels)
        index = self._index.with_name(".index.part.npz")
        np.savez(index, made_of=np.array(self._made_of), digests=digests, summary=np.array(summary.to_json()))
        index.replace(self._index)
        return self._stored(digests), summary

    def _stored(self, digests: NDArray[np.uint8]) -> StoredImages:
        shape = self._size.height, self._size.width, self._size.channels
        return StoredImages(self._pixels, shape, np.arange(len(self._files)), digests)

    @contextmanager
    def _room(self) -> Iterator[Path]:
        """A file with room for all pixels; deleted afterwards unless it was renamed."""
        needed = len(self._files) * self._size.bytes
        free = shutil.disk_usage(self.folder).free
        if needed > free:
            raise DataError(
                f"{self.folder}: decoded, the images of {self._root} take {needed / 1e9:,.1f} GB, and "
                f"{free / 1e9:,.1f} GB are free; choose a smaller image_size, or set XDG_CACHE_HOME to a larger disk"
            )
        path = self.folder / ".pixels.part"
        try:
            with path.open("wb") as file:
                os.truncate(file.fileno(), needed)
            yield path
        finally:
            with suppress(OSError):
                path.unlink()

    def _decode(self, pixels: Path) -> tuple[NDArray[np.uint8], Summary]:
        report = self._decode_with(pixels, self.levels)
        summary = Summary.of(report)
        if self.levels is None and 0 < report.floats < summary.deep:
            raise DataError(
                f"{self._root}: {pluralize(report.floats, 'image')} of floating-point values beside "
                f"{summary.deep - report.floats:,} of integers of more than 8 bits, which have no scale in common; "
                "convert them to one type"
            )
        if self.levels is None and summary.white is not None:  # again, since the largest value is known only now
            again = self._decode_with(pixels, Levels(white=summary.white))
            report = replace(again, brightest=report.brightest, floats=report.floats)
        return np.frombuffer(bytes(report.digests), np.uint8).reshape(-1, 32), Summary.of(report)

    def _decode_with(self, pixels: Path, levels: Levels | None) -> Report:
        total = Report(changes=Counter(), sizes=Counter())
        with image_progress() as progress:
            task = progress.add_task(f"decoding {self._root.name}", total=len(self._files))
            for report in decode_into(pixels, self._files, self._size, levels):
                total.digests += report.digests
                total.faults += report.faults
                total.changes += report.changes
                total.sizes += report.sizes
                total.brightest |= report.brightest
                total.floats += report.floats
                total.colour_brightest = max(total.colour_brightest, report.colour_brightest)
                progress.advance(task, len(report.digests) // 32)
        return total

    def _described(self, faults: Mapping[int, str]) -> str:
        named = "; ".join(f"{self._files[index]}: {reason}" for index, reason in [*faults.items()][:NAMED])
        if len(faults) > NAMED:
            more = f"{len(faults) - NAMED:,} more of {len(self._files):,} files"
            named += f"; and {more}: `cnnlab data verify …` lists them"
        return f"{named}; --set data.on_error=skip leaves such files out"
