"""`cnnlab compare`."""

import shutil
import sys
import textwrap
from dataclasses import replace
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

        draw(comparison.records, plot)
    if format in (Format.TABLE, Format.MD):
        comparison = _in_words(comparison)
    text = render(comparison.rows, comparison.columns, format)
    if format is Format.TABLE and sys.stdout.isatty():
        width = shutil.get_terminal_size().columns
        if max(map(len, text.splitlines())) > width:
            text = _narrow(comparison, width)
    print(text)


def _in_words(comparison: "Comparison") -> "Comparison":
    """The same with settings that are maps or lists put into words."""
    from cnnlab.analysis.differences import brief

    words = {key: brief(key, [row[key] for row in comparison.rows]) for key in comparison.settings}
    rows = [
        {**row, **{key: values[index] for key, values in words.items()}} for index, row in enumerate(comparison.rows)
    ]
    return replace(comparison, rows=rows)


def _narrow(comparison: "Comparison", width: int) -> str:
    """Each run's settings as text of at most `width` characters a line, and what came out as a table below."""
    outcomes = render(comparison.rows, ["run", *comparison.outcomes], Format.TABLE)
    names = short(comparison.settings)
    paragraphs = []
    for row in comparison.rows:
        settings = "; ".join(f"{name}: {row[key]}" for name, key in zip(names, comparison.settings, strict=True))
        paragraphs.append(textwrap.fill(f"{row['run']}: {settings}", width, subsequent_indent="    "))
    return "\n".join(["What differs:", *paragraphs, "", outcomes])
