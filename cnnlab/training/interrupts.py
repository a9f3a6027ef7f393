"""Ctrl-C, and the signal by which schedulers take a machine back: heard for certain, and answered in good order."""

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
    """A signal asked for the end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    @property
    def exit_code(self) -> int:
        """130 for Ctrl-C, 143 for SIGTERM."""
        return 128 + self.number


class Interrupts:
    """Signals while a run is trained.

    The first one ends what is done at once, by Stopped; where that is `deferred` done, it waits to be `asked` for:
    raised wherever it comes, about one in twelve was lost, since TensorFlow's C++ calls back into Python and clears the
    errors that it finds there. A second one calls `at_once` and ends the process, even in the middle of a graph call:
    it is heard by a thread of its own. `agreed` turns the signal that came here into the one that came to any of the
    workers.
    """

    def __init__(
        self,
        at_once: Callable[[], object] = lambda: None,
        *,
        agreed: Callable[[int], int] = int,
        told: Callable[[str], object] = lambda line: None,
    ) -> None:
        self._at_once, self._agreed, self._told = at_once, agreed, told
        self._asked = 0
        self._patient = False
        self._is_main = threading.current_thread() is threading.main_thread()  # signals are not for others

    def __enter__(self) -> Self:
        """Listen."""
        if self._is_main:
            self._heard, self._hearing = socket.socketpair()
            self._hearing.setblocking(False)
            self._before_fd = signal.set_wakeup_fd(self._hearing.fileno(), warn_on_full_buffer=False)
            self._before = {number: signal.signal(number, self._answer) for number in SIGNALS}
            threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave signals to whom they went before."""
        if self._is_main:
            for number, handler in self._before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(self._before_fd)
            self._hearing.close()  # which ends the thread

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Have a first signal wait for `check`."""
        self._patient = True
        try:
            yield
        finally:
            self._patient = False

    def asked(self) -> int:
        """The signal that came to any of the workers, which all must ask at the same time; 0 where none did."""
        return self._agreed(self._asked)

    def _answer(self, number: int, frame: FrameType | None) -> None:
        """In the main thread, as soon as Python runs there."""
        self._asked = self._asked or number
        if not self._patient:
            raise Stopped(number)

    def _listen(self) -> None:
        """In a thread of its own, at once."""
        count = 0
        with suppress(OSError):
            while data := self._heard.recv(1):
                if data[0] not in SIGNALS:
                    continue
                count += 1
                if count == 1 and self._patient:
                    self._told("stopping after this step; once more stops at once")
                if count == 2:
                    with suppress(Exception):
                        self._at_once()
                    os._exit(128 + data[0])
        self._heard.close()
