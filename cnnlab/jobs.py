"""Several processes on this machine that train runs beside one another, each with its share of the cores.

A small network hardly uses a second core, so that several trainings at once are sooner done than one after another.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from types import FrameType
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cnnlab.config.load import to_dict
from cnnlab.errors import Interrupted, RequestError, Terminated, TrainingError
from cnnlab.messages import pluralize
from cnnlab.quantities import Bytes
from cnnlab.runs import Run
from cnnlab.terminal import stderr, warn
from cnnlab.training.tasks import NewRun, TrainedRun

MOST = 256  # processes
LAST_GRACE = 60.0  # seconds that a process gets to save its run before it is killed


@dataclass
class _Job:
    """A process, and the task that it trains."""

    number: int
    process: subprocess.Popen[str]
    task: NewRun | None = None
    bar: Any = None
    peak: int = 0


@dataclass
class _Outcome:
    """What became of the tasks."""

    finished: int = 0
    failed: int = 0
    interrupted: int = 0
    first_error: str = ""
    unbegun: list[NewRun] = field(default_factory=list)


def count_of(text: str, tasks: int, threads: int | None) -> int:
    """How many processes `--jobs TEXT` means for so many tasks. Raises RequestError.

    `auto`: one for every thread that the machine has left for them, docs/devices.md has the measurements.
    """
    cores = available_cores()
    if text == "auto":
        return max(1, min(tasks, cores // (threads or 1)))
    if not text.isdecimal() or not 1 <= int(text) <= MOST:
        raise RequestError(f"--jobs {text}: expected how many processes, 1 to {MOST}, or auto")
    return min(int(text), tasks)


def available_cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def train(
    tasks: Sequence[NewRun],
    folder: Path,
    count: int,
    *,
    quiet: bool,
    on_finished: Callable[[TrainedRun], object],
) -> None:
    """Train the tasks in `count` processes, which get them one by one.

    Where `train.threads` is not set, each computes with its share of the cores. Raises as `training.train.train`: a run
    that diverges does not keep the others from being trained; after any other error no new one is begun.
    """
    variables = {}
    if tasks[0].experiment.train.threads is None:
        threads = max(1, available_cores() // count)
        variables = {"TF_NUM_INTRAOP_THREADS": str(threads), "TF_NUM_INTEROP_THREADS": str(threads)}
        if not quiet:
            stderr().print(f"{count} processes of {pluralize(threads, 'thread')} each")
    events: SimpleQueue[tuple[int, dict[str, Any] | None]] = SimpleQueue()
    with _processes(count, variables, events) as jobs, _forwarded(jobs) as signals, _shown(quiet) as progress:
        total = progress.add_task("all", total=len(tasks), what="runs")
        outcome = _serve(jobs, list(tasks), folder, events, progress, total, signals, on_finished)
    peak = max(job.peak for job in jobs)
    if not quiet and peak:
        stderr().print(f"peak memory of a process: {Bytes(peak)}")
    _raise(outcome, signals, len(tasks))


def _serve(
    jobs: list[_Job],
    waiting: list[NewRun],
    folder: Path,
    events: SimpleQueue[tuple[int, dict[str, Any] | None]],
    progress: Progress,
    total: Any,
    signals: list[int],
    on_finished: Callable[[TrainedRun], object],
) -> _Outcome:
    """Hand the tasks out until all have ended."""
    outcome, running = _Outcome(), len(jobs)
    stops = False
    for job in jobs:
        job.bar = progress.add_task("job", total=1, what=f"{job.number + 1}: starting")
        _give(job, waiting, folder)
    while running:
        number, event = events.get()
        job = jobs[number]
        if event is None:  # the process has ended
            running -= 1
            if job.task is not None and job.process.wait() not in (0, Interrupted.exit_code, Terminated.exit_code):
                outcome.failed += 1
                outcome.first_error = outcome.first_error or f"a process ended with exit code {job.process.wait()}"
                stops = True
            continue
        what = f"{job.number + 1}: {job.task.experiment.name}, seed {job.task.experiment.seed}" if job.task else ""
        match event["event"]:
            case "begun":
                progress.update(job.bar, total=event["epochs"], completed=0, what=what)
                continue
            case "epoch":
                progress.update(job.bar, completed=event["epoch"])
                continue
            case "interrupted":
                outcome.interrupted += 1
                outcome.first_error = outcome.first_error or event["message"]
            case "failed":
                outcome.failed += 1
                warn(event["message"])
                stops = stops or not event["diverged"]
            case "finished":
                outcome.finished += 1
                job.peak = event["peak"]
                on_finished(TrainedRun(Run(Path(event["run"])), event["evaluation"]))
        job.task = None
        progress.advance(total)
        if stops or signals:
            outcome.unbegun += waiting
            waiting.clear()
        _give(job, waiting, folder)
    outcome.unbegun += waiting
    return outcome


def _give(job: _Job, waiting: list[NewRun], folder: Path) -> None:
    """The next task, or none: then the process ends."""
    job.task = waiting.pop(0) if waiting else None
    line = "end"
    if job.task is not None:
        line = json.dumps({"experiment": to_dict(job.task.experiment), "name": job.task.name, "runs": str(folder)})
    try:
        job.process.stdin.write(f"{line}\n")  # type: ignore[union-attr]
        job.process.stdin.flush()  # type: ignore[union-attr]
    except OSError:  # it has ended, which is noticed elsewhere
        if job.task is not None:
            waiting.insert(0, job.task)


def _raise(outcome: _Outcome, signals: list[int], total: int) -> None:
    left = [str(task.experiment.seed) for task in outcome.unbegun]
    begun = f"; not begun: seeds {', '.join(left)}" if left else ""
    if signals:
        kind = Terminated if signal.SIGTERM in signals else Interrupted
        raise kind(f"{outcome.first_error or 'interrupted'}{begun}")
    if outcome.failed:
        reason = f" ({outcome.first_error})" if outcome.first_error else ""
        raise TrainingError(f"{outcome.failed} of {total} runs failed{reason}; {outcome.finished} finished{begun}")


@contextmanager
def _processes(
    count: int, variables: dict[str, str], events: SimpleQueue[tuple[int, dict[str, Any] | None]]
) -> Iterator[list[_Job]]:
    """The processes, none of which outlives this; what they answer comes as events."""
    shown: set[str] = set()
    jobs: list[_Job] = []
    readers: list[threading.Thread] = []
    try:
        for number in range(count):
            process = subprocess.Popen(
                [sys.executable, "-m", "cnnlab.cli.job"],
                env={**variables, **os.environ},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,  # a terminal's Ctrl-C comes to us, and goes to each once
            )
            jobs.append(_Job(number, process))
            readers += [
                threading.Thread(target=_read, args=(jobs[-1], events), daemon=True),
                threading.Thread(target=_pass_on, args=(process, shown), daemon=True),
            ]
            for reader in readers[-2:]:
                reader.start()
        yield jobs
    finally:
        for job in jobs:
            if job.process.poll() is None:
                job.process.terminate()
        for job in jobs:
            try:
                job.process.wait(LAST_GRACE)
            except subprocess.TimeoutExpired:
                job.process.kill()
                job.process.wait()
        for reader in readers:
            reader.join()
        for job in jobs:
            for stream in (job.process.stdin, job.process.stdout, job.process.stderr):
                with suppress(OSError):
                    stream.close()  # type: ignore[union-attr]


def _read(job: _Job, events: SimpleQueue[tuple[int, dict[str, Any] | None]]) -> None:
    for line in job.process.stdout or ():
        events.put((job.number, json.loads(line)))
    events.put((job.number, None))


def _pass_on(process: subprocess.Popen[str], shown: set[str]) -> None:
    """Write what a process says to standard error; what another one has said already only once."""
    for line in process.stderr or ():
        if line not in shown:
            shown.add(line)
            sys.stderr.write(line)
            sys.stderr.flush()


@contextmanager
def _forwarded(jobs: Sequence[_Job]) -> Iterator[list[int]]:
    """Signals that ask us to stop go to all processes; the list of those that came."""
    came: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        came.append(number)
        for job in jobs:
            if job.process.poll() is None:
                job.process.send_signal(number)

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _shown(quiet: bool) -> Iterator[Progress]:
    """A line for each process, and one for all runs with the time that is left; on a terminal only."""
    console = stderr()
    columns = (TextColumn("{task.fields[what]}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as progress:
        yield progress
