"""trials.csv: one row per trial, for whoever reads a sweep without Optuna."""

from collections.abc import Sequence
from typing import Any

from cnnlab.config import yaml
from cnnlab.config.space import Space
from cnnlab.errors import RunError
from cnnlab.runs.metrics import count_epochs, write_rows
from cnnlab.sweep import study as states
from cnnlab.sweep.folder import SweepFolder
from cnnlab.sweep.study import Trial

ENDED = (states.COMPLETE, states.PRUNED, states.FAILED)


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
        try:
            record = run.record()
            seconds, parameters = record.seconds, record.parameters
        except RunError:
            seconds = parameters = None
        row = {
            "trial": trial.number,
            "state": trial.state,
            self._space.search.metric: trial.value,
            "epochs": count_epochs(run.metrics) or None,
            "seconds": seconds,
            "parameters": parameters,
            "run": run.path.name,
            "reason": trial.reason,
            **{one.key: _cell(trial.point.get(one.key)) for one in self._space.dimensions},
        }
        if trial.state in ENDED:
            self._rows[trial.number] = row
        return row


def _cell(value: Any) -> Any:
    return value if value is None or isinstance(value, str | int | float) else yaml.dump_inline(value)
