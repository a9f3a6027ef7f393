"""What `cnnlab sweep` prints of a sweep that has come to its end."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cnnlab.cli import tables
from cnnlab.terminal import proposed

if TYPE_CHECKING:
    from cnnlab.config.space import Space
    from cnnlab.sweep.folder import SweepFolder
    from cnnlab.sweep.outcome import Finalist, Outcome


def print_outcome(outcome: "Outcome", folder: "SweepFolder", space: "Space", format: tables.Format) -> None:
    """The finalists, one row each, and how to read them."""
    rows = [_row(outcome, one) for one in outcome.finalists]
    if not rows:
        print(f"{folder.path}: {outcome.candidates} trials, no finalists were asked for; {folder.trials} has them")
        return
    columns = [key for key in rows[0] if any(row[key] is not None for row in rows)]
    if format is tables.Format.TABLE:
        for number, one in enumerate(outcome.finalists):
            print(f"{number + 1}. trial {one.trial}: {space.describe(one.point)}")
        print()
    elif format in (tables.Format.JSON, tables.Format.CSV):
        rows = [{**row, **_exact(one)} for row, one in zip(rows, outcome.finalists, strict=True)]
        columns = list(rows[0])
    print(tables.render(rows, columns, format, notes(outcome, folder)))


def notes(outcome: "Outcome", folder: "SweepFolder") -> list[str]:
    """How to read the finalists."""
    winner = outcome.winner
    if winner is None:
        return []
    lines = [
        f"{outcome.candidates} candidates were looked at, and ranked by {outcome.metric}; the winner is the first. The "
        "best of many is partly lucky: the optimism is its value less the mean of the fresh seeds, on which the "
        "accuracies of the finalists were measured."
    ]
    if winner.fresh is not None and winner.optimism is not None:
        interval = "" if winner.low is None else f" (95 % interval {winner.low:+.4f} to {winner.high:+.4f})"
        lines.append(
            f"The best trial had {outcome.metric} {winner.value:.4f}, fresh seeds {winner.fresh.mean:.4f}: an optimism "
            f"of {winner.optimism:+.4f}{interval}."
        )
    if outcome.comparison is not None:
        lines.append(
            "Tested against the winner on the test set, p corrected by Holm; choosing by this column would make it too "
            "good."
        )
    return [*lines, f"{folder.winner} is the winner's experiment; {proposed('train', folder.winner)} trains it."]


def _row(outcome: "Outcome", one: "Finalist") -> dict[str, Any]:
    from cnnlab.analysis.outcomes import verdict_text
    from cnnlab.analysis.significance import format_mean_std

    row = _comparison_row(outcome, one)
    found = outcome.comparison
    return {
        "trial": one.trial,
        outcome.metric: round(one.value, 4),
        "fresh seeds": format_mean_std(one.fresh),
        "n": one.fresh and one.fresh.n,
        "optimism": None if one.optimism is None else f"{one.optimism:+.4f}",
        "test_accuracy": row and format_mean_std(row.estimate),
        "verdict": row and found and ("winner" if one is outcome.winner else verdict_text(found, row)),
        "p": None if row is None or row.verdict.p is None else round(row.verdict.p, 4),
        "parameters": row and row.group.record.parameters,
    }


def _exact(one: "Finalist") -> Mapping[str, Any]:
    return {
        "optimism": one.optimism,
        "optimism_low": one.low,
        "optimism_high": one.high,
        "point": dict(one.point),
        "runs": one.group.runs if one.group else [],
    }


def _comparison_row(outcome: "Outcome", one: "Finalist") -> Any:
    if outcome.comparison is None or one.group is None:
        return None
    return next((row for row in outcome.comparison.rows if row.group.runs == one.group.runs), None)
