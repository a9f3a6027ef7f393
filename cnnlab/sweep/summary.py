"""What a sweep has come to in words: a row per finalist, and how to read them."""

from collections.abc import Mapping
from typing import Any

from cnnlab.analysis.compare import Row
from cnnlab.analysis.groups import METRICS
from cnnlab.analysis.outcomes import format_p, verdict_text
from cnnlab.analysis.significance import format_mean_std
from cnnlab.config.space import Space
from cnnlab.messages import pluralize
from cnnlab.sweep.folder import SweepFolder
from cnnlab.sweep.outcome import Finalist, Outcome
from cnnlab.terminal import proposed


def finalist_row(outcome: Outcome, one: Finalist) -> dict[str, Any]:
    """A finalist as people read it; None is a missing value."""
    row = comparison_row(outcome, one)
    found = outcome.comparison
    return {
        "trial": one.trial,
        outcome.metric: round(one.value, 4),
        "fresh seeds": format_mean_std(one.fresh),
        "n": one.fresh and one.fresh.n,
        "optimism": None if one.optimism is None else f"{one.optimism:+.4f}",
        "test_accuracy": row and format_mean_std(row.estimate),
        "verdict": row and found and ("winner" if one is outcome.winner else verdict_text(found, row)),
        "p": None if row is None or row.verdict.p is None else format_p(row.verdict.p),
        "parameters": row and row.group.record.parameters,
    }


def comparison_row(outcome: Outcome, one: Finalist) -> Row | None:
    """The row of a finalist in the comparison on the test set."""
    if outcome.comparison is None or one.group is None:
        return None
    return next((row for row in outcome.comparison.rows if row.group.runs == one.group.runs), None)


def describe(space: Space, point: Mapping[str, Any]) -> str:
    """`batch_size=32, optimizer=adam`, without keys that the space does not have."""
    return space.describe({one.key: point[one.key] for one in space.dimensions if one.key in point})


def notes(outcome: Outcome, folder: SweepFolder) -> list[str]:
    """How to read the finalists."""
    winner = outcome.winner
    if winner is None:
        return []
    looked_at = pluralize(outcome.candidates, "candidate") + (" was" if outcome.candidates == 1 else " were")
    lines = [f"{looked_at} looked at, and ranked by {outcome.metric}; the winner is the first. {_luck(outcome)}"]
    if winner.fresh is not None and winner.optimism is not None:
        interval = "" if winner.low is None else f" (95 % interval {winner.low:+.4f} to {winner.high:+.4f})"
        lines.append(
            f"The best trial had {outcome.metric} {winner.value:.4f}, fresh seeds {winner.fresh.mean:.4f}: an optimism "
            f"of {winner.optimism:+.4f}{interval}."
        )
    if (steadier := _steadier(outcome)) is not None:
        lines.append(steadier)
    if outcome.comparison is not None and len(outcome.comparison.rows) > 1:
        lines.append(
            "Tested against the winner on the test set, p corrected by Holm; choosing by this column would make it too "
            "good."
        )
    return [*lines, f"{folder.winner} is the winner's experiment; {proposed('train', folder.winner)} trains it."]


def _luck(outcome: Outcome) -> str:
    if not any(one.fresh for one in outcome.finalists):
        return "The best of many is partly lucky, and it was not measured on fresh seeds."
    return (
        "The best of many is partly lucky: the optimism is its value less the mean of the fresh seeds, on which the "
        "accuracies of the finalists were measured."
    )


def _steadier(outcome: Outcome) -> str | None:
    """Which finalist is better than the winner on fresh seeds, by validation, and how to measure it unselected."""
    winner, sign = outcome.winner, 1.0 if METRICS[outcome.metric].higher_is_better else -1.0
    ranked = [one for one in outcome.finalists if one.fresh is not None and one.group is not None]
    best = max(ranked, key=lambda one: sign * one.fresh.mean if one.fresh else 0.0, default=None)
    if winner is None or winner.fresh is None or best is None or best is winner or best.fresh is None or not best.group:
        return None
    if best.fresh.mean == winner.fresh.mean:
        return None
    first = max(best.group.seeds) + 1
    seeds = ",".join(str(first + index) for index in range(best.fresh.n))
    config = best.group.record.run.config
    command = proposed("train", config, "--seeds", seeds, "--runs", f"runs/trial-{best.trial}")
    return (
        f"On fresh seeds trial {best.trial} has the better {outcome.metric}, {best.fresh.mean:.4f} against "
        f"{winner.fresh.mean:.4f}. To take it instead is a choice by these seeds; {command} measures it on others."
    )
