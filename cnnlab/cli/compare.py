"""`cnnlab compare`."""

from pathlib import Path
from typing import Annotated

import typer

from cnnlab.cli.tables import Format, render


def compare(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, or folders of runs.", show_default=False)],
    sort: Annotated[
        str | None, typer.Option(help="Sort by this column: accuracies from the top, all else from the smallest.")
    ] = None,
    format: Annotated[Format, typer.Option(help="How to print the table.")] = Format.TABLE,
    plot: Annotated[
        Path | None, typer.Option(help="Also draw the learning curves into this file (.png, .svg, .pdf).")
    ] = None,
) -> None:
    """Put runs side by side: the settings that differ, test accuracy and loss, parameters, seconds of training."""
    from cnnlab.analysis.compare import compare as table_of

    rows, columns = table_of(runs, sort)
    if plot:
        from cnnlab.analysis.curves import plot as draw

        draw(runs, plot)
    print(render(rows, columns, format))
