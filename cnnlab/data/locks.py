"""Lock files between processes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from cnnlab.terminal import stderr

SILENT_WAIT = 1.0  # seconds of waiting for another process before that is reported


@contextmanager
def exclusive(path: Path, what: str) -> Iterator[None]:
    """Hold the lock file `path`; waiting for another process that does `what` is reported on standard error.

    The system frees the lock of a process that dies. Raises OSError where the file cannot be created.
    """
    lock = filelock.FileLock(path, mode=0o666)  # in a shared folder another user may be the next to take it
    try:
        held = lock.acquire(timeout=SILENT_WAIT)
    except filelock.Timeout:
        stderr().print(f"waiting for another process that {what}", markup=False)
        held = lock.acquire()
    with held:
        yield
