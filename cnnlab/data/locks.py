"""One process at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from cnnlab.terminal import stderr

PATIENCE = 1.0  # seconds of waiting for another process before saying so


@contextmanager
def alone(path: Path, what: str) -> Iterator[None]:
    """While no other process holds the lock at `path`; waiting for one that does `what` is told.

    The system frees the lock of a process that dies. Raises OSError where none can be made.
    """
    lock = filelock.FileLock(path, mode=0o666)  # in a shared folder another user may be the next to take it
    try:
        held = lock.acquire(timeout=PATIENCE)
    except filelock.Timeout:
        stderr().print(f"waiting for another process that {what}", markup=False)
        held = lock.acquire()
    with held:
        yield
