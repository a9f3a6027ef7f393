"""What is to be trained next in a sweep, by whichever of its processes."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cnnlab.config.space import Space
from cnnlab.errors import CnnlabError, Diverged, TrainingError
from cnnlab.experiment.schema import Experiment
from cnnlab.jobs.pool import Assignment, Later
from cnnlab.jobs.processes import interruption
from cnnlab.jobs.train import error_of
from cnnlab.runs import Run
from cnnlab.runs.folder import now
from cnnlab.runs.metrics import count_epochs
from cnnlab.sweep import study as states
from cnnlab.sweep.experiments import is_busy, record_of, trial_experiment
from cnnlab.sweep.finals import Finals
from cnnlab.sweep.folder import SweepFolder
from cnnlab.sweep.study import Search, Trial
from cnnlab.sweep.trials import TrialTable
from cnnlab.terminal import proposed, warn

MOST_LOSSES = 5  # of the process of a trial, without a further epoch
FINAL = 1_000_000  # keys of finals are those of their trials and this, times one more than the seed's index


class SweepWork:
    """The trials, and then the finals, of a sweep; for `cnnlab.jobs.pool`.

    Every process that works on the sweep has one: what is next is decided while the folder is locked. What belongs to a
    process that is gone is gone on with from its checkpoint.
    """

    def __init__(self, folder: SweepFolder, space: Space, search: Search, worker: str, table: TrialTable) -> None:
        self._folder, self._space, self._search, self._worker, self._table = folder, space, search, worker, table
        self._finals = Finals(folder, space)
        self._again: list[Assignment] = []
        self._losses: dict[int, tuple[int, int]] = {}
        self._error: CnnlabError | None = None
        self.on_ended: Callable[[Trial], object] = lambda trial: None
        """Called after every trial."""

    @property
    def total(self) -> int:
        """Trials and finals."""
        return self._table.wanted + self._finals.count

    @property
    def done(self) -> int:
        """Those that have ended."""
        return self._table.ended + self._finals.finished

    @property
    def stops(self) -> bool:
        """After an error of all."""
        return self._error is not None

    def take(self) -> Assignment | Later | None:
        """A trial that another process has lost, the next trial, or when all have ended a final."""
        if self._again:
            return self._again.pop(0)
        try:
            with self._folder.locked():
                return self._trial() or self._final()
        except CnnlabError as error:
            self._error = error
            return None

    def give_back(self, assignment: Assignment) -> None:
        """As the next again."""
        self._again.insert(0, assignment)

    def goes_on(self, assignment: Assignment, row: Mapping[str, Any]) -> bool:
        """Whether no pruner ends the trial."""
        return self._search.report(assignment.key, row["epoch"], row[self._space.search.metric])

    def ended(self, assignment: Assignment, event: Mapping[str, Any]) -> None:
        """Note what a run came to."""
        kind = event["event"]
        if kind == "interrupted":
            return
        if kind == "failed" and not self._is_own_failure(assignment, event):
            self._error = self._error or error_of(event)
            return
        if assignment.key >= FINAL:
            if kind == "failed":
                warn(event["message"])
            return
        if kind == "finished":
            self._complete(assignment.key, self._folder.trial(assignment.key))
        elif kind == "pruned":
            self._search.prune(assignment.key)
        else:
            self._search.fail(assignment.key, event["message"])
        with self._folder.locked():  # else another process, which knows less, might write last
            self._note(assignment.key)

    def lost(self, assignment: Assignment, number: int, run: Run, how: str) -> bool:
        """Have another process go on with the run, unless that has been in vain for MOST_LOSSES times."""
        key = assignment.key
        epochs = count_epochs(run.metrics)
        losses, before = self._losses.get(key, (0, epochs))
        losses = 1 if epochs > before else losses + 1
        self._losses[key] = losses, epochs
        if losses < MOST_LOSSES:
            warn(f"process {number} {how}; another one goes on with {run.path.name}")
            self._again.append(self._assignment(run, key, assignment.experiment, assignment.label))
            return True
        reason = f"its process was lost {losses} times without a further epoch; the last one {how}"
        warn(f"{run.path}: {reason}")
        if record_of(run) is not None:
            run.update({"status": "failed", "finished": now(), "error": reason})
        if key < FINAL:
            self._search.fail(key, reason)
            with self._folder.locked():
                self._note(key)
        elif record_of(run) is None:
            self._error = TrainingError(f"{run.path}: {reason}")
        return True

    def check(self, signals: Sequence[int]) -> None:
        """Raise where it did not come to an end: Interrupted, or an error."""
        go_on = proposed("sweep", "--join", self._folder.path)
        if signals:
            raise interruption(signals, f"interrupted; {go_on} goes on")
        if self._error is not None:
            raise self._error
        if self.take() is not None:
            raise TrainingError(f"{self._folder.path}: its processes were lost before they had begun; {go_on} goes on")

    def _trial(self) -> Assignment | Later | None:
        trials = self._search.trials()
        running = [trial for trial in trials if trial.state == states.RUNNING]
        for trial in running:
            if trial.worker != self._worker and not self._folder.is_at_work(trial.worker):
                taken = self._take_over(trial)
                if taken is not None:
                    return taken
        while (next_trial := self._search.next(self._worker)) is not None:
            if (assignment := self._begin(next_trial)) is not None:
                return assignment
        return Later() if any(trial.state == states.RUNNING for trial in self._search.trials()) else None

    def _take_over(self, trial: Trial) -> Assignment | None:
        """What is left of a trial whose process is gone; None where nothing is, or it is still saving its run."""
        run = self._folder.trial(trial.number)
        if is_busy(run):
            return None
        return self._begin(self._search.take_over(trial.number, self._worker))

    def _begin(self, trial: Trial) -> Assignment | None:
        """Train a trial, or go on with it; None where its run has already ended."""
        run, number = self._folder.trial(trial.number), trial.number
        record = record_of(run)
        status = record.status if record else None
        if status == "finished":
            self._complete(number, run)
        elif status == "diverged":
            self._search.fail(number, str(record.error if record else None))
        elif status == "pruned":
            self._search.prune(number)
        else:
            experiment = trial_experiment(self._space, trial.point)
            return self._assignment(run, number, experiment, f"trial {number}")
        self._note(number)
        return None

    def _assignment(self, run: Run, key: int, experiment: Experiment, label: str) -> Assignment:
        """To resume a run, or to begin it where there is none yet."""
        is_there = record_of(run) is not None
        if not is_there and run.path.exists():  # its process was killed while it made the folder
            shutil.rmtree(run.path)
        asks = key < FINAL and self._space.search.pruner != "none"
        resumes = run if is_there else None
        return Assignment(key, experiment, self._folder.path, run.path.name, resumes=resumes, asks=asks, label=label)

    def _final(self) -> Assignment | Later | None:
        trials = self._search.trials()
        self._table.write(trials)
        self._finals.decide(trials)
        found = self._finals.take(self._worker)
        if found is None or isinstance(found, Later):
            return found
        run, experiment, index, trial = found
        label = f"trial {trial}, seed {experiment.seed}"
        return self._assignment(run, trial + FINAL * (index + 1), experiment, label)

    def _complete(self, number: int, run: Run) -> None:
        self._search.complete(number, run.record().result(self._space.search.metric))

    def _note(self, number: int) -> None:
        trial = self._search.trials()[number]
        self._table.write(self._search.trials())
        self.on_ended(trial)

    def _is_own_failure(self, assignment: Assignment, event: Mapping[str, Any]) -> bool:
        """Whether others can be trained nevertheless: it diverged, or there is too little memory for it."""
        return event["error"] in (Diverged.__name__, TrainingError.__name__)
