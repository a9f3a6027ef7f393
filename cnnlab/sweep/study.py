"""The state of a search: Optuna's study, in the journal of a sweep's folder or in another of Optuna's storages."""

import json
import math
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import filelock

from cnnlab.config import yaml
from cnnlab.config.dimensions import Dimension
from cnnlab.config.space import DEFAULT_TRIALS, Space
from cnnlab.errors import CnnlabError, ConfigError, RequestError, RunError
from cnnlab.runs import lock
from cnnlab.sweep.folder import SweepFolder
from cnnlab.terminal import warn

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.storages import BaseStorage
    from optuna.study import Study
    from optuna.trial import FrozenTrial

NAME = "cnnlab"
WORKER, REASON, LEFT_OUT = "worker", "reason", "left_out"
RUNNING, WAITING, COMPLETE, PRUNED, FAILED = "running", "waiting", "complete", "pruned", "failed"
STUCK, MOST_LEFT_OUT = 20, 1_000  # points in a row


@dataclass(frozen=True)
class Trial:
    """A trial: its number from 0, its state, its point once it is begun, and what it came to."""

    number: int
    state: str
    point: Mapping[str, Any]
    value: float | None
    worker: str | None
    reason: str | None
    """Why it failed."""
    is_left_out: bool
    """Whether it was too large, or another one had its point: it is none of the trials that were asked for."""


