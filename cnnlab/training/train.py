"""The recipe: load, build, fit, measure, record."""

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from cnnlab.config.pretrained import describe_start
from cnnlab.errors import CnnlabError, Diverged, Interrupted, TrainingError
from cnnlab.experiment.schema import Experiment
from cnnlab.messages import pluralize
from cnnlab.runs import Run
from cnnlab.terminal import warn
from cnnlab.training import environment
from cnnlab.training.distribution import devices
from cnnlab.training.finish import finish
from cnnlab.training.fit import AfterEpoch, fit, learning_rates
from cnnlab.training.interrupts import Interrupts
from cnnlab.training.resume.checkpoint import Checkpoint
from cnnlab.training.resume.plan import ResumePlan
from cnnlab.training.run_folders import RunFolders
from cnnlab.training.tasks import Task, TrainedRun
from cnnlab.training.trainer import Trainer, shares_graph


class Trainers:
    """The trainer of each experiment in turn: the last one again where the experiments share a graph."""

    def __init__(self) -> None:
        self.last: Trainer | None = None

    def __call__(self, experiment: Experiment, *, resumed: bool = False) -> Trainer:
        """The trainer of an experiment; that of the last one is not to be used any more.

        `resumed`: it is for runs that are resumed, all that share its graph.
        """
        if self.last is not None and shares_graph(self.last.experiment, experiment):
            self.last = self.last.reset(experiment)
        else:
            self.last = None
            gc.collect()  # its graphs refer to themselves
            self.last = Trainer.from_experiment(experiment, resumed=resumed)
        return self.last


def train(
    tasks: Sequence[Task],
    folder: Path | None = None,
    *,
    console: Console | None = None,
    on_finished: Callable[[TrainedRun], object] = lambda trained: None,
    after_epoch: AfterEpoch = lambda row: False,
    on_begun: Callable[[Run], object] = lambda run: None,
    at_end: Callable[[], object] = lambda: None,
    trainers: Trainers | None = None,
    warm_up: bool = False,
) -> list[TrainedRun]:
    """Train new runs, each into a new folder in `folder`, and resume runs that did not finish.

    Tasks that differ only in the seed share data, network and compiled graph; with `trainers`, so do calls.
    `on_begun` is called when a run has its folder, `on_finished` after every run, `after_epoch` after every epoch,
    which it may be the last to be trained, `at_end` after all runs, while several workers still wait for one another.
    With `warm_up`, an epoch that does not count is trained before the first run of each graph, so that the times of
    epochs do not include compiling.
    Progress goes to `console`. Of several workers the chief alone has folders, writes and returns anything.

    Nothing is written where the data or the network are wrong; after that, run.json says how a run ended. Of several
    runs, one that diverges, or cannot be resumed, does not keep the others from being trained. Raises TrainingError at
    the end if there was one, RunError where the data are not those that a resumed run was trained on, and RequestError
    where another process works on it.
    """
    finished: list[TrainedRun] = []
    failures = _Failures(tasks)
    trainers = trainers or Trainers()
    trainer: Trainer | None = None
    folders: RunFolders | None = None
    for group in _groups(tasks):
        trainer = folders = None  # the last group's, of which nothing shall be kept in memory
        with failures.tolerated(group):
            resumed = all(isinstance(task, ResumePlan) for task in group)
            trainer = trainers(group[0].experiment, resumed=resumed)
            if warm_up:
                _warm_up(trainer, console)
                trainer = trainers(group[0].experiment)
            with (
                RunFolders(trainer, group, folder) as folders,
                _interrupts(trainer, console, folders.on_second_signal) as interrupts,
            ):
                for task in group:
                    with failures.tolerated([task]), folders.open(task) as (run, checkpoint):
                        if run:
                            on_begun(run)
                        started = time.perf_counter()
                        trainer = trainer if task is group[0] else trainers(task.experiment)
                        _announce(trainer, checkpoint, console)
                        with devices.synchronized_exit(trainer.strategy):
                            history = fit(
                                trainer,
                                run,
                                checkpoint=checkpoint,
                                interrupts=interrupts,
                                console=console if trainer.is_chief else None,
                                after_epoch=after_epoch,
                            )
                            if run:
                                seconds = time.perf_counter() - started + (checkpoint.seconds if checkpoint else 0.0)
                                finished.append(TrainedRun(run, finish(trainer, run, history, seconds)))
                        if run:
                            on_finished(finished[-1])
    if trainers.last is not None:
        with devices.synchronized_exit(trainers.last.strategy):
            at_end()
    failures.check()
    return finished


