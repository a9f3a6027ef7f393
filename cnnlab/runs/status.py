"""What a run is up to, told truly also where the process that trained it could not say so any more."""

import csv
import platform
from collections.abc import Mapping
from typing import Any

from cnnlab.errors import RequestError
from cnnlab.runs import lock
from cnnlab.runs.folder import STATUSES, Run

ALL = (*STATUSES, "crashed")


def status_of(run: Run, record: Mapping[str, Any]) -> str:
    """`running`, `finished`, `interrupted`, `failed`, `diverged`, or `crashed`: its process is gone."""
    status: str = record["status"]
    return "crashed" if status == "running" and not is_live(run, record) else status


def is_live(run: Run, record: Mapping[str, Any]) -> bool:
    """Whether a process works on the run at this moment."""
    process = record.get("process")
    host = process.get("host") if isinstance(process, dict) else None
    return lock.is_held(run.path, elsewhere=host != platform.node())


def check_idle(run: Run, record: Mapping[str, Any]) -> None:
    """Raise RequestError where a process works on the run."""
    if is_live(run, record):
        process = record.get("process")
        who = f" by process {process.get('pid')} on {process.get('host')}" if isinstance(process, dict) else ""
        raise RequestError(f"{run.path}: is being trained{who}; end that first")


def epochs_done(run: Run) -> int:
    """How many whole epochs its table has; 0 where there is none that can be read."""
    try:
        with run.metrics.open(encoding="utf-8", newline="") as file:
            return sum(1 for _ in csv.DictReader(file))
    except (OSError, ValueError, csv.Error):
        return 0
