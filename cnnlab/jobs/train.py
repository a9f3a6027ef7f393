"""`cnnlab train --jobs`: a list of tasks in several processes."""

import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cnnlab import errors
from cnnlab.errors import CnnlabError, Diverged, Interrupted, RequestError, Terminated, TrainingError
from cnnlab.jobs.cores import share_out
from cnnlab.jobs.pool import Assignment, Pool, shown
from cnnlab.jobs.processes import Processes
from cnnlab.quantities import Bytes
from cnnlab.runs import Run
from cnnlab.terminal import proposed, stderr, warn
from cnnlab.training.tasks import NewRun, TrainedRun


def train(
    tasks: Sequence[NewRun],
    folder: Path,
    count: int,
    *,
    quiet: bool,
    on_finished: Callable[[TrainedRun], object],
) -> None:
    """Train the tasks in `count` processes, which get them one by one.

    Where `train.threads` is not set, each computes with its share of the cores, which their experiments then say.
    `on_finished` hears of the runs in the order of the tasks, at the end, also where not all finished. A run that
    diverges, or whose process is lost, does not keep the others from being trained; after any other error no new one is
    begun, and that is raised.
    """
    shares = share_out(tasks[0].experiment, count)
    if not quiet:
        stderr().print(shares.text)
    work = _Tasks([shares.limited(task.experiment) for task in tasks], [task.name for task in tasks], folder)
    with Processes(shares.variables) as processes, shown(quiet) as progress:
        pool = Pool(work, processes, count, progress)
        pool.serve()
    if not quiet and pool.peak:
        stderr().print(f"peak memory of a process: {Bytes(pool.peak)}")
    for _, trained in sorted(work.finished.items()):
        on_finished(trained)
    work.check(processes.signals)


class _Tasks:
    """New runs in their order, and what became of them."""

    def __init__(self, experiments: Sequence[Any], names: Sequence[str | None], folder: Path) -> None:
        self._assignments = [
            Assignment(number, experiment, folder, name, label=f"{experiment.name}, seed {experiment.seed}")
            for number, (experiment, name) in enumerate(zip(experiments, names, strict=True))
        ]
        self._folder = folder
        self._waiting = list(self._assignments)
        self._failed = 0
        self._interrupted = ""
        self._error: CnnlabError | None = None
        self.finished: dict[int, TrainedRun] = {}

    @property
    def total(self) -> int:
        """The number of runs."""
        return len(self._assignments)

    @property
    def done(self) -> int:
        """The number of runs that have ended."""
        return len(self.finished) + self._failed

    @property
    def stops(self) -> bool:
        """After an error of all."""
        return self._error is not None

    def take(self) -> Assignment | None:
        """The next."""
        return self._waiting.pop(0) if self._waiting else None

    def give_back(self, assignment: Assignment) -> None:
        """As the next again."""
        self._waiting.insert(0, assignment)

    def goes_on(self, assignment: Assignment, row: Mapping[str, Any]) -> bool:
        """To the end."""
        return True

    def ended(self, assignment: Assignment, event: Mapping[str, Any]) -> None:
        """Note it."""
        match event["event"]:
            case "finished":
                self.finished[assignment.key] = TrainedRun(Run(Path(event["run"])), event["evaluation"])
            case "interrupted":
                self._interrupted = self._interrupted or event["message"]
            case "failed" if event["error"] == Diverged.__name__:
                self._failed += 1
                warn(event["message"])
            case "failed" if self._error is None:
                self._error = error_of(event)

    def lost(self, assignment: Assignment, number: int, how: str) -> bool:
        """Count the run as failed."""
        self._failed += 1
        warn(f"process {number} {how}; {proposed('resume', self._folder, '--all')} continues its run")
        return False

    def check(self, signals: Sequence[int]) -> None:
        """Raise where not all tasks finished: Interrupted, the error of a task, or TrainingError."""
        seeds = ", ".join(str(assignment.experiment.seed) for assignment in self._waiting)
        not_begun = f"; not begun: seeds {seeds}" if seeds else ""
        if signals:
            raise interruption(signals, f"{self._interrupted or 'interrupted'}{not_begun}")
        if self._error is not None:
            raise self._error
        if len(self.finished) < len(self._assignments):
            finished = f"{len(self.finished)} finished{not_begun}"
            raise TrainingError(f"{self._failed} of {len(self._assignments)} runs failed; {finished}")


def error_of(event: Mapping[str, Any]) -> CnnlabError:
    """The error that a process says was raised in it."""
    kind = getattr(errors, event["error"], RequestError)
    error: CnnlabError = kind(*event["message"].splitlines())
    return error


def interruption(signals: Sequence[int], message: str) -> Interrupted:
    """What is raised after signals that asked us to stop."""
    return (Terminated if signal.SIGTERM in signals else Interrupted)(message)