class Search:
    """The trials of a sweep: which there are, which is next, what each came to.

    Whatever changes is written at once. What is decided by what others did is decided while the folder is locked.
    """

    def __init__(self, folder: SweepFolder, space: Space, storage: str | None = None) -> None:
        """Open the search. Raises RequestError where Optuna is missing or the storage cannot be opened, RunError where
        the journal is damaged."""
        optuna = import_optuna()
        self._space, self._folder = space, folder
        self._dimensions = {one.key: _distribution(one) for one in space.dimensions}
        direction = "minimize" if space.search.metric == "val_loss" else "maximize"
        try:
            self._study: Study = optuna.create_study(
                storage=_storage(folder, storage),
                study_name=f"{NAME}-{folder.path.name}" if storage else NAME,
                direction=direction,
                sampler=optuna.samplers.RandomSampler(seed=space.search.seed),
                pruner=_pruner(space),
                load_if_exists=True,
            )
            self.trials()
        except CnnlabError:
            raise
        except Exception as error:  # whatever a driver of a database, or Optuna in a damaged journal, raises
            if storage:
                raise _closed(storage, error) from None
            raise _damaged(folder.journal, str(error)) from None

    def begin(self, points: Sequence[Mapping[str, Any]] | None) -> None:
        """Queue the trials that are not there yet: those of `points`, or as many as `search.trials` where the sampler
        chooses when they begin."""
        present = [trial for trial in self.trials() if not trial.is_left_out]
        wanted = self._space.search.trials or DEFAULT_TRIALS
        known = [trial.point for trial in present]
        new = [{}] * (wanted - len(present)) if points is None else [point for point in points if point not in known]
        for point in new:
            fixed = {key: self._encode(key, value) for key, value in point.items()}
            self._study.enqueue_trial(fixed, skip_if_exists=False)

    def trials(self) -> list[Trial]:
        """All, in order."""
        return [self._trial(found) for found in self._study.get_trials(deepcopy=False)]

    def next(self, worker: str) -> Trial | None:
        """The next one that was not begun, for this worker; None where there is none. The folder is locked."""
        left_out = 0
        while True:
            trials = self.trials()
            if not any(trial.state == WAITING for trial in trials):
                return None
            begun = sum(trial.state != WAITING for trial in trials)
            self._study.sampler = self._sampler(begun, is_stuck=left_out >= STUCK)
            asked = self._study.ask()
            asked.set_user_attr(WORKER, worker)
            point = self._suggest(asked)
            try:
                experiment = self._space.experiment(point)
            except ConfigError as error:
                warn(f"trial {asked.number}: {error.problems[0]}")
                self.fail(asked.number, error.problems[0])
                continue
            is_new = all(trial.point != point for trial in trials if trial.state != WAITING and not trial.is_left_out)
            if is_new and self._space.fits(experiment):
                return self._trial(self._find(asked.number))
            asked.set_user_attr(LEFT_OUT, True)
            self._study.tell(asked, state=_states()[FAILED])
            self._study.enqueue_trial({}, skip_if_exists=False)
            left_out += 1
            if left_out == MOST_LEFT_OUT:
                raise RunError(
                    f"{self._folder.path}: of {MOST_LEFT_OUT:,} points in a row every one was tried before, or has "
                    "more than search.max_parameters; widen the ranges, or ask for fewer trials"
                )

    def take_over(self, number: int, worker: str) -> Trial:
        """Have a trial, whose worker is gone, belong to this one. The folder is locked."""
        trial = self._open(number)
        trial.set_user_attr(WORKER, worker)
        self._suggest(trial)  # it may have been lost before all values were chosen
        return self._trial(self._find(number))

    def report(self, number: int, epoch: int, value: float) -> bool:
        """Note the metric after an epoch; whether the trial goes on."""
        if epoch not in self._find(number).intermediate_values:  # as after a resume
            self._open(number).report(value, epoch)
        return not self._open(number).should_prune()

    def complete(self, number: int, value: float) -> None:
        """It has finished with this value."""
        self._study.tell(number, value)

    def prune(self, number: int) -> None:
        """It was ended early; its value is the last one that was reported."""
        self._study.tell(number, state=_states()[PRUNED])

    def fail(self, number: int, reason: str) -> None:
        """It has no value."""
        self._open(number).set_user_attr(REASON, reason)
        self._study.tell(number, state=_states()[FAILED])

    def _find(self, number: int) -> "FrozenTrial":
        return self._study.get_trials(deepcopy=False)[number]

    def _open(self, number: int) -> Any:
        from optuna.trial import Trial as OpenTrial

        return OpenTrial(self._study, self._find(number)._trial_id)

    def _trial(self, found: "FrozenTrial") -> Trial:
        names = {state: name for name, state in _states().items()}
        attributes = found.user_attrs
        point = found.params or found.system_attrs.get("fixed_params", {})
        value = found.value if found.values is not None else None
        return Trial(
            found.number,
            names[found.state],
            {key: self._decode(key, point[key]) for key in self._dimensions if key in point},
            value if value is not None and math.isfinite(value) else None,
            attributes.get(WORKER),
            attributes.get(REASON),
            attributes.get(LEFT_OUT, False),
        )

    def _suggest(self, trial: Any) -> dict[str, Any]:
        """The point of a trial, chosen key by key."""
        point: dict[str, Any] = {}
        for one in self._space.dimensions:
            if one.applies(point, self._space.dimensions):
                point[one.key] = self._decode(one.key, trial._suggest(one.key, self._dimensions[one.key]))
        return point

    def _sampler(self, begun: int, *, is_stuck: bool) -> "BaseSampler":
        """Of the next trial: what it draws depends on the seed and on how many were begun.

        Random where it is stuck at points that were tried.
        """
        from optuna import samplers

        seed = (self._space.search.seed * 1_000_003 + begun) % 2**32
        match self._space.search.sampler:
            case _ if is_stuck:
                return samplers.RandomSampler(seed=seed)
            case "tpe":
                return samplers.TPESampler(seed=seed, multivariate=True, group=True)
            case "cmaes":
                return samplers.CmaEsSampler(
                    seed=seed,
                    independent_sampler=samplers.RandomSampler(seed=seed),
                    warn_independent_sampling=False,
                )
        return samplers.RandomSampler(seed=seed)  # their points are fixed

    def _encode(self, key: str, value: Any) -> Any:
        one = next(one for one in self._space.dimensions if one.key == key)
        return _name(one, value) if one.values.kind == "choice" else value

    def _decode(self, key: str, value: Any) -> Any:
        one = next(one for one in self._space.dimensions if one.key == key)
        if one.values.kind != "choice":
            return value
        return next(choice for choice in one.values.choice or () if _name(one, choice) == value)


