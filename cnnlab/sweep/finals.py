"""The finalists: the best trials, trained again on fresh seeds and measured on the test set."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from cnnlab.config.load import to_yaml
from cnnlab.config.space import Space
from cnnlab.experiment.schema import Experiment
from cnnlab.jobs.pool import Later
from cnnlab.runs import Run, files
from cnnlab.sweep import study as states
from cnnlab.sweep.experiments import is_busy, record_of, with_test
from cnnlab.sweep.folder import SweepFolder, read_outcome, write_outcome
from cnnlab.sweep.study import Trial


class Finals:
    """The runs of the finalists: which they are is decided once, and written down."""

    def __init__(self, folder: SweepFolder, space: Space) -> None:
        self._folder, self._space = folder, space
        self._outcome: dict[str, Any] = {}

    @property
    def count(self) -> int:
        """The number of runs, as far as that is known."""
        search = self._space.search
        known = len(self._outcome["finalists"]) if self._outcome else search.finalists
        return min(known, search.finalists) * search.seeds

    @property
    def finished(self) -> int:
        """The number of those that have ended."""
        return sum(_has_ended(run) for run, *_ in self._runs()) if self._outcome else 0

    def decide(self, trials: Sequence[Trial]) -> None:
        """Choose the finalists, unless they are chosen. All trials have ended; the folder is locked."""
        known = read_outcome(self._folder)
        if known is not None and known["trials"] == len(trials) and _agree(known["finalists"], trials):
            self._outcome = known
            return
        best = finalists(trials, self._space)
        self._outcome = {
            "trials": len(trials),
            "candidates": sum(trial.state == states.COMPLETE for trial in trials),
            "metric": self._space.search.metric,
            "finalists": [{"trial": trial.number, "value": trial.value, "point": dict(trial.point)} for trial in best],
            "claims": {},
        }
        write_outcome(self._folder, self._outcome)
        if best:
            files.write_text(self._folder.winner, to_yaml(self._experiment(best[0], self._space.base.seed)))

    def take(self, worker: str) -> tuple[Run, Experiment, int, int] | Later | None:
        """A run that none works on: its folder, experiment, index of its seed and trial. The folder is locked."""
        self._outcome = read_outcome(self._folder) or self._outcome
        claims, are_claimed = self._outcome["claims"], False
        for run, experiment, index, trial in self._runs():
            if _has_ended(run):
                continue
            owner = claims.get(run.path.name)
            if owner is not None and self._folder.is_at_work(owner):
                are_claimed = True
                continue
            if is_busy(run):
                are_claimed = True
                continue
            claims[run.path.name] = worker
            write_outcome(self._folder, self._outcome)
            return run, experiment, index, trial
        return Later() if are_claimed else None

    def _runs(self) -> list[tuple[Run, Experiment, int, int]]:
        """Of all seeds of a finalist, then of the next one."""
        found = []
        for one in self._outcome["finalists"][: self._space.search.finalists]:
            for index in range(self._space.search.seeds):
                seed = self._space.base.seed + 1 + index
                run = self._folder.final(one["trial"], seed)
                found.append((run, self._experiment_at(one["point"], seed), index, one["trial"]))
        return found

    def _experiment(self, trial: Trial, seed: int) -> Experiment:
        return self._experiment_at(dict(trial.point), seed)

    def _experiment_at(self, point: dict[str, Any], seed: int) -> Experiment:
        return with_test(self._space.experiment(point), "end", seed)


def _agree(known: Sequence[Mapping[str, Any]], trials: Sequence[Trial]) -> bool:
    """Whether the finalists of a file are trials."""
    by_number = {trial.number: trial for trial in trials}
    found = [by_number.get(one["trial"]) for one in known]
    return all(
        trial is not None and (dict(trial.point), trial.value) == (one["point"], one["value"])
        for trial, one in zip(found, known, strict=True)
    )


def finalists(trials: Sequence[Trial], space: Space) -> list[Trial]:
    """The best trials that finished, best first, at least one; of equal ones, and of the same point, the earlier."""
    sign = 1 if space.search.metric == "val_loss" else -1
    finished = [trial for trial in trials if trial.state == states.COMPLETE and trial.value is not None]
    ranked = sorted(finished, key=lambda trial: (sign * (trial.value or 0.0), trial.number))
    distinct = {json.dumps(dict(trial.point), sort_keys=True): trial for trial in reversed(ranked)}
    numbers = {trial.number for trial in distinct.values()}
    return [trial for trial in ranked if trial.number in numbers][: max(1, space.search.finalists)]


def _has_ended(run: Run) -> bool:
    record = record_of(run)
    return record is not None and record.status in ("finished", "diverged", "failed")
