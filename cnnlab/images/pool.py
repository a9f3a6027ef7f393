"""Processes that decode images."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

from cnnlab.errors import DataError


@contextlib.contextmanager
def decoding_pool(processes: int) -> Iterator[ProcessPoolExecutor]:
    """So many processes, which never receive Ctrl-C and end with this one. Raises DataError if one of them dies.

    Tasks have to be submitted within `blocked_interrupts`, since that starts processes.
    """
    # Spawned, not forked: TensorFlow's threads may be running here already.
    pool = ProcessPoolExecutor(processes, get_context("spawn"), initializer=_end_with_parent, initargs=(os.getpid(),))
    try:
        yield pool
    except BrokenProcessPool:
        raise DataError("a process that decodes images died, perhaps for lack of memory") from None
    finally:
        pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def blocked_interrupts() -> Iterator[None]:
    """Ctrl-C waits; processes started here never receive it: the parent handles it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_with_parent(parent: int) -> None:
    """End this process soon after `parent`, which may have been killed."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
