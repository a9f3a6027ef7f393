"""Hearing Ctrl-C for certain."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def kept_for_check(agreed: Callable[[bool], bool] = bool) -> Iterator[Callable[[], None]]:
    """The first Ctrl-C waits for the next call of what this gives, which raises KeyboardInterrupt; a second does not.

    Raised wherever it comes, about one in twelve was lost: TensorFlow's C++ calls back into Python, and clears the
    errors that it finds there. `agreed` turns whether it came here into whether it came to any of the workers.
    """
    asked = False

    def remember(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            signal.default_int_handler(number, frame)
        asked = True

    def check() -> None:
        if agreed(asked):
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():  # signals are not for others
        yield check
        return
    before = signal.signal(signal.SIGINT, remember)
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, before)
