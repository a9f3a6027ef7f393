"""`cnnlab compare`."""

import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cnnlab.analysis.differences import short
from cnnlab.cli.tables import Format, render
from cnnlab.errors import printable

FEW = 5  # seeds
COSTS = ("best_epoch", "parameters", "multiplications", "seconds_per_epoch")

if TYPE_CHECKING:
    from cnnlab.analysis.compare import Comparison, Row
    from cnnlab.analysis.significance import Estimate


def compare(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, or folders of runs.", show_default=False)],
    metric: Annotated[
        str,
        typer.Option(
            help="accuracy or loss, which are on the test set, val_accuracy, val_loss, train_accuracy or train_loss."
        ),
    ] = "accuracy",
    baseline: Annotated[
        str | None,
        typer.Option(
            help="Hold all against this experiment, or the one of this run, instead of the best.",
            metavar="NAME",
            show_default=False,
        ),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(help="Only runs whose experiment has this: train.epochs=12; repeatable.", metavar="KEY=VALUE"),
    ] = None,
    sort: Annotated[
        str | None,
        typer.Option(help="Sort by this column from the smallest, instead of by the metric.", show_default=False),
    ] = None,
    top: Annotated[
        int | None, typer.Option(help="Print only the first N.", metavar="N", min=1, show_default=False)
    ] = None,
    published: Annotated[
        bool, typer.Option("--published", help="Also what the source of each experiment prints.")
    ] = False,
    format: Annotated[Format, typer.Option(help="How to print the table.")] = Format.TABLE,
    plot: Annotated[
        Path | None, typer.Option(help="Also draw the learning curves into this file (.png, .svg, .pdf).")
    ] = None,
) -> None:
    """Say which experiment is better, and whether the difference is more than chance.

    Runs that differ only in their seeds are one line: how many, mean ± standard deviation, the 95 % interval of the
    mean, and the settings in which the lines differ. Each is tested against the best one, or --baseline: over the
    same seeds paired, over others by Welch's test, single runs by McNemar's exact test on their saved predictions; p is
    corrected for the number of comparisons (Holm). Where p is 0.05 or more there is no detectable difference.

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
        rows = [_whole(found, row, published=published) for row in found.rows]
        print(render(rows, list(rows[0]), format))
        for note in found.notes:
            warn(note)
        return
    print(_for_people(found, format, published=published))


def _whole(found: "Comparison", row: "Row", *, published: bool) -> dict[str, Any]:
    """All that is known, a number a cell."""
    estimate, test = row.estimate, row.verdict.test
    return {
        "group": row.group.name,
        "n": len(row.group.members),
        found.metric: estimate and estimate.mean,
        "standard_deviation": estimate and estimate.deviation,
        "low": estimate and estimate.low,
        "high": estimate and estimate.high,
        **_published(row, found.metric, published=published),
        **row.settings,
        **row.outcomes,
        "against": found.reference and found.reference.name,
        "difference": row.verdict.difference,
        "difference_low": test and test.low,
        "difference_high": test and test.high,
        "test": test and test.method,
        "p_uncorrected": test and test.p,
        "p": row.verdict.p,
        "verdict": row.verdict.words,
        "seeds": row.group.seeds,
        "runs": row.group.runs,
    }


def _for_people(found: "Comparison", format: Format, *, published: bool) -> str:
    from cnnlab.analysis.differences import brief

    words = {key: brief(key, [row.settings[key] for row in found.rows]) for key in found.settings}
    outcomes = [_outcome(found, row, published=published) for row in found.rows]
    empty = {key for key in outcomes[0] if all(outcome[key] is None for outcome in outcomes)}
    if len(found.rows) == 1 and found.rows[0].verdict.test is None:
        empty.add("verdict")
    outcomes = [{key: value for key, value in outcome.items() if key not in empty} for outcome in outcomes]
    settings = [{key: values[index] for key, values in words.items()} for index in range(len(found.rows))]
    notes = [*_legend(found), *found.notes]
    columns = list(outcomes[0])
    whole = [{**outcome, **own} for outcome, own in zip(outcomes, settings, strict=True)]
    text = render(whole, [*columns, *found.settings], format, notes)
    width = shutil.get_terminal_size().columns
    if format is not Format.TABLE or not sys.stdout.isatty() or max(map(len, text.splitlines())) <= width:
        return text
    return _narrow(found.settings, settings, outcomes, notes, width)


def _outcome(found: "Comparison", row: "Row", *, published: bool) -> dict[str, Any]:
    source = _published(row, found.metric, published=published)
    if (above := source.get("above_published")) is not None:
        source["above_published"] = f"{above:+.4f}"
    return {
        "group": row.group.name,
        "n": len(row.group.members),
        found.metric: with_deviation(row.estimate),
        "interval": _interval(row.estimate),
        **source,
        "verdict": _in_words(found, row),
        "p": None if row.verdict.p is None else _p(row.verdict.p),
        **row.outcomes,
        "best_epoch": _epoch(row.outcomes["best_epoch"]),
    }


def with_deviation(estimate: "Estimate | None") -> str | None:
    """`0.9892 ± 0.0011`."""
    if estimate is None:
        return None
    return f"{estimate.mean:.4f}" + ("" if estimate.deviation is None else f" ± {estimate.deviation:.4f}")


def _interval(estimate: "Estimate | None") -> str | None:
    return None if estimate is None or estimate.low is None else f"{estimate.low:.4f} to {estimate.high:.4f}"


def _in_words(found: "Comparison", row: "Row") -> str:
    """`detectably worse, by 1.30 points`, `no detectable difference (-0.30 points)`."""
    verdict = row.verdict
    if verdict.test is None or verdict.difference is None:
        return verdict.words
    points = "accuracy" in found.metric
    if verdict.words.startswith("detectably"):
        size = abs(verdict.difference)
        return f"{verdict.words}, by " + (f"{100 * size:.2f} points" if points else f"{size:.4f}")
    size = verdict.difference
    return f"{verdict.words} ({f'{100 * size:+.2f} points' if points else f'{size:+.4f}'})"


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _epoch(epoch: float | None) -> float | None:
    return None if epoch is None else round(epoch, 1)


def _published(row: "Row", metric: str, *, published: bool) -> dict[str, Any]:
    """What the source prints of the metric, and how far ours is above it; nothing for other data or fewer epochs."""
    if not published:
        return {}
    from cnnlab.analysis.reproduction import printed

    figure = printed(row.group.experiment, metric)
    if figure is None:
        return {"published": None, "above_published": None}
    return {"published": figure, "above_published": row.estimate and row.estimate.mean - figure}


def _legend(found: "Comparison") -> list[str]:
    """How to read the verdicts: against what, by which tests; and in words when there is nothing to tell."""
    from cnnlab.analysis.groups import METRICS

    tested = [row.verdict.test for row in found.rows if row.verdict.test]
    if found.reference is None or not tested:
        return []
    methods = " or ".join(dict.fromkeys(test.method for test in tested))
    kind = "baseline" if found.is_baseline else "best"
    corrected = ", p corrected by Holm" if len(found.rows) > 2 else ""
    lines = [f"against {found.reference.name} ({kind}): {methods}{corrected}; detectable where p < 0.05"]
    if any(row.estimate and row.estimate.low is not None for row in found.rows):
        lines[0] += "; interval: 95 % of the mean over seeds"
    held_out = METRICS.get(f"val_{found.metric}")
    if held_out and all(row.group.values(held_out) for row in found.rows):
        lines.append(f"measured on the test set; what to use is chosen with --metric val_{found.metric}")
    if not any(row.verdict.words.startswith("detectably") for row in found.rows):
        lines.append(
            f"chance alone could have made every difference here; more seeds may tell: `cnnlab train … {_more(found)}`"
        )
    if any(test.method.startswith("McNemar") for test in tested):
        lines.append(
            "McNemar's test speaks of these trained networks; another seed may turn it round, so train several of each"
        )
    return lines


def _more(found: "Comparison") -> str:
    """The option for as many seeds more: five at least, in whole; or those that are not there yet."""
    seeds = {seed for row in found.rows for seed in row.group.seeds if isinstance(seed, int)}
    if len(seeds) < FEW:
        return f"--seeds {FEW}"
    return f"--seeds {','.join(str(max(seeds) + number) for number in range(1, FEW + 1))}"


def _narrow(
    keys: Sequence[str],
    settings: Sequence[Mapping[str, Any]],
    outcomes: Sequence[Mapping[str, Any]],
    notes: Sequence[str],
    width: int,
) -> str:
    """Each group's settings as text of at most `width` characters a line, and what came out as a table below."""
    paragraphs = []
    for own, outcome in zip(settings, outcomes, strict=True):
        told = "; ".join(f"{name}: {own[key]}" for name, key in zip(short(keys), keys, strict=True))
        paragraphs.append(textwrap.fill(printable(f"{outcome['group']}: {told}"), width, subsequent_indent="    "))
    told_apart = ["What differs:", *paragraphs, ""] if keys else []
    columns = list(outcomes[0])
    tables = [render(outcomes, columns, Format.TABLE)]
    if max(map(len, tables[0].splitlines())) > width:  # how good they are, and below that what they take
        costs = [column for column in columns if column in COSTS]
        judged = [column for column in columns if column not in COSTS]
        tables = [render(outcomes, judged, Format.TABLE), "", render(outcomes, ["group", *costs], Format.TABLE)]
    return "\n".join([*told_apart, *tables, *(f"\n{printable(note)}" for note in notes)])
