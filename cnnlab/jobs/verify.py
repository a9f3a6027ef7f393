"""`cnnlab verify --jobs`: runs that are trained again in several processes."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cnnlab.errors import TrainingError
from cnnlab.jobs.pool import Assignment, Listed, Pool, shown
from cnnlab.jobs.processes import Processes, interruption
from cnnlab.jobs.train import error_of
from cnnlab.runs import Run
from cnnlab.runs.experiment import experiment_of
from cnnlab.terminal import warn


def verify(runs: Sequence[Run], count: int, *, quiet: bool, on_verdict: Callable[[Mapping[str, Any]], object]) -> None:
    """Verify finished runs in `count` processes; `on_verdict` hears of the verdicts, as maps, in the order of the runs.

    Each computes with the threads of its run, since others would change the bits. A run that cannot be trained again
    does not keep the others from it; raises TrainingError at the end where there was one.
    """
    work = _Verifications(runs)
    with Processes([{}] * count) as processes, shown(quiet) as progress:
        Pool(work, processes, count, progress).serve()
    for _, verdict in sorted(work.verdicts.items()):
        on_verdict(verdict)
    if processes.signals:
        raise interruption(processes.signals, "interrupted; no run was changed")
    if len(work.verdicts) < len(runs):
        raise TrainingError(f"{len(runs) - len(work.verdicts)} of {len(runs)} runs could not be verified")


class _Verifications(Listed):
    """Runs in their order, and their verdicts."""

    stops = False

    def __init__(self, runs: Sequence[Run]) -> None:
        super().__init__(
            Assignment(number, experiment_of(run), run.path.parent, verifies=run, label=run.path.name)
            for number, run in enumerate(runs)
        )
        self.total, self._failed = len(runs), 0
        self.verdicts: dict[int, Mapping[str, Any]] = {}

    @property
    def done(self) -> int:
        """The number of runs that have been verified, or could not be."""
        return len(self.verdicts) + self._failed

    def ended(self, assignment: Assignment, event: Mapping[str, Any]) -> None:
        """Note it."""
        if event["event"] == "verified":
            self.verdicts[assignment.key] = event["verdict"]
        elif event["event"] == "failed":
            self._failed += 1
            warn(str(error_of(event)))

    def lost(self, assignment: Assignment, number: int, run: Run, how: str) -> bool:
        """Count it as failed; another process verifies the others."""
        self._failed += 1
        warn(f"process {number} {how}; {run.path} was not verified")
        return True
