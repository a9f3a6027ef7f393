"""`cnnlab train --jobs`: a list of tasks in several processes."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cnnlab import errors
from cnnlab.errors import CnnlabError, Diverged, RequestError, TrainingError
from cnnlab.experiment.schema import Experiment
from cnnlab.jobs.cores import Shares, share_out
from cnnlab.jobs.pool import Assignment, Listed, Pool, shown
from cnnlab.jobs.processes import Processes, interruption
from cnnlab.quantities import Bytes
from cnnlab.runs import Run
from cnnlab.terminal import proposed, stderr, warn
from cnnlab.training.resume.plan import ResumePlan
from cnnlab.training.tasks import Task, TrainedRun


def train(
    tasks: Sequence[Task],
    folder: Path,
    count: int,
    *,
    quiet: bool,
    on_finished: Callable[[TrainedRun], object],
) -> None:
    """Train new runs, and resume others, in `count` processes, which get them one by one.

    Where `train.threads` is not set, each computes with its share of the cores, which their experiments then say.
    `on_finished` hears of the runs in the order of the tasks, at the end, also where not all finished. A run that
    diverges, or whose process is lost, does not keep the others from being trained; after any other error no new one is
    begun, and that is raised.
    """
    shares = share_out(tasks[0].experiment, count)
    if not quiet:
        stderr().print(shares.text)
    work = _Tasks([_assignment(number, task, shares, folder) for number, task in enumerate(tasks)], folder)
    with Processes(shares.variables) as processes, shown(quiet) as progress:
        if not quiet:
            work.on_ended = lambda line: progress.console.print(line, markup=False)
        pool = Pool(work, processes, count, progress)
        pool.serve()
    if not quiet and pool.peak:
        stderr().print(f"peak memory of a process: {Bytes(pool.peak)}")
    for _, trained in sorted(work.finished.items()):
        on_finished(trained)
    work.check(processes.signals)


def _assignment(number: int, task: Task, shares: Shares, folder: Path) -> Assignment:
    label = f"{task.experiment.name}, {_replicate(task.experiment)}"
    if isinstance(task, ResumePlan):
        return Assignment(number, task.experiment, folder, resumes=task.run, label=label)
    return Assignment(number, shares.limited(task.experiment), folder, task.name, label=label)


def _replicate(experiment: Experiment) -> str:
    """`seed 3`, or `seed 3, fold 2 of 5`."""
    fold = experiment.data.fold
    return f"seed {experiment.seed}" + (f", fold {fold.number} of {fold.of}" if fold else "")


class _Tasks(Listed):
    """Runs in their order, and what became of them."""

    def __init__(self, assignments: Sequence[Assignment], folder: Path) -> None:
        super().__init__(assignments)
        self._assignments, self._folder = assignments, folder
        self._failed = 0
        self._interrupted: list[str] = []
        self.on_ended: Callable[[str], object] = lambda line: None
        """Called with a line about each run."""
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

    def ended(self, assignment: Assignment, event: Mapping[str, Any]) -> None:
        """Note it."""
        match event["event"]:
            case "finished":
                self.finished[assignment.key] = TrainedRun(Run(Path(event["run"])), event["evaluation"])
                self.on_ended(f"{assignment.label}: finished, {event['run']}")
            case "interrupted":
                self._interrupted += [event["run"]] if event["run"] else []
            case "failed" if event["error"] == Diverged.__name__:
                self._failed += 1
                warn(event["message"])
            case "failed" if self._error is None:
                self._error = error_of(event)

    def lost(self, assignment: Assignment, number: int, run: Run, how: str) -> bool:
        """Count the run as failed; another process trains the others."""
        self._failed += 1
        warn(f"process {number} {how}; {proposed('resume', run.path)} continues its run")
        return True

    def check(self, signals: Sequence[int]) -> None:
        """Raise where not all tasks finished: Interrupted, the error of a task, or TrainingError."""
        waiting = sorted(self._waiting, key=lambda assignment: assignment.key)
        seeds = [str(assignment.experiment.seed) for assignment in waiting]
        not_begun = f"; not begun: seed{'s' if len(seeds) > 1 else ''} {', '.join(seeds)}" if seeds else ""
        if any(assignment.experiment.data.fold for assignment in waiting):
            not_begun = f"; not begun: {'; '.join(_replicate(assignment.experiment) for assignment in waiting)}"
        if signals:
            how = ""
            if len(self._interrupted) == 1:
                how = f"; {proposed('resume', self._interrupted[0])} continues its run"
            elif self._interrupted:
                how = f"; {proposed('resume', self._folder, '--all')} continues {len(self._interrupted)} runs"
            raise interruption(signals, f"interrupted{how}{not_begun}")
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
