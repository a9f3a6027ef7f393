"""`cnnlab runs list`."""

from pathlib import Path
from typing import Annotated

import typer

from cnnlab.cli.tables import Format, render
from cnnlab.errors import RequestError, RunError


def listing(
    folders: Annotated[
        list[Path] | None, typer.Argument(help="Folders of runs, or runs; runs/ unless given.", show_default=False)
    ] = None,
    status: Annotated[
        str | None,
        typer.Option(
            help="Only runs that are so: running, finished, interrupted, failed, diverged or crashed.",
            show_default=False,
        ),
    ] = None,
    format: Annotated[Format, typer.Option(help="How to print the table.")] = Format.TABLE,
) -> None:
    """Say of every run whether it is running, finished, interrupted, failed, diverged or crashed, and how far it is.

    A run is crashed where its process is gone without having said how it ended. `cnnlab resume RUNS --all` goes on with
    all that can go on.
    """
    from cnnlab.runs.find import find
    from cnnlab.runs.overview import COLUMNS, overview
    from cnnlab.runs.status import ALL
    from cnnlab.terminal import warn

    if status is not None and status not in ALL:
        raise RequestError(f"--status {status}: expected one of {', '.join(ALL)}")
    rows = []
    for run in find(folders or [Path("runs")]):
        try:
            row = overview(run.record())
        except RunError as error:
            warn(f"{error}; left out")
            continue
        if status in (None, row["status"]):
            rows.append(row)
    if rows or format is not Format.TABLE:
        print(render(rows, COLUMNS, format))
