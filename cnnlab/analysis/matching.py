"""The runs that are compared: those at paths, also in the folders of sweeps there, with certain settings."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from cnnlab.analysis.where import Where
from cnnlab.errors import RunError
from cnnlab.runs import Run
from cnnlab.runs.find import find, read_records
from cnnlab.runs.record import RECORD, RunRecord

SWEEP = "sweep.yaml"
"""What the folder of a sweep has; its runs are inside."""


def runs_at(paths: Sequence[Path]) -> list[Run]:
    """The runs at `paths`: run folders, or folders of runs and of sweeps, each run once.

    Raises RequestError where a path is none of these.
    """
    return list({run.path.resolve(): run for path in paths for run in find(list(_folders(path)))}.values())


def matching_records(
    paths: Sequence[Path], where: Sequence[Where] = (), damaged: list[Run] | None = None
) -> list[RunRecord]:
    """The records of the runs at `paths` whose experiments have these settings. Raises RunError if there are none.

    Runs that cannot be read get a warning, and are added to `damaged`.
    """
    records = list(read_records(runs_at(paths), damaged))
    if not records:
        raise RunError(f"{', '.join(map(str, paths))}: no run here can be read")
    for condition in where:
        condition.check_known([record.experiment.raw for record in records])
    found = [record for record in records if all(condition.matches(record.experiment.raw) for condition in where)]
    if not found:
        conditions = " and ".join(condition.option for condition in where)
        raise RunError(f"{conditions}: true of none of the {len(records)} runs")
    return found


def _folders(path: Path) -> Iterator[Path]:
    """`path` and the folders of sweeps with runs in it; without `path` where it has runs in those alone."""
    if (path / RECORD).is_file() or not path.is_dir():
        yield path
        return
    sweeps = [child for child in _inside(path) if (child / SWEEP).is_file() and _has_runs(child)]
    if not sweeps or _has_runs(path):
        yield path
    yield from sorted(sweeps)


def _has_runs(folder: Path) -> bool:
    return any((child / RECORD).is_file() for child in _inside(folder))


def _inside(folder: Path) -> list[Path]:
    return [child for child in folder.iterdir() if not child.name.startswith(".")]
