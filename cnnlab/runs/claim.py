"""New run folders."""

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from cnnlab.errors import RequestError, RunError
from cnnlab.experiment.schema import FOLDER_NAME, FOLDER_NAME_RULE
from cnnlab.messages import folder_name
from cnnlab.runs import lock
from cnnlab.runs.folder import Run


def check_writable(runs: Path) -> None:
    """Raise RequestError unless run folders can be made in `runs`, which need not exist yet."""
    existing = next(folder for folder in (runs, *runs.absolute().parents) if folder.exists())
    if not existing.is_dir():
        raise RequestError(f"--runs {runs}: {existing} is a file; expected a folder")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise RequestError(f"--runs {runs}: no permission to write in {existing}; choose another folder")


def check_name(runs: Path, name: str) -> None:
    """Raise RequestError unless `name` can be the name of a new run folder in `runs`."""
    if not re.fullmatch(FOLDER_NAME, name):
        raise RequestError(f"--name {name}: expected {FOLDER_NAME_RULE}; try --name {folder_name(name)}")
    if (runs / name).exists():
        raise RequestError(
            f"--name {name}: {runs / name} exists and a run is never overwritten; "
            "choose another name, or leave --name out for a numbered one"
        )


@contextmanager
def new_run_folder(
    runs: Path, experiment_name: str, name: str | None, record: Mapping[str, Any], config: str = ""
) -> Iterator[Run]:
    """A new, locked run folder, `runs/NAME` or else `runs/EXPERIMENT-N` with the first free N.

    `mkdir` is atomic, so of many processes only one gets each name. `record` is the first run.json, `config` the
    experiment; where they cannot be written, the folder is removed again.
    """
    try:
        runs.mkdir(parents=True, exist_ok=True)
        run = Run(_make_named(runs, name) if name else _make_numbered(runs, experiment_name))
    except OSError as error:
        raise RequestError(f"--runs {runs}: no run folder can be made there: {error.strerror}") from None
    with lock.held(run.path):
        try:
            run.write_config(config)
            run.create(record)
        except RunError:
            shutil.rmtree(run.path, ignore_errors=True)
            raise
        yield run


def _make_named(runs: Path, name: str) -> Path:
    check_name(runs, name)
    (runs / name).mkdir()
    return runs / name


def _make_numbered(runs: Path, name: str) -> Path:
    number = 1
    while True:
        with suppress(FileExistsError):
            (runs / f"{name}-{number}").mkdir()
            return runs / f"{name}-{number}"
        number += 1
