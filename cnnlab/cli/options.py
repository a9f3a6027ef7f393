"""Options of several commands."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cnnlab.errors import RequestError, RunError
from cnnlab.terminal import note, warn

if TYPE_CHECKING:
    from cnnlab.experiment.schema import Experiment
    from cnnlab.runs import Run


def complete_config(incomplete: str) -> list[str]:
    """The shipped experiments whose names begin so, for shells, which complete files by themselves."""
    from cnnlab.config import shipped

    return [name for name in shipped.paths() if name.startswith(incomplete)]


Config = Annotated[
    str,
    typer.Argument(
        help="An experiment file, or the name of a shipped one.", show_default=False, autocompletion=complete_config
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(help="Change a key of the experiment; may be repeated.", metavar="KEY=VALUE", show_default=False),
]
Jobs = Annotated[
    str | None,
    typer.Option(
        help="Train several runs in so many processes at once, each with its share of the cores; auto: as many as are "
        "fastest.",
        metavar="N|auto",
        show_default=False,
    ),
]


def processes(jobs: str | None, tasks: int, experiment: "Experiment") -> int:
    """How many processes --jobs means for so many runs like this one. Raises RequestError where it must be one."""
    if jobs is None:
        return 1
    from cnnlab.jobs.cores import count_of

    count = count_of(jobs, tasks, experiment)
    if tasks == 1 and jobs != "auto":
        note(f"--jobs {jobs}: there is one run, which one process trains")
    if count > 1 and os.environ.get("TF_CONFIG"):
        raise RequestError(f"--jobs {jobs}: not for the workers of a cluster (TF_CONFIG), which train one run together")
    return count


def make_folder(folder: Path) -> None:
    """Make the folder of --out, before what takes long. Raises RequestError where that is not possible."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise RequestError(f"--out {folder}: is a file; expected a folder") from None
    except OSError as error:
        raise RequestError(f"--out {folder}: cannot be written: {error.strerror or error}") from None


def record_test_use(run: "Run", by: str) -> None:
    """Record that the test set of a run was used; a warning where its folder cannot be written, as a colleague's."""
    try:
        run.record_test_use(by)
    except RunError as error:
        warn(f"{error}; that the test set was used is not recorded")
