"""Worker processes on this machine, for `cnnlab launch`."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import IO

from cnnlab.experiment.schema import THREAD_VARIABLES

GRACE = 60.0  # seconds that the others get to end by themselves, and to say why, after one ended badly
LAST_GRACE = 10.0  # seconds between asking a process to end and killing it
POLL = 0.1


def run(command: Sequence[str], count: int) -> int:
    """Run `cnnlab COMMAND` in `count` processes as workers of one cluster; the exit code of the first that ends badly.

    Ctrl-C and SIGTERM go to all of them.
    """
    with _workers(command, count) as workers, _signals_passed_to(workers):
        shown: dict[str, str] = {}
        streams = [
            threading.Thread(target=_prefix, args=(worker.stderr, f"[{number}] ", shown), daemon=True)
            for number, worker in enumerate(workers)
        ]
        for stream in streams:
            stream.start()
        code = _wait(workers)
        for stream in streams:
            stream.join()
    return code


@contextmanager
def _workers(command: Sequence[str], count: int) -> Iterator[list[subprocess.Popen[str]]]:
    """The processes, none of which outlives this."""
    addresses = _free_addresses(count)
    workers: list[subprocess.Popen[str]] = []
    try:
        for index in range(count):
            config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
            workers.append(
                subprocess.Popen(
                    [sys.executable, "-m", "cnnlab", *command],
                    env={**_threads(count), **os.environ, "TF_CONFIG": json.dumps(config)},
                    stderr=subprocess.PIPE,
                    text=True,
                    errors="replace",
                )
            )
        yield workers
    finally:
        _end(workers)
        for worker in workers:
            if worker.stderr:
                worker.stderr.close()


def _free_addresses(count: int) -> list[str]:
    with ExitStack() as stack:  # all are held until all are known, so that they differ
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]


def _threads(count: int) -> dict[str, str]:
    """TensorFlow's own variables, for what each worker computes at once."""
    share = str(max(1, (os.cpu_count() or 1) // count))
    return dict.fromkeys(THREAD_VARIABLES, share)


@contextmanager
def _signals_passed_to(workers: Sequence[subprocess.Popen[str]]) -> Iterator[None]:
    """Have SIGTERM go to the workers. A terminal's Ctrl-C goes to them anyway; here it is only not to end us first."""

    def kill() -> None:
        for worker in workers:
            worker.kill()

    def terminate(number: int, frame: FrameType | None) -> None:
        for worker in workers:
            worker.terminate()
        late = threading.Timer(LAST_GRACE, kill)
        late.daemon = True
        late.start()

    handlers = {signal.SIGINT: lambda number, frame: None, signal.SIGTERM: terminate}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _wait(workers: Sequence[subprocess.Popen[str]]) -> int:
    """Wait for all, but no longer than `GRACE` once one has ended badly; its exit code, else 0."""
    while True:
        codes = [worker.poll() for worker in workers]
        bad = next(((number, code) for number, code in enumerate(codes) if code), None)
        if bad or all(code == 0 for code in codes):
            break
        time.sleep(POLL)
    if bad is None:
        return 0
    number, code = bad
    running = [worker for worker in workers if worker.poll() is None]
    asked = 128 + signal.SIGINT, 128 + signal.SIGTERM  # all were: none has failed
    if -code in (signal.SIGINT, signal.SIGTERM):
        code = 128 - code
    if running and code in asked:
        _wait_for(running)
    elif running:
        ended = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        print(f"cnnlab: worker {number} {ended}; the others are ended", file=sys.stderr, flush=True)
        _wait_for(running)
    return code if code > 0 else 1


def _wait_for(workers: Sequence[subprocess.Popen[str]]) -> None:
    deadline = time.monotonic() + GRACE
    while time.monotonic() < deadline and any(worker.poll() is None for worker in workers):
        time.sleep(POLL)


def _end(workers: Sequence[subprocess.Popen[str]]) -> None:
    running = [worker for worker in workers if worker.poll() is None]
    for worker in running:
        worker.terminate()
    deadline = time.monotonic() + LAST_GRACE
    for worker in running:
        try:
            worker.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()


def _prefix(lines: IO[str], prefix: str, shown: dict[str, str]) -> None:
    """Write every line as it comes, after `prefix`; an error or a warning only if no other worker has `shown` it."""
    for line in lines:
        if line.startswith("cnnlab: ") and shown.setdefault(line, prefix) != prefix:
            continue
        sys.stderr.write(f"{prefix}{line}")
        sys.stderr.flush()
