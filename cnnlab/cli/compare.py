"""`cnnlab compare`."""

import shutil
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cnnlab.cli.tables import Format, render, short

if TYPE_CHECKING:
    from cnnlab.analysis.compare import Comparison


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
    from cnnlab.analysis.compare import compare as side_by_side

    comparison = side_by_side(runs, sort)
    if plot:
        from cnnlab.analysis.curves import plot as draw

        draw(runs, plot)
    text = render(comparison.rows, comparison.columns, format)
    if format is Format.TABLE and sys.stdout.isatty():
        width = shutil.get_terminal_size().columns
        if max(map(len, text.splitlines())) > width:
            text = _narrow(comparison, width)
    print(text)


def _narrow(comparison: "Comparison", width: int) -> str:
    """What came out as the table, and each run's settings below it, in lines of at most `width` characters."""
    outcomes = render(comparison.rows, ["run", *comparison.outcomes], Format.TABLE)
    names = short(comparison.settings)
    paragraphs = []
    for row in comparison.rows:
        settings = "; ".join(f"{name}: {row[key]}" for name, key in zip(names, comparison.settings, strict=True))
        paragraphs.append(textwrap.fill(f"{row['run']}: {settings}", width, subsequent_indent="    "))
    return "\n".join([outcomes, "", "What differs:", *paragraphs])