class _Failures:
    """Runs that failed, of several, while the others were trained."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._total, self._failed = len(tasks), 0

    @contextmanager
    def tolerated(self, tasks: Sequence[Task]) -> Iterator[None]:
        """Warn where one of several runs diverges or cannot be resumed, instead of raising."""
        try:
            yield
        except CnnlabError as error:
            is_own_failure = isinstance(error, Diverged) or isinstance(tasks[0], ResumePlan)
            if self._total == 1 or not is_own_failure or isinstance(error, Interrupted):
                raise
            warn(str(error))
            self._failed += len(tasks)

    def check(self) -> None:
        """Raise TrainingError if there were any."""
        if self._failed:
            others = "; the others finished" if self._failed < self._total else ""
            raise TrainingError(f"{self._failed} of {self._total} runs failed{others}")


def _groups(tasks: Sequence[Task]) -> list[list[Task]]:
    """The tasks in their order, those that follow one another and share a graph together."""
    groups: list[list[Task]] = []
    for task in tasks:
        if groups and shares_graph(groups[-1][0].experiment, task.experiment):
            groups[-1].append(task)
        else:
            groups.append([task])
    return groups


def _interrupts(
    trainer: Trainer, console: Console | None, on_second_signal: Callable[[], object] = lambda: None
) -> Interrupts:
    return Interrupts(
        on_second_signal,
        agree=lambda number: devices.signal_of_any(trainer.strategy, number),
        notify=lambda line: console.print(line) if console and trainer.is_chief else None,
    )


def _warm_up(trainer: Trainer, console: Console | None) -> None:
    """Train an epoch, and a step of each other size of images, which compiles all; `trainer` must be reset after it."""
    if console and trainer.is_chief:
        console.print("warm-up: one epoch that does not count")
    with _interrupts(trainer, console) as interrupts:
        fit(trainer, callbacks=[], interrupts=interrupts, after_epoch=lambda row: True)
        for epoch, _ in trainer.experiment.stages[1:]:
            rates, size = learning_rates(trainer, epoch), trainer.size_in(epoch)
            list(trainer.engine.epoch(epoch, rates, size=size, steps=1))


def _announce(trainer: Trainer, checkpoint: Checkpoint | None, console: Console | None) -> None:
    """Say what is about to be trained, and on what."""
    if console is None or not trainer.is_chief:
        return
    dataset, threads = trainer.dataset, trainer.experiment.train.threads
    sizes = ", ".join(f"{len(examples):,} {split}" for split, examples in dataset.splits().items())
    console.print(
        f"{trainer.experiment.name}: {trainer.model.count_params():,} parameters; {dataset.name}: {sizes} examples "
        f"from {dataset.origin.place}, {trainer.placement.why}; on {environment.device_names(trainer.strategy)}"
        + (f", {pluralize(threads, 'thread')}" if threads else "")
        + (", compiled by XLA" if trainer.engine.uses_xla else "")
    )
    if weights := trainer.named_class_weights:
        console.print("class weights: " + ", ".join(f"{name} {weight:.4g}" for name, weight in weights.items()))
    if len(trainer.experiment.stages) > 1:
        console.print(f"progressive resizing: {trainer.experiment.shown_stages}", soft_wrap=True)
    if trainer.about_frozen:
        console.print(trainer.about_frozen, soft_wrap=True)
    if checkpoint:
        console.print(f"resumed after {checkpoint.place}")
    elif trainer.pretrained is not None:
        for line in describe_start(trainer.experiment, {name: a.shape for name, a in trainer.pretrained.items()}):
            console.print(line, soft_wrap=True)
