"""A process that works on a sweep, until that has come to its end."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from cnnlab.config.space import DEFAULT_TRIALS, Space
from cnnlab.errors import RequestError, TrainingError
from cnnlab.jobs.cores import Shares
from cnnlab.jobs.pool import Pool, shown
from cnnlab.jobs.processes import Processes
from cnnlab.quantities import Bytes
from cnnlab.runs import Run
from cnnlab.runs.record import RunRecord
from cnnlab.sweep import study as states
from cnnlab.sweep.experiments import record_of
from cnnlab.sweep.folder import SweepFolder, differences, read_outcome
from cnnlab.sweep.outcome import Outcome, judge
from cnnlab.sweep.study import Search, Trial
from cnnlab.sweep.trials import TrialTable
from cnnlab.sweep.work import SweepWork
from cnnlab.terminal import proposed, stderr


def space_of(folder: SweepFolder, given: Space | None) -> Space:
    """The space that is searched in a folder: that of the folder, once it has one, perhaps with more trials.

    Raises RequestError where another one is given, RunError where there is none.
    """
    if not folder.space.exists() and given is not None:
        return given
    there = folder.read_space()
    if given is None:
        return there
    if changed := differences(there, given):
        raise RequestError(
            f"{folder.path}: is a sweep of another space: {'; '.join(changed)}; choose another folder, such as "
            f"--name other, or go on with that one: {proposed('sweep', '--join', folder.path)}"
        )
    raised = (given.search.trials or 0) > (there.search.trials or DEFAULT_TRIALS)
    return replace(there, search=given.search) if raised else there


def check_not_at_work(folder: SweepFolder) -> None:
    """Raise RequestError where a process works on the sweep."""
    if folder.path.is_dir() and (workers := folder.workers()):
        raise RequestError(
            f"{folder.path}: {len(workers)} process{'es work' if len(workers) > 1 else ' works'} on this sweep; "
            f"{proposed('sweep', '--join', folder.path)} helps"
        )


def work_on(
    folder: SweepFolder,
    space: Space,
    points: Sequence[Mapping[str, Any]] | None,
    shares: Shares,
    *,
    storage: str | None,
    quiet: bool,
) -> list[int]:
    """Train what is left of a sweep, in as many processes as there are shares.

    Returns the signals that ended it. Raises what ended it otherwise.
    """
    folder.path.mkdir(parents=True, exist_ok=True)
    with folder.worker() as worker:
        with folder.locked():
            if folder.space.exists():  # another process may have begun it since
                space = space_of(folder, space)
            else:
                folder.create(space, storage)
            table = TrialTable(folder, space)
            search = Search(folder, space, storage)
            search.begin(points)
            table.write(search.trials())
        work = SweepWork(folder, space, search, worker, table)
        with Processes(shares.variables) as processes, shown(quiet) as progress:
            if not quiet:
                work.on_ended = lambda trial: progress.console.print(_line(trial, space), markup=False)
            pool = Pool(work, processes, len(shares.variables), progress)
            pool.serve()
        if not quiet and pool.peak:
            stderr().print(f"peak memory of a process: {Bytes(pool.peak)}")
        work.check(processes.signals)
        check_any(search.trials(), folder)
    return processes.signals


def outcome_of(folder: SweepFolder, space: Space) -> Outcome | None:
    """What a sweep has come to, from its files; None where not all of its trials have ended."""
    known = read_outcome(folder)
    if known is None:
        return None
    records: dict[int, list[RunRecord]] = {}
    for one in known["finalists"]:
        seeds = range(space.base.seed + 1, space.base.seed + 1 + space.search.seeds)
        found = [record_of(Run(folder.final(one["trial"], seed).path)) for seed in seeds]
        records[one["trial"]] = [record for record in found if record is not None and record.status == "finished"]
    return judge(space.search.metric, known["candidates"], known["finalists"], records)


def _line(trial: Trial, space: Space) -> str:
    """What a trial came to, in one line."""
    value = "" if trial.value is None else f" {space.search.metric} {trial.value:.4f}"
    what = {states.COMPLETE: "", states.PRUNED: " pruned,", states.FAILED: f" failed: {trial.reason}"}
    return f"trial {trial.number}:{what.get(trial.state, '')}{value} ({space.describe(trial.point)})"


def check_any(trials: Sequence[Trial], folder: SweepFolder) -> None:
    """Raise TrainingError where no trial finished."""
    asked_for = [trial for trial in trials if not trial.is_left_out]
    if not any(trial.state == states.COMPLETE for trial in asked_for):
        reasons = dict.fromkeys(trial.reason for trial in asked_for if trial.reason)
        raise TrainingError(
            f"{folder.path}: none of {len(asked_for)} trials finished; the first: {next(iter(reasons), 'pruned')}"
        )
