"""Several processes on this machine that train runs beside one another, each with its share of the cores.

A small network hardly uses a second core, so that several trainings at once are sooner done than one after another.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from types import FrameType
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cnnlab import errors
from cnnlab.config.load import to_dict
from cnnlab.errors import CnnlabError, Diverged, Interrupted, RequestError, Terminated, TrainingError
from cnnlab.messages import pluralize
from cnnlab.quantities import Bytes
from cnnlab.runs import Run
from cnnlab.terminal import proposed, stderr, warn
from cnnlab.training.tasks import NewRun, TrainedRun

MOST = 256  # processes
LAST_GRACE = 60.0  # seconds that a process gets to save its run before it is killed

Events = SimpleQueue[tuple[int, dict[str, Any] | None]]
"""What processes answer, each with the number of the process; None where it has ended."""


@dataclass
class _Job:
    """A process, the number of the task that it trains, and its line on the terminal."""

    number: int
    process: subprocess.Popen[str]
    task: int | None = None
    bar: Any = None
    peak: int = 0


def count_of(text: str, tasks: int, threads: int | None) -> int:
    """How many processes `--jobs TEXT` means for so many tasks. Raises RequestError.

    `auto`: as many as there are cores, divided by `threads`, that is `train.threads`.
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

    Where `train.threads` is not set, each computes with its share of the cores. `on_finished` hears of the runs in the
    order of the tasks, at the end, also where not all finished. A run that diverges, or whose process is lost, does not
    keep the others from being trained; after any other error no new one is begun, and that is raised.
    """
    settings = tasks[0].experiment.train
    if settings.devices != "cpu" and shutil.which("nvidia-smi"):
        warn("--jobs divides the cores, not the GPUs: all processes compute on the same ones")
    variables = {}
    if settings.threads is None:
        threads = max(1, available_cores() // count)
        variables = {"TF_NUM_INTRAOP_THREADS": str(threads), "TF_NUM_INTEROP_THREADS": str(threads)}
        if not quiet:
            stderr().print(f"{count} processes of {pluralize(threads, 'thread')} each")
    events: Events = SimpleQueue()
    with _processes(count, variables, events) as jobs, _forwarded(jobs) as signals, _shown(quiet) as progress:
        pool = _Pool(tasks, folder, jobs, events, signals, progress)
        pool.serve()
    if not quiet and (peak := max(job.peak for job in jobs)):
        stderr().print(f"peak memory of a process: {Bytes(peak)}")
    for _, trained in sorted(pool.finished.items()):
        on_finished(trained)
    pool.check()


class _Pool:
    """Hands the tasks out until all have ended, and knows what became of them."""

    def __init__(
        self,
        tasks: Sequence[NewRun],
        folder: Path,
        jobs: Sequence[_Job],
        events: Events,
        signals: Sequence[int],
        progress: Progress,
    ) -> None:
        self._tasks, self._folder, self._jobs, self._events = tasks, folder, jobs, events
        self._signals, self._progress = signals, progress
        self._waiting = list(range(len(tasks)))
        self._failed = 0
        self._interrupted = ""
        self._error: CnnlabError | None = None
        self.finished: dict[int, TrainedRun] = {}

    def serve(self) -> None:
        """Until all processes have ended."""
        total = self._progress.add_task("", total=len(self._tasks), what="runs")
        for job in self._jobs:
            job.bar = self._progress.add_task("", total=1, what=f"{job.number + 1}: starting")
            self._give(job)
        running = len(self._jobs)
        while running:
            number, event = self._events.get()
            job = self._jobs[number]
            if event is None:
                self._ended(job)
                running -= 1
            elif event["event"] == "begun":
                task = self._tasks[job.task or 0].experiment
                what = f"{job.number + 1}: {task.name}, seed {task.seed}"
                self._progress.update(job.bar, total=task.train.epochs, completed=0, what=what)
            elif event["event"] == "epoch":
                self._progress.update(job.bar, completed=event["epoch"])
            else:
                self._done(job, event)
                self._progress.advance(total)
                self._give(job)

    def _give(self, job: _Job) -> None:
        """The next task, or none: then the process ends."""
        stops = self._signals or self._error
        job.task = self._waiting.pop(0) if self._waiting and not stops else None
        line = "end"
        if job.task is not None:
            task = self._tasks[job.task]
            line = json.dumps({"experiment": to_dict(task.experiment), "name": task.name, "runs": str(self._folder)})
        try:
            job.process.stdin.write(f"{line}\n")  # type: ignore[union-attr]
            job.process.stdin.flush()  # type: ignore[union-attr]
        except OSError:  # the process has ended, without having begun it
            if job.task is not None:
                self._waiting.insert(0, job.task)
                job.task = None

    def _done(self, job: _Job, event: Mapping[str, Any]) -> None:
        """Note what became of the task of a process."""
        match event["event"]:
            case "finished" if job.task is not None:
                job.peak = event["peak"]
                self.finished[job.task] = TrainedRun(Run(Path(event["run"])), event["evaluation"])
            case "interrupted":
                self._interrupted = self._interrupted or event["message"]
            case "failed":
                error = event["error"]
                if error == Diverged.__name__:
                    self._failed += 1
                    warn(event["message"])
                elif self._error is None:
                    self._error = getattr(errors, error)(*event["message"].splitlines())
        job.task = None

    def _ended(self, job: _Job) -> None:
        """Note a run that was lost with its process."""
        code = job.process.wait()
        if job.task is None:
            return
        self._failed += 1
        job.task = None
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        warn(f"process {job.number + 1} {how}; {proposed('resume', self._folder, '--all')} continues its run")

    def check(self) -> None:
        """Raise where not all tasks finished: Interrupted, the error of a task, or TrainingError."""
        seeds = ", ".join(str(self._tasks[number].experiment.seed) for number in self._waiting)
        not_begun = f"; not begun: seeds {seeds}" if seeds else ""
        if self._signals:
            kind = Terminated if signal.SIGTERM in self._signals else Interrupted
            raise kind(f"{self._interrupted or 'interrupted'}{not_begun}")
        if self._error is not None:
            raise self._error
        if len(self.finished) < len(self._tasks):
            finished = f"{len(self.finished)} finished{not_begun}"
            raise TrainingError(f"{self._failed} of {len(self._tasks)} runs failed; {finished}")


@contextmanager
def _processes(count: int, variables: dict[str, str], events: Events) -> Iterator[list[_Job]]:
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


def _read(job: _Job, events: Events) -> None:
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
    what = TextColumn("{task.fields[what]}", markup=False)
    columns = (what, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as progress:
        yield progress
