"""`cnnlab compare`."""

from pathlib import Path
from typing import Annotated

import typer

from cnnlab.cli.comparison import format_comparison
from cnnlab.cli.tables import Format, render


def compare(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, or folders of runs.", show_default=False)],
    metric: Annotated[
        str | None,
        typer.Option(
            help="test_accuracy, test_loss, val_accuracy, val_loss, train_accuracy or train_loss; by default the test "
            "accuracy, sorted by validation accuracy.",
            show_default=False,
        ),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            help="Compare all with this experiment, or with that of this run, instead of the best.",
            metavar="NAME",
            show_default=False,
        ),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            help="Only runs whose experiment has this setting: train.epochs=12; repeatable.", metavar="KEY=VALUE"
        ),
    ] = None,
    sort: Annotated[
        str | None,
        typer.Option(help="Sort by this column, instead of by validation accuracy or the metric.", show_default=False),
    ] = None,
    top: Annotated[
        int | None, typer.Option(help="Print only the first N.", metavar="N", min=1, show_default=False)
    ] = None,
    published: Annotated[
        bool, typer.Option("--published", help="Also show the published value of each experiment.")
    ] = False,
    format: Annotated[Format, typer.Option(help="How to print the table.")] = Format.TABLE,
    plot: Annotated[
        Path | None,
        typer.Option(
            help="Also draw the learning curves into this file (.png, .svg, .pdf); by the number of training "
            "examples where data.train_sizes differ."
        ),
    ] = None,
) -> None:
    """Compare experiments, and test whether their differences are more than chance.

    Runs that differ only in their seeds are one row: the number of runs, mean ± standard deviation, the 95 % interval
    of the mean, and the settings that differ between rows. Each row is tested against the best one, or --baseline:
    over the same seeds by a paired t test, over others by Welch's, single runs by McNemar's exact test on their saved
    predictions; p is corrected for the number of comparisons (Holm). Where p is 0.05 or more there is no detectable
    difference. The best is chosen on validation examples where all have them, and the test set says how good it is.

    Example: `cnnlab compare runs --where data.name=mnist --plot curves.png`.
    """
    from cnnlab.analysis.compare import compare as side_by_side
    from cnnlab.analysis.where import parse_where
    from cnnlab.terminal import warn

    conditions = [parse_where(text) for text in where or []]
    found = side_by_side(runs, metric=metric, baseline=baseline, where=conditions, sort=sort, top=top)
    if plot:
        from cnnlab.analysis.curves import plot as draw

        draw([row.group for row in found.rows], plot)
    if format in (Format.JSON, Format.CSV):
        from cnnlab.analysis.outcomes import full_row

        rows = [full_row(found, row, published=published) for row in found.rows]
        print(render(rows, list(rows[0]), format))
        for note in found.notes:
            warn(note)
        return
    print(format_comparison(found, format, published=published))
