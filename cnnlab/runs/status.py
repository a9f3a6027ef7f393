"""The status of a run, also where its process ended without recording one."""

import platform

from cnnlab.errors import RequestError
from cnnlab.runs import lock
from cnnlab.runs.folder import Run
from cnnlab.runs.record import STATUSES, Process, RunRecord

ALL_STATUSES = (*STATUSES, "crashed")
RESUMABLE = ("interrupted", "failed", "crashed")
"""The statuses of runs that can be resumed unchanged."""


def status_of(record: RunRecord) -> str:
    """A status of run.json, or `crashed`: it is `running` there, and its process no longer exists."""
    is_crashed = record.status == "running" and not is_live(record.run, record.process)
    return "crashed" if is_crashed else record.status


def is_live(run: Run, process: Process | None) -> bool:
    """Whether a process, by its record `process`, is working on the run."""
    return lock.is_held(run.path, elsewhere=process is not None and process.host not in (None, platform.node()))


def check_idle(run: Run, process: Process | None) -> None:
    """Raise RequestError where a process, by its record `process`, works on the run."""
    if is_live(run, process):
        who = f" by process {process.pid} on {process.host}" if process else ""
        raise RequestError(f"{run.path}: is being trained{who}; end that first")
