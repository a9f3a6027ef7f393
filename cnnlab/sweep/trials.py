"""trials.csv: one row per trial, for whoever reads a sweep without Optuna."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cnnlab.config import yaml
from cnnlab.config.dimensions import Dimension
from cnnlab.config.space import Space
from cnnlab.runs.metrics import count_epochs, read_numbers, read_rows, write_rows
from cnnlab.sweep import study as states
from cnnlab.sweep.experiments import record_of
from cnnlab.sweep.folder import SweepFolder
from cnnlab.sweep.study import Trial

ENDED = (states.COMPLETE, states.PRUNED, states.FAILED)
STATES = (states.WAITING, states.RUNNING, *ENDED)


@dataclass(frozen=True)
class TrialRow:
    """A row of the table; None is an empty cell. A pruned trial has the value that it had when it was ended."""

    number: int
    state: str
    value: float | None
    epochs: int | None
    seconds: float | None
    parameters: int | None
    reason: str
    point: Mapping[str, Any]
    """Values of the keys that apply."""


class TrialTable:
    """Writes the table; remembers the rows of trials that have ended."""

    def __init__(self, folder: SweepFolder, space: Space) -> None:
        self._folder, self._space = folder, space
        self._rows: dict[int, dict[str, Any]] = {}
        self.wanted = self.ended = 0
        """Numbers of trials, and of those that have ended; without those that were left out."""

    def write(self, trials: Sequence[Trial]) -> list[dict[str, Any]]:
        """Write and return all rows."""
        asked_for = [trial for trial in trials if not trial.is_left_out]
        self.wanted = len(asked_for)
        self.ended = sum(trial.state in ENDED for trial in asked_for)
        rows = [self._row(trial) for trial in asked_for]
        write_rows(self._folder.trials, rows, list(rows[0]))
        return rows

    def _row(self, trial: Trial) -> dict[str, Any]:
        if trial.number in self._rows:
            return self._rows[trial.number]
        run = self._folder.trial(trial.number)
        record = record_of(run)
        seconds = record.seconds if record else None
        if seconds is None:  # as of a pruned trial: without validation
            seconds = math.fsum(read_numbers(run.metrics).get("seconds", ())) or None
        row = {
            "trial": trial.number,
            "state": trial.state,
            self._space.search.metric: trial.value,
            "epochs": count_epochs(run.metrics) or None,
            "seconds": seconds and round(seconds, 3),
            "parameters": record and record.parameters,
            "run": run.path.name,
            "reason": trial.reason,
            **{one.key: _cell(trial.point.get(one.key)) for one in self._space.dimensions},
        }
        if trial.state in ENDED:
            self._rows[trial.number] = row
        return row


def _cell(value: Any) -> Any:
    return value if value is None or isinstance(value, str | int | float) else yaml.dump_inline(value)


def read_trials(folder: SweepFolder, space: Space) -> list[TrialRow]:
    """The rows of the table. Raises OSError, and ValueError where it is damaged."""
    choices = {
        one.key: {str(_cell(choice)): choice for choice in reversed(one.values.choice or ())}
        for one in space.dimensions
    }
    metric = space.search.metric
    rows = read_rows(folder.trials)
    if not rows:
        raise ValueError(f"{folder.trials.name}: no rows")
    try:
        return [_read_row(row, metric, space, choices) for row in rows]
    except (KeyError, OverflowError) as error:
        raise ValueError(f"{folder.trials.name}: {error}") from None


def _read_row(row: Mapping[str, str], metric: str, space: Space, choices: Mapping[str, Mapping[str, Any]]) -> TrialRow:
    if row["state"] not in STATES:
        raise ValueError(f"state {row['state']}")
    point: dict[str, Any] = {}
    for one in space.dimensions:
        cell = row[one.key]
        if cell or (None in choices[one.key].values() and one.applies(point, space.dimensions)):
            point[one.key] = choices[one.key][cell] if choices[one.key] else _in_range(one, cell)
    epochs, seconds, parameters = (_number(row[key]) for key in ("epochs", "seconds", "parameters"))
    return TrialRow(
        int(row["trial"]),
        row["state"],
        _number(row[metric]),
        None if epochs is None else int(epochs),
        None if seconds is None else max(0.0, seconds),
        None if parameters is None else int(parameters),
        row["reason"],
        point,
    )


def _in_range(dimension: Dimension, cell: str) -> float:
    value = float(cell)
    low, high = dimension.values.ends
    slack = 1e-9 * max(abs(low), abs(high))  # of rounding
    if not low - slack <= value <= high + slack:
        raise ValueError(f"{dimension.key}: {cell}")
    return int(value) if "integer" in dimension.values.kind else value


def _number(cell: str) -> float | None:
    value = float(cell) if cell else None
    if value is not None and not math.isfinite(value):
        raise ValueError(f"number {cell}")
    return value
