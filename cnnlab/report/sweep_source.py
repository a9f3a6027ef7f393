"""What a report reads of a sweep: the space, the table of trials, the outcome, the runs of the finalists."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from cnnlab.analysis.compare import Comparison
from cnnlab.config import yaml
from cnnlab.config.differences import brief, short
from cnnlab.config.dimensions import Dimension
from cnnlab.config.space import DEFAULT_TRIALS, Space
from cnnlab.report.axes import number
from cnnlab.runs.find import read_records
from cnnlab.runs.record import RunRecord
from cnnlab.sweep import study as states
from cnnlab.sweep.folder import SweepFolder
from cnnlab.sweep.importance import Importance, importance, position
from cnnlab.sweep.outcome import Outcome
from cnnlab.sweep.run import outcome_of
from cnnlab.sweep.summary import describe
from cnnlab.sweep.trials import ENDED, TrialRow, read_trials


@dataclass(frozen=True)
class SweepSource:
    """A sweep that a report is about; `problem` is why it has no trials, where the table of them cannot be read."""

    folder: SweepFolder
    space: Space
    trials: Sequence[TrialRow]
    problem: str
    outcome: Outcome | None

    @property
    def metric(self) -> str:
        """What trials are compared by."""
        return self.space.search.metric

    @property
    def higher_is_better(self) -> bool:
        """Whether the metric is an accuracy."""
        return self.metric != "val_loss"

    def of(self, *wanted: str) -> list[TrialRow]:
        """The trials in one of these states."""
        return [trial for trial in self.trials if trial.state in wanted]

    @cached_property
    def ranked(self) -> list[TrialRow]:
        """The complete trials, best first; of equal ones the earlier."""
        sign = -1 if self.higher_is_better else 1
        found = [trial for trial in self.of(states.COMPLETE) if trial.value is not None]
        return sorted(found, key=lambda trial: (sign * (trial.value or 0.0), trial.number))

    @property
    def ended(self) -> int:
        """The number of trials that have ended."""
        return len(self.of(*ENDED))

    @property
    def wanted(self) -> int:
        """The number of trials that were asked for; a table of one that learns has those that were begun."""
        search = self.space.search
        learns = search.sampler in ("tpe", "cmaes")
        return max(len(self.trials), (search.trials or DEFAULT_TRIALS) if learns else 0)

    @cached_property
    def names(self) -> Mapping[str, str]:
        """The keys of the space, each with as much of it as distinguishes it."""
        keys = [one.key for one in self.space.dimensions]
        return dict(zip(keys, short(keys), strict=True))

    @cached_property
    def categories(self) -> Mapping[str, list[str]]:
        """The names of the choices of each key that has choices."""
        return {
            one.key: [_text(value) for value in brief(one.key, one.values.choice)]
            for one in self.space.dimensions
            if one.values.choice
        }

    @cached_property
    def importance(self) -> Importance | None:
        """Of the keys; None where it is not known."""
        return importance(self.space, self.trials)

    @cached_property
    def by_importance(self) -> list[Dimension]:
        """The keys, the most important ones first where that is known."""
        found = self.importance
        order = list(found.keys) if found else []
        return sorted(self.space.dimensions, key=lambda one: order.index(one.key) if order else 0)

    @cached_property
    def finals(self) -> list[RunRecord]:
        """The runs of the finalists on fresh seeds, in whatever state."""
        chosen = [one.trial for one in self.outcome.finalists] if self.outcome else []
        first = self.space.base.seed + 1
        seeds = range(first, first + self.space.search.seeds)
        runs = [self.folder.final(trial, seed) for trial in chosen for seed in seeds]
        return list(read_records(run for run in runs if run.path.is_dir()))

    @cached_property
    def comparison(self) -> Comparison | None:
        """Of the finalists on the test set, in their order by validation."""
        if self.outcome is None or self.outcome.comparison is None:
            return None
        found, finalists = self.outcome.comparison, self.outcome.finalists
        ranks = {run: rank for rank, one in enumerate(finalists) if one.group for run in one.group.runs}
        rows = [
            replace(row, group=replace(row.group, name=f"trial {finalists[ranks[row.group.runs[0]]].trial}"))
            for row in sorted(found.rows, key=lambda row: ranks[row.group.runs[0]])
        ]
        runs = found.reference.runs if found.reference else None
        return replace(found, rows=rows, reference=next((row.group for row in rows if row.group.runs == runs), None))

    def described(self, number: int, point: Mapping[str, object]) -> str:
        """`optimizer adam, batch_size 32`: the point of a trial, from the table of trials where that has it."""
        trial = next((trial for trial in self.trials if trial.number == number), None)
        if trial is None:
            return describe(self.space, point)
        keys = [one for one in self.space.dimensions if one.key in trial.point]
        return "; ".join(f"{self.names[one.key]} {self.shown(one, trial)}" for one in keys)

    def place(self, dimension: Dimension, trial: TrialRow) -> float:
        """Where the value of a trial is on the axis of a key; NaN where it has none."""
        if dimension.key not in trial.point:
            return math.nan
        value = trial.point[dimension.key]
        choices = dimension.values.choice
        return float(position(choices, value) if choices else value)

    def shown(self, dimension: Dimension, trial: TrialRow) -> str:
        """The value of a trial as a text; empty where it has none."""
        place = self.place(dimension, trial)
        if math.isnan(place):
            return ""
        return self.categories[dimension.key][int(place)] if dimension.values.choice else number(place)


def read(path: Path) -> SweepSource:
    """The sweep in a folder, in whatever state it is. Raises RunError or ConfigError where its space is damaged."""
    folder = SweepFolder(path)
    space = folder.read_space()
    try:
        trials, problem = read_trials(folder, space), ""
    except (OSError, ValueError):
        trials, problem = [], f"{folder.trials.name} is missing or damaged: the trials are not shown."
    return SweepSource(folder, space, trials, problem, outcome_of(folder, space))


def _text(value: object) -> str:
    """A choice as an experiment file has it."""
    return yaml.dump_inline(value) if value is None or isinstance(value, bool) else str(value)
