"""The rows of a comparison and how to read them, as texts and numbers."""

from pathlib import Path
from typing import Any

from cnnlab.analysis.compare import Comparison, Row
from cnnlab.analysis.labels import replicates_of
from cnnlab.analysis.reproduction import published_value
from cnnlab.analysis.significance import CORRECTED, MOST_SEEDS, Estimate, format_mean_std
from cnnlab.terminal import quoted

SUGGESTED_SEEDS = 5  # enough to estimate a spread
MAX_NAMED_GROUPS = 4  # groups in a note
MAX_LISTED_SEEDS = 10  # seeds that an option lists one by one


def full_row(found: Comparison, row: Row, *, published: bool) -> dict[str, Any]:
    """All of a row, one number per cell."""
    estimate, test = row.estimate, row.verdict.test
    return {
        "group": row.group.name,
        "n": len(row.group.members),
        **(_numbers(found.ranking, row.ranking) if found.ranking != found.metric else {}),
        found.metric: estimate and estimate.mean,
        "standard_deviation": estimate and estimate.std,
        "low": estimate and estimate.low,
        "high": estimate and estimate.high,
        **(_numbers(found.beside, row.beside) if found.beside else {}),
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
        "verdict": row.verdict.text,
        "seeds_needed": row.verdict.seeds_needed,
        "seeds": row.group.seeds,
        "folds": [one.experiment.fold and one.experiment.fold.number for one in row.group.members],
        "runs": row.group.runs,
    }


def _numbers(name: str, estimate: Estimate | None) -> dict[str, Any]:
    return {name: estimate and estimate.mean, f"{name}_standard_deviation": estimate and estimate.std}


def outcome_row(found: Comparison, row: Row, *, published: bool) -> dict[str, Any]:
    """A row as people read it; None is a missing value."""
    source = _published(row, found.metric, published=published)
    if (above := source.get("above_published")) is not None:
        source["above_published"] = f"{above:+.4f}"
    return {
        "group": row.group.name,
        "n": len(row.group.members),
        found.ranking: format_mean_std(row.ranking),
        found.metric: format_mean_std(row.estimate),
        "interval": _interval(row.estimate),
        **({found.beside: format_mean_std(row.beside)} if found.beside else {}),
        **source,
        "verdict": verdict_text(found, row),
        "p": None if row.verdict.p is None else format_p(row.verdict.p),
        **row.outcomes,
        "best_epoch": _epoch(row.outcomes["best_epoch"]),
    }


def _interval(estimate: Estimate | None) -> str | None:
    return None if estimate is None or estimate.low is None else f"{estimate.low:.4f} to {estimate.high:.4f}"


def verdict_text(found: Comparison, row: Row) -> str:
    """`detectably worse, by 1.30 points`, `no detectable difference (-0.30 points)`."""
    verdict = row.verdict
    if verdict.test is None or verdict.difference is None:
        return verdict.text
    points = "accuracy" in found.metric
    if verdict.is_detected:
        size = abs(verdict.difference)
        return f"{verdict.text}, by " + (f"{100 * size:.2f} points" if points else f"{size:.4f}")
    size = verdict.difference
    return f"{verdict.text} ({f'{100 * size:+.2f} points' if points else f'{size:+.4f}'})"


def format_p(p: float) -> str:
    """Three decimals, or that it is less."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _epoch(epoch: float | None) -> float | None:
    return None if epoch is None else round(epoch, 1)


def _published(row: Row, metric: str, *, published: bool) -> dict[str, Any]:
    """The published value of the metric, and how far ours is above it; None for other data or fewer epochs."""
    if not published:
        return {}
    figure = published_value(row.group.experiment, metric.removeprefix("test_"))
    if figure is None:
        return {"published": None, "above_published": None}
    return {"published": figure, "above_published": row.estimate and row.estimate.mean - figure}


def legend(found: Comparison, *, advises: bool = True) -> list[str]:
    """How to read the verdicts: the reference, the tests, what they cannot show and, if it `advises`, what would."""
    tested = [row.verdict.test for row in found.rows if row.verdict.test]
    lines = []
    if found.reference is not None and tested:
        methods = " or ".join(dict.fromkeys(test.method for test in tested))
        kind = "baseline" if found.is_baseline else "best" if found.ranking == found.metric else "best by validation"
        corrected = ", p corrected by Holm" if len(found.rows) > 2 else ""
        lines.append(f"against {found.reference.name} ({kind}): {methods}{corrected}; detectable where p < 0.05")
        if any(row.estimate and row.estimate.low is not None for row in found.rows):
            lines[0] += f"; interval: 95 % of the mean over {replicates_of([row.group for row in found.rows])}"
        if any(test.method == CORRECTED for test in tested):
            lines[0] += (
                "; paired by fold; test and interval are corrected for training examples that folds share (Nadeau and "
                "Bengio 2003)"
            )
    if found.ranking != found.metric:
        lines.append(
            f"sorted by {found.ranking}, by which the best is chosen; {found.metric}, interval, verdict and p are on "
            f"{'the held-out folds' if found.rows[0].group.folds else 'the test set'}, and say how good the choice is"
        )
    lines += _seeds_needed_note(found, advises)
    if any(test.method.startswith("McNemar") for test in tested):
        command = f", so train several of each: {_command(found, SUGGESTED_SEEDS)}, and likewise for the others"
        lines.append(
            "McNemar's test compares these trained networks only; with another seed it may turn out otherwise"
            + (command if advises else "")
        )
    return lines


def _seeds_needed_note(found: Comparison, advises: bool) -> list[str]:
    """How many seeds would probably make the differences detectable; that two are too few."""
    rows = [row for row in found.rows if row.verdict.p is not None and not row.verdict.is_detected]
    rows = [row for row in rows if row.verdict.difference and len(row.group.members) > 1 and not row.group.folds]
    if found.reference is None or not rows:
        return []
    two = any(len(group.members) == 2 for group in (found.reference, *(row.group for row in rows)))
    start = "two seeds are too few to know their spread" if two else "no detectable difference does not mean equal"
    needs = {row.group.name: row.verdict.seeds_needed for row in rows[:MAX_NAMED_GROUPS]}
    counts = ", ".join(f"{name} {count or f'more than {MOST_SEEDS}'}" for name, count in needs.items())
    more = f", and {len(rows) - MAX_NAMED_GROUPS} more groups" if len(rows) > MAX_NAMED_GROUPS else ""
    possible = [count for count in needs.values() if count]
    command = f"; {_command(found, min(possible))}, and likewise for the others" if possible and advises else ""
    return [
        f"{start}; seeds of each that would detect such a difference at such a spread in 4 of 5 cases: "
        f"{counts}{more}{command}"
    ]


def _command(found: Comparison, count: int) -> str:
    """The command that trains the missing ones of `count` seeds of the reference."""
    group = found.reference or found.rows[0].group
    run = Path(group.runs[0])
    there = {seed for row in found.rows for seed in row.group.seeds}
    missing = [str(seed) for seed in range(count + len(there)) if seed not in there][
        : max(1, count - len(group.members))
    ]
    seeds = ",".join(missing) if len(missing) <= MAX_LISTED_SEEDS else str(count)
    folder = "" if run.parent == Path("runs") else f" --runs {quoted(run.parent)}"
    return f"`cnnlab train {quoted(run / 'config.yaml')} --seeds {seeds}{folder}`"
