"""The run folders of a training: opened before it, and never left with the status `running` after it."""

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import tensorflow as tf

from cnnlab.config.load import to_yaml
from cnnlab.errors import CnnlabError, Diverged, Interrupted, Pruned, RunError, Terminated, TrainingError
from cnnlab.evaluation.load import check_same_data
from cnnlab.runs import Run, checkpoints, files, lock
from cnnlab.runs.claim import new_run_folder
from cnnlab.runs.folder import now
from cnnlab.terminal import proposed, warn
from cnnlab.training import environment, record
from cnnlab.training.interrupts import Stopped
from cnnlab.training.resume import checkpoint as checkpoint_files
from cnnlab.training.resume.checkpoint import Checkpoint
from cnnlab.training.resume.plan import ResumePlan
from cnnlab.training.tasks import Task
from cnnlab.training.trainer import Trainer


class RunFolders:
    """The folders of runs that share a trainer: locked, and marked as interrupted where the work ends before a run.

    Folders of new runs are all claimed at once, so that `resume --all` finds those whose turn had not come. Of several
    workers the chief alone has folders. Ctrl-C and SIGTERM become Interrupted and Terminated.
    """

    def __init__(self, trainer: Trainer, tasks: Sequence[Task], folder: Path | None) -> None:
        self._trainer, self._tasks, self._folder = trainer, tasks, folder
        self._stack = ExitStack()
        self._claimed: dict[int, Run | None] = {}
        self._open: list[Run] = []
        self._current: Run | None = None

    def __enter__(self) -> Self:
        """Claim the folders of new runs."""
        with ExitStack() as stack:
            self._claimed = {id(task): self._claim(task, stack) for task in self._tasks}
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Mark what has not ended, and release the locks."""
        self.mark_interrupted()
        self._stack.close()
        if isinstance(error, KeyboardInterrupt):
            is_terminated = isinstance(error, Stopped) and error.number == signal.SIGTERM
            raise (Terminated if is_terminated else Interrupted)(self._interrupted()) from None

    @contextmanager
    def open(self, task: Task) -> Iterator[tuple[Run | None, Checkpoint | None]]:
        """The folder of a task, None on other workers than the chief, and the checkpoint to resume from.

        Where the work inside fails, run.json says how.
        """
        if isinstance(task, ResumePlan):
            with self._resumed(task) as (self._current, checkpoint):
                with record_failure(self._current, task.experiment.train.batch_size):
                    yield self._current, checkpoint
                return
        self._current = self._claimed[id(task)]
        with record_failure(self._current, task.experiment.train.batch_size):
            yield self._current, None

    def on_second_signal(self) -> None:
        """What must still be done when the process is about to end in the middle of something."""
        self.mark_interrupted()
        if self._current:
            os.write(2, f"cnnlab: {self._interrupted()}\n".encode())

    def mark_interrupted(self) -> None:
        """Have run.json say `interrupted` where it still says `running`."""
        for run in self._open:
            with suppress(CnnlabError):
                if run.record().status == "running":
                    run.update({"status": "interrupted", "finished": now()})

    def _interrupted(self) -> str:
        return f"interrupted; {_how_to_resume(self._current)}" if self._current else "interrupted"

    def _claim(self, task: Task, stack: ExitStack) -> Run | None:
        if isinstance(task, ResumePlan) or not self._trainer.is_chief or self._folder is None:
            return None
        if task.repeats:
            check_same_data(task.repeats.record(), self._trainer.dataset)
        experiment = task.experiment
        first_record, config = record.for_new_run(self._trainer, experiment), to_yaml(experiment)
        run = stack.enter_context(new_run_folder(self._folder, experiment.name, task.name, first_record, config))
        self._open.append(run)
        return run

    @contextmanager
    def _resumed(self, plan: ResumePlan) -> Iterator[tuple[Run | None, Checkpoint | None]]:
        run = plan.run
        check_same_data(plan.record, self._trainer.dataset)
        if not self._trainer.is_chief:
            yield None, self._checkpoint(plan, set_aside=False)
            return
        with lock.held(run.path):
            plan.check_unchanged()
            for folder in (run.path, run.checkpoints, run.path / "evaluation"):
                files.remove_left_overs(folder)
            checkpoint = self._checkpoint(plan)
            changed = environment.differences(plan.record.raw, environment.environment(self._trainer.strategy))
            if changed:
                differences = "; ".join(changed)
                warn(f"{run.path}: {differences}; its numbers may differ from those of an uninterrupted run")
            if plan.is_raised:
                run.write_config(to_yaml(plan.experiment))
            run.update(record.for_resumed_run(plan, checkpoint.place if checkpoint else None, changed))
            self._open.append(run)
            try:
                yield run, checkpoint
            finally:
                self.mark_interrupted()  # before the lock is released

    def _checkpoint(self, plan: ResumePlan, *, set_aside: bool = True) -> Checkpoint | None:
        """The checkpoint to resume from. Raises RunError where it cannot be one of this run."""
        checkpoint = checkpoint_files.load(plan.run, plan.experiment, set_aside=set_aside)
        if checkpoint:
            size, steps = len(self._trainer.dataset.train), self._trainer.engine.steps_per_epoch
            checkpoint.check_fits(plan.experiment, size, steps)
        return checkpoint


@contextmanager
def record_failure(run: Run | None, batch_size: int) -> Iterator[None]:
    """Have run.json, where there is a run, say how the work inside failed, and the error name the run."""
    try:
        yield
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        if run:
            kinds = {Diverged: "diverged", Pruned: "pruned"}
            status = next((status for kind, status in kinds.items() if isinstance(error, kind)), "failed")
            message = str(error) if isinstance(error, CnnlabError) else repr(error)
            with suppress(CnnlabError):  # the first error is the one to show
                run.update({"status": status, "finished": now(), "error": message})
        if isinstance(error, tf.errors.ResourceExhaustedError):
            place = f"{run.path}: " if run else ""
            advice = "try a smaller network"
            if batch_size > 1:
                advice = f"try a smaller batch, such as --set train.batch_size={batch_size // 2}"
            raise TrainingError(f"{place}out of memory; {advice}") from error
        if run and isinstance(error, Diverged):
            raise Diverged(f"{run.path}: {error}") from error
        if run and isinstance(error, RunError):
            raise RunError(f"{error}; when that is mended, {_how_to_resume(run)}") from error
        raise


def _how_to_resume(run: Run) -> str:
    places = []
    with suppress(OSError):
        places = checkpoints.positions(run)
    return f"{proposed('resume', run.path)} " + (f"continues after {places[0]}" if places else "starts over")
