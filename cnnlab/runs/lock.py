"""Which process works on a run: a lock, which the system releases when the process ends, and a heartbeat.

The lock shows processes on this machine and, where the file system shares locks, on others; the heartbeat, the
modification time of the lock file, shows those on other machines where it does not.
"""

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import filelock

from cnnlab.errors import RequestError, RunError

FILE = ".lock"
HEARTBEAT_SECONDS = 15.0
HEARTBEAT_TIMEOUT = 8 * HEARTBEAT_SECONDS  # generous: clocks of machines differ, disks stall
LOCK_TIMEOUT = 2.0  # seconds; other processes take the lock for a moment to look at it


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Lock the run in `folder` for this process. Raises RequestError where another process has locked it."""
    path = folder / FILE
    if not folder.is_dir():
        raise RunError(f"{folder}: no such folder; it has been removed")
    lock = filelock.FileLock(path, mode=0o644)
    try:
        lock.acquire(timeout=LOCK_TIMEOUT, poll_interval=0.02)
    except filelock.Timeout:
        raise RequestError(f"{folder}: another process is at work on it; end that first") from None
    except OSError as error:
        raise RunError(f"{path}: cannot be locked: {error.strerror or error}") from error
    stop = threading.Event()
    threading.Thread(target=_beat, args=(path, stop), daemon=True).start()
    try:
        yield
    finally:
        stop.set()
        lock.release()


def is_lockable(folder: Path) -> bool:
    """Whether the lock file is a regular file, or missing."""
    path = folder / FILE
    return path.is_file() and not path.is_symlink() if os.path.lexists(path) else True


def is_held(folder: Path, *, elsewhere: bool) -> bool:
    """Whether a process works on the run in `folder`; `elsewhere` where that would be on another machine."""
    try:
        descriptor = os.open(folder / FILE, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        beats = abs(time.time() - os.fstat(descriptor).st_mtime) < HEARTBEAT_TIMEOUT
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: looking does not block others that look
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks
        return beats
    finally:
        os.close(descriptor)
    return elsewhere and beats


def _beat(path: Path, stop: threading.Event) -> None:
    while True:
        with suppress(OSError):
            os.utime(path)
        if stop.wait(HEARTBEAT_SECONDS):
            return
