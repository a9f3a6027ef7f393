"""What a run is up to, told truly also where the process that trained it could not say so any more."""

import csv
import io
import platform
from collections.abc import Mapping
from typing import Any

from cnnlab.errors import RequestError
from cnnlab.runs import files, lock
from cnnlab.runs.folder import STATUSES, Run

ALL = (*STATUSES, "crashed")
MAX_TABLE = 1 << 28  # bytes of metrics.csv: the most epochs that there can be, and as much again


def status_of(run: Run, record: Mapping[str, Any]) -> str:
    """`running`, `finished`, `interrupted`, `failed`, `diverged`, or `crashed`: its process is gone."""
    status: str = record["status"]
    return "crashed" if status == "running" and not is_live(run, record) else status


def is_live(run: Run, record: Mapping[str, Any]) -> bool:
    """Whether a process works on the run at this moment."""
    process = record.get("process")
    host = process.get("host") if isinstance(process, dict) else None
    return lock.is_held(run.path, elsewhere=host not in (None, platform.node()))


def check_idle(run: Run, record: Mapping[str, Any]) -> None:
    """Raise RequestError where a process works on the run."""
    if is_live(run, record):
        process = record.get("process")
        who = f" by process {process.get('pid')} on {process.get('host')}" if isinstance(process, dict) else ""
        raise RequestError(f"{run.path}: is being trained{who}; end that first")


def epochs_done(run: Run) -> int:
    """How many whole epochs its table has; 0 where there is none that can be read."""
    try:
        return sum(1 for _ in csv.DictReader(io.StringIO(files.read(run.metrics, MAX_TABLE).decode())))
    except (OSError, ValueError, csv.Error):
        return 0
