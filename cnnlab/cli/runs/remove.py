"""`cnnlab runs rm`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from cnnlab.errors import RequestError


def remove(
    runs: Annotated[list[Path], typer.Argument(help="Run folders.", metavar="RUN...", show_default=False)],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove runs and everything in them. If one of them is being trained, none is removed."""
    from cnnlab.runs.find import find_one
    from cnnlab.runs.remove import check_removable
    from cnnlab.runs.remove import remove as remove_run

    folders = [find_one(path) for path in {path.resolve(): path for path in runs}.values()]
    for folder in folders:
        check_removable(folder)
    names = ", ".join(str(folder.path) for folder in folders)
    if not yes:
        if not sys.stdin.isatty():
            raise RequestError(f"{names}: --yes is needed where no terminal can be asked")
        if not typer.confirm(f"Remove {names}?", err=True):
            raise RequestError("aborted")
    for folder in folders:
        remove_run(folder)
        print(f"removed {folder.path}")
