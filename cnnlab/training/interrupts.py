"""Ctrl-C, and SIGTERM, by which schedulers take a machine back: never lost, and answered where nothing is half done."""

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType, TracebackType
from typing import Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(KeyboardInterrupt):
    """A signal that asks the process to stop."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Interrupts:
    """Handling of SIGINT and SIGTERM while runs are trained.

    The first signal raises Stopped in the main thread or, in the `deferred` context, waits until `requested` is called:
    raised wherever it comes, about one in twelve was lost, since TensorFlow's C++ calls back into Python and clears the
    errors that it finds there. The second signal calls `on_second_signal` and ends the process, even in the middle of a
    graph call: a thread of its own listens for it. `agree` turns the signal that came to this worker into the one that
    came to any of the workers; `notify` shows a line to the user.
    """

    def __init__(
        self,
        on_second_signal: Callable[[], object] = lambda: None,
        *,
        agree: Callable[[int], int] = int,
        notify: Callable[[str], object] = lambda line: None,
    ) -> None:
        self._on_second_signal, self._agree, self._notify = on_second_signal, agree, notify
        self._first_signal = 0
        self._is_deferred = False
        self._is_main = threading.current_thread() is threading.main_thread()  # only there signals can be handled

    def __enter__(self) -> Self:
        """Install the handlers."""
        if self._is_main:
            self._receiving, self._sending = socket.socketpair()
            self._sending.setblocking(False)
            self._previous_fd = signal.set_wakeup_fd(self._sending.fileno(), warn_on_full_buffer=False)
            self._previous = {number: signal.signal(number, self._handle) for number in SIGNALS}
            threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Restore the previous handlers."""
        if self._is_main:
            for number, handler in self._previous.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(self._previous_fd)
            self._sending.close()  # which ends the thread

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Have a first signal wait for `requested`."""
        self._is_deferred = True
        try:
            yield
        finally:
            self._is_deferred = False

    def requested(self) -> int:
        """The signal that came to any of the workers, all of which must call this at the same time; 0 for none."""
        return self._agree(self._first_signal)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        """Run by Python in the main thread, between two bytecodes."""
        self._first_signal = self._first_signal or number
        if not self._is_deferred:
            raise Stopped(number)

    def _listen(self) -> None:
        """Run in a thread of its own, without delay."""
        count = 0
        with suppress(OSError):
            while data := self._receiving.recv(1):
                if data[0] not in SIGNALS:
                    continue
                count += 1
                if count == 1 and self._is_deferred:
                    self._notify("stopping after this step; once more stops at once")
                if count == 2:
                    with suppress(Exception):
                        self._on_second_signal()
                    os._exit(128 + data[0])
        self._receiving.close()
