"""The processes: started, listened to, and ended with the one that started them."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from types import FrameType
from typing import Any, Self

from cnnlab.errors import Interrupted, Terminated

LAST_GRACE = 60.0  # seconds that a process gets to save its run before it is killed

STOPPING = (signal.SIGINT, signal.SIGTERM)
"""The signals that ask to stop."""

Events = SimpleQueue[tuple[int, dict[str, Any] | None]]
"""What processes answer, each with the number of the process; None where it has ended."""


class Process:
    """One process of `cnnlab.cli.job`; what it answers comes as events of its number."""

    def __init__(
        self, number: int, variables: Mapping[str, str], events: Events, shown: set[str], signals: Sequence[int]
    ) -> None:
        self.number = number
        with _blocked():
            self._popen = subprocess.Popen(
                [sys.executable, "-m", "cnnlab.cli.job"],
                env={**os.environ, **variables},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,  # a terminal's Ctrl-C comes to us, and goes to each once
            )
        self._readers = [
            threading.Thread(target=_read, args=(self._popen, number, events), daemon=True),
            threading.Thread(target=_pass_on, args=(self._popen, shown, signals), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def write(self, message: Mapping[str, Any] | None) -> bool:
        """Send a message, or None: it may end. Whether it was there to take it."""
        try:
            self._popen.stdin.write("end\n" if message is None else f"{json.dumps(message)}\n")  # type: ignore[union-attr]
            self._popen.stdin.flush()  # type: ignore[union-attr]
        except OSError:
            return False
        return True

    def send(self, number: int) -> None:
        """Send a signal, if it is alive."""
        if self._popen.poll() is None:
            self._popen.send_signal(number)

    def how_it_ended(self) -> str:
        """`was ended by SIGKILL`, `ended with exit code 1`; waits for it."""
        code = self._popen.wait()
        return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"

    def close(self) -> None:
        """Wait until it has ended, and no longer than LAST_GRACE."""
        try:
            self._popen.wait(LAST_GRACE)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
        for reader in self._readers:
            reader.join()
        for stream in (self._popen.stdin, self._popen.stdout, self._popen.stderr):
            with suppress(OSError):
                stream.close()  # type: ignore[union-attr]


class Processes:
    """Processes, none of which outlives the block, and the signals that came for them meanwhile."""

    def __init__(self, variables: Sequence[Mapping[str, str]]) -> None:
        """`variables` are those of the environment of each process that is running at the same time."""
        self._variables = variables
        self._shown: set[str] = set()
        self._running: list[Process] = []
        self.events: Events = SimpleQueue()
        self.signals: list[int] = []

    def __enter__(self) -> Self:
        """Begin to forward signals."""
        self._forwarding = _forwarded(self._running, self.signals)
        self._forwarding.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        """End them all."""
        try:
            for process in self._running:
                process.send(signal.SIGTERM)
            for process in self._running:
                process.close()
        finally:
            self._forwarding.__exit__(None, None, None)

    def start(self, number: int) -> Process:
        """A new process; one of the same number has ended."""
        process = Process(number, self._variables[number], self.events, self._shown, self.signals)
        self._running.append(process)
        return process


@contextmanager
def _blocked() -> Iterator[None]:
    """Signals that ask to stop wait; a process that is started meanwhile inherits this, until it handles them.

    Otherwise one that comes while its interpreter starts would end it with a traceback.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _read(popen: subprocess.Popen[str], number: int, events: Events) -> None:
    for line in popen.stdout or ():
        events.put((number, json.loads(line)))
    events.put((number, None))


def _pass_on(popen: subprocess.Popen[str], shown: set[str], signals: Sequence[int]) -> None:
    """Write what a process says to standard error, but not that it was interrupted, which we say of all.

    What another one has said already is written only once.
    """
    for line in popen.stderr or ():
        if line not in shown and not (signals and line.startswith("cnnlab: interrupted")):
            shown.add(line)
            sys.stderr.write(line)
            sys.stderr.flush()


@contextmanager
def _forwarded(processes: Sequence[Process], came: list[int]) -> Iterator[None]:
    """Signals that ask us to stop go to all processes: the first has them save their runs, the second end at once.

    The third kills them.
    """

    def handle(number: int, frame: FrameType | None) -> None:
        came.append(number)
        for process in processes:
            process.send(number if len(came) < 3 else signal.SIGKILL)

    before = {number: signal.signal(number, handle) for number in STOPPING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def interruption(signals: Sequence[int], message: str) -> Interrupted:
    """What is raised after signals that asked us to stop."""
    return (Terminated if signal.SIGTERM in signals else Interrupted)(message)
