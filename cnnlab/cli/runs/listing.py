"""`cnnlab runs list`."""

from pathlib import Path
from typing import Annotated

import typer

from cnnlab.cli.tables import Format, render
from cnnlab.errors import RequestError


def listing(
    folders: Annotated[
        list[Path] | None, typer.Argument(help="Folders of runs, or runs; default: runs/.", show_default=False)
    ] = None,
    status: Annotated[
        str | None,
        typer.Option(
            help="Only runs of this status: running, finished, interrupted, failed, diverged, pruned or crashed.",
            show_default=False,
        ),
    ] = None,
    format: Annotated[Format, typer.Option(help="How to print the table.")] = Format.TABLE,
) -> None:
    """List runs: whether each is running, finished, interrupted, failed, diverged, pruned or crashed, and its progress.

    A run has crashed if its process ended without recording a status. `cnnlab resume RUNS --all` resumes all runs that
    can be resumed.
    """
    from cnnlab.analysis.matching import runs_at
    from cnnlab.runs.find import read_records
    from cnnlab.runs.overview import COLUMNS, overview
    from cnnlab.runs.status import ALL_STATUSES

    if status is not None and status not in ALL_STATUSES:
        raise RequestError(f"--status {status}: expected one of {', '.join(ALL_STATUSES)}")
    rows = [overview(record) for record in read_records(runs_at(folders or [Path("runs")]))]
    rows = [row for row in rows if status in (None, row["status"])]
    if rows or format is not Format.TABLE:
        has_folds = any(row["fold"] for row in rows) or format is not Format.TABLE
        print(render(rows, [column for column in COLUMNS if has_folds or column != "fold"], format))