def _name(dimension: Dimension, choice: Any) -> Any:
    """A choice as Optuna takes it: scalars as they are, anything else as text."""
    choices = dimension.values.choice or []
    are_plain = all(one is None or isinstance(one, str | int | float) for one in choices)
    return choice if are_plain and len(set(choices)) == len(choices) else yaml.dump_inline(choice)


def _distribution(dimension: Dimension) -> "BaseDistribution":
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    values = dimension.values
    if values.kind == "choice":
        return CategoricalDistribution([_name(dimension, choice) for choice in values.choice or ()])
    low, high = values.ends
    if values.kind == "integer":
        step = int(values.step or 1)
        return IntDistribution(int(low), int(low) + (int(high) - int(low)) // step * step, step=step)
    if values.kind == "log_integer":
        return IntDistribution(int(low), int(high), log=True)
    if values.kind == "log":
        return FloatDistribution(low, high, log=True)
    return FloatDistribution(low, (dimension.choices or [high])[-1], step=values.step)


def _pruner(space: Space) -> Any:
    from optuna import pruners

    match space.search.pruner:
        case "halving":
            return pruners.SuccessiveHalvingPruner(min_resource=space.search.min_epochs)
        case "hyperband":
            return pruners.HyperbandPruner(space.search.min_epochs, space.base.train.epochs)
    return pruners.NopPruner()


def _states() -> dict[str, Any]:
    from optuna.trial import TrialState

    return {
        RUNNING: TrialState.RUNNING,
        WAITING: TrialState.WAITING,
        COMPLETE: TrialState.COMPLETE,
        PRUNED: TrialState.PRUNED,
        FAILED: TrialState.FAIL,
    }


def import_optuna() -> Any:
    """The package, quiet. Raises RequestError where it is not installed."""
    try:
        import optuna
    except ImportError:
        raise RequestError("sweep: Optuna is not installed; `pip install 'cnnlab[sweep]'` installs it") from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    return optuna


def check_storage(url: str) -> None:
    """Raise RequestError where a storage cannot be opened."""
    from optuna.storages import get_storage

    try:
        get_storage(url)
    except Exception as error:  # whatever a driver of a database raises
        raise _closed(url, error) from None


def _closed(url: str, error: Exception) -> RequestError:
    first = str(error).partition("\n")[0]
    return RequestError(f"--storage {url}: cannot be opened: {first}")


def _storage(folder: SweepFolder, url: str | None) -> "BaseStorage | str":
    if url is not None:
        return url
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    _repair(folder.journal)
    return JournalStorage(JournalFileBackend(str(folder.journal), lock_obj=_Lock(folder.journal)))  # type: ignore[arg-type]  # its base class is private


class _Lock:
    """A lock of the journal that the system releases when its process is killed, unlike those of Optuna."""

    def __init__(self, journal: Path) -> None:
        self._lock = filelock.FileLock(f"{journal}{lock.FILE}", mode=0o644)

    def acquire(self) -> bool:
        self._lock.acquire()
        return True

    def release(self) -> None:
        self._lock.release()


def _repair(journal: Path) -> None:
    """Cut a last line off that a process had not written to its end when it was killed."""
    if not journal.is_file():
        return
    with filelock.FileLock(f"{journal}{lock.FILE}", mode=0o644), open(journal, "rb+") as file:
        content = file.read()
        end = content.rfind(b"\n") + 1
        if end < len(content):
            file.truncate(end)
            os.fsync(file.fileno())
    for number, line in enumerate(content[:end].splitlines(), start=1):
        try:
            json.loads(line)
        except ValueError:
            raise _damaged(journal, f"line {number} is not JSON") from None


def _damaged(journal: Path, why: str) -> RunError:
    return RunError(
        f"{journal}: damaged: {why}; restore it, or begin anew in another folder, such as --name other; the runs of "
        "its trials remain"
    )
