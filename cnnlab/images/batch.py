"""Decoding many image files into one file of pixels, by several processes at once."""

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cnnlab.errors import DataError
from cnnlab.images.decode import Change, Decoded, Size, decode
from cnnlab.images.depth import Levels
from cnnlab.images.pool import blocked_interrupts, decoding_pool

PER_TASK = 256  # images that a process decodes before it reports them
WRITTEN_BYTES = 1 << 20  # at once
WORTH_PROCESSES = 2048  # images; starting processes takes as long as decoding about that many small ones
MOST_SIZES = 50  # different ones that are counted


@dataclass(frozen=True)
class Fault:
    """A file that cannot be decoded, by its index in the list."""

    index: int
    reason: str


@dataclass
class Report:
    """What became of some files: SHA-256 of the pixels of each, which are black where it has a fault, and the changes.

    `sizes` counts the (width, height) of files that were resized; `brightest` is the largest value, by index, of each
    grey image of more than 8 bits whose file does not state the value of white, of which `floats` are floating-point.
    `colour_brightest` is the largest of the upper 8 bits of deep images in colour.
    """

    digests: bytearray = field(default_factory=bytearray)
    faults: list[Fault] = field(default_factory=list)
    changes: Counter[Change] = field(default_factory=Counter)
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    brightest: dict[int, float] = field(default_factory=dict)
    floats: int = 0
    colour_brightest: int = 0

    def add(self, index: int, decoded: Decoded) -> None:
        """Count what was changed of the image of that index."""
        self.changes.update(decoded.changes)
        if "resized" in decoded.changes and (len(self.sizes) < MOST_SIZES or decoded.size in self.sizes):
            self.sizes[decoded.size] += 1
        if decoded.brightest is not None:
            self.brightest[index] = decoded.brightest
            self.floats += decoded.is_float
        if decoded.colour_brightest is not None:
            self.colour_brightest = max(self.colour_brightest, decoded.colour_brightest)


def decode_into(path: Path, files: Sequence[str], size: Size, levels: Levels | None = None) -> Iterator[Report]:
    """Decode `files` into `path`, which has room for all, one after another; yield what becomes of them, in order.

    Many files are shared by as many processes as there are cores. Raises DataError where a process dies.
    """
    tasks = [
        (str(path), first, files[first : first + PER_TASK], size, levels) for first in range(0, len(files), PER_TASK)
    ]
    processes = min(os.cpu_count() or 1, len(tasks))
    if processes < 2 or len(files) < WORTH_PROCESSES:
        yield from map(_decode_some, tasks)
        return
    with decoding_pool(processes) as pool:
        with blocked_interrupts():
            results = pool.map(_decode_some, tasks)
        yield from results


def _decode_some(task: tuple[str, int, Sequence[str], Size, Levels | None]) -> Report:
    path, first, files, size, levels = task
    report = Report()
    with open(path, "r+b", buffering=WRITTEN_BYTES) as target:
        target.seek(first * size.bytes)
        for index, file in enumerate(files, start=first):
            pixels = bytes(size.bytes)
            try:
                decoded = decode(file, size, levels)
            except (DataError, MemoryError) as error:
                report.faults.append(Fault(index, str(error) or "needs more than the free memory"))
            else:
                pixels = decoded.pixels.tobytes()
                report.add(index, decoded)
            report.digests += hashlib.sha256(pixels).digest()
            target.write(pixels)
    return report
