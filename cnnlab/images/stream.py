"""Decoding images one after another, as many as there are, without keeping them."""

import os
import queue
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from itertools import chain, islice
from typing import IO

from cnnlab.errors import DataError
from cnnlab.images.batch import WORTH_PROCESSES
from cnnlab.images.decode import Decoded, Size, decode
from cnnlab.images.depth import Levels, white_of
from cnnlab.images.pool import blocked_interrupts, decoding_pool

PER_TASK = 64  # images that a process decodes before it returns them
AHEAD, AHEAD_BYTES = 1 << 14, 1 << 26  # images that may be decoded before they are asked for, and their memory
PAUSE = 0.1  # seconds without a new path after which those before it are processed


def decode_many(paths: Sequence[str], size: Size, levels: Levels | None) -> Iterator[Decoded | DataError]:
    """Each image, or why it cannot be decoded, in the order of `paths`.

    Many are decoded by as many processes as there are cores, which are at work when this returns.
    """
    processes = min(os.cpu_count() or 1, len(paths) // PER_TASK)
    if processes < 2 or len(paths) < WORTH_PROCESSES:
        return (decode_one(path, size, levels) for path in paths)
    decoded = chain.from_iterable(_decode_in_processes(paths, size, levels, processes))
    next(decoded)
    return decoded


def _decode_in_processes(
    paths: Sequence[str], size: Size, levels: Levels | None, processes: int
) -> Iterator[list[Decoded | DataError]]:
    """Parts of the images; the first is nothing, but the processes have been started."""
    parts = (paths[first : first + PER_TASK] for first in range(0, len(paths), PER_TASK))
    tasks: deque[Future[list[Decoded | DataError]]] = deque()
    with decoding_pool(processes) as pool:
        with blocked_interrupts():
            images = min(AHEAD, AHEAD_BYTES // size.bytes)
            ahead = islice(parts, max(2 * processes, images // PER_TASK))
            tasks.extend(pool.submit(_decode_part, part, size, levels) for part in ahead)
        yield [DataError("started")]
        while tasks:
            yield tasks.popleft().result()
            tasks.extend(pool.submit(_decode_part, part, size, levels) for part in islice(parts, 1))


def decode_one(path: str, size: Size, levels: Levels | None) -> Decoded | DataError:
    """The image, or why it cannot be decoded.

    A grey image of more than 8 bits of which neither the file nor `levels` states what is white is scaled by its own
    largest value.
    """
    try:
        decoded = decode(path, size, levels)
        if levels is None and decoded.brightest is not None and (white := white_of(decoded.brightest)) is not None:
            scaled = decode(path, size, Levels(white=white))
            return replace(scaled, changes=scaled.changes | {"own_scale"})
        return decoded
    except DataError as error:
        return error


def paths_in(lines: IO[str]) -> Iterator[str | None]:
    """The paths in `lines`, one per line; None where the next one is awaited for long."""
    waiting: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def read() -> None:
        for line in lines:
            waiting.put(line.rstrip("\n"))
        waiting.put(None)

    threading.Thread(target=read, daemon=True).start()
    while True:
        try:
            path = waiting.get(timeout=PAUSE)
        except queue.Empty:
            yield None
            path = waiting.get()
        if path is None:
            return
        if path:
            yield path


def _decode_part(paths: Iterable[str], size: Size, levels: Levels | None) -> list[Decoded | DataError]:
    return [decode_one(path, size, levels) for path in paths]
