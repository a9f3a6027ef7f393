"""Removing runs."""

import os
import shutil
from contextlib import nullcontext

from cnnlab.errors import RequestError, RunError
from cnnlab.runs import lock
from cnnlab.runs.folder import Run
from cnnlab.runs.status import check_idle


def check_removable(run: Run) -> None:
    """Raise RequestError where a process works on the run, or its folder is a link; a damaged one can be removed."""
    if run.path.is_symlink():
        raise RequestError(f"{run.path}: is a symbolic link; remove the link, or name the folder")
    try:
        process = run.record().process
    except RunError:
        process = None
    check_idle(run, process)


def remove(run: Run) -> None:
    """Remove the folder. It is renamed to a hidden name first, so that no command reads half a run.

    Raises RunError where it cannot be removed.
    """
    path = run.path.absolute()
    hidden = path.with_name(f".removed-{os.getpid()}-{path.name}")
    try:
        with lock.held(path) if lock.is_lockable(path) else nullcontext():
            path.rename(hidden)
    except OSError as error:
        raise RunError(f"{run.path}: cannot be removed: {error.strerror or error}") from error
    try:
        shutil.rmtree(hidden)
    except OSError as error:
        raise RunError(f"{hidden}: what is left of {run.path} cannot be removed: {error.strerror or error}") from error
