"""Whose a run is at the moment: a lock that the system takes from a process that dies, and a heartbeat.

The lock tells of processes on this machine and, where the file system shares locks, on others; the heartbeat, the
file's time of change, of machines where it does not.
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
PATIENCE = 2.0  # seconds that another process may look at the lock, which it does by taking it


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """While this process alone works on the run in `folder`. Raises RequestError where another one does."""
    path = folder / FILE
    if not folder.is_dir():
        raise RunError(f"{folder}: no such folder; it was removed meanwhile")
    lock = filelock.FileLock(path, mode=0o644)
    try:
        lock.acquire(timeout=PATIENCE, poll_interval=0.02)
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
    """Whether nothing that is no file has the lock's name."""
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
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: those who only look are in nobody's way
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
