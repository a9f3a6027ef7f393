"""What `cnnlab compare` prints."""

import re
import shlex
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len

from cnnlab.cli.tables import Format, render, width_of_output
from cnnlab.config.differences import short
from cnnlab.errors import printable

if TYPE_CHECKING:
    from cnnlab.analysis.compare import Comparison, Row
    from cnnlab.analysis.significance import Estimate

SUGGESTED_SEEDS = 5  # enough to estimate a spread
MAX_NAMED_GROUPS = 4  # groups in a note
MAX_LISTED_SEEDS = 10  # seeds that an option lists one by one
MAX_SETTING = 40  # characters; a longer one is below the table in Markdown and HTML
NO_BREAK = "\0"  # stands for a space at which no line is broken
COSTS = ("best_epoch", "parameters", "multiplications", "seconds_per_epoch")


def full_row(found: "Comparison", row: "Row", *, published: bool) -> dict[str, Any]:
    """All of a row, one number per cell."""
    estimate, test = row.estimate, row.verdict.test
    ranking = {
        found.ranking: row.ranking and row.ranking.mean,
        f"{found.ranking}_standard_deviation": row.ranking and row.ranking.std,
    }
    return {
        "group": row.group.name,
        "n": len(row.group.members),
        **(ranking if found.ranking != found.metric else {}),
        found.metric: estimate and estimate.mean,
        "standard_deviation": estimate and estimate.std,
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
        "verdict": row.verdict.text,
        "seeds_needed": row.verdict.seeds_needed,
        "seeds": row.group.seeds,
        "runs": row.group.runs,
    }


def format_comparison(found: "Comparison", format: Format, *, published: bool) -> str:
    """A table with notes below; settings that do not fit into a line are above it, one paragraph per group."""
    from cnnlab.config.differences import brief

    settings = {key: brief(key, [row.settings[key] for row in found.rows]) for key in found.settings}
    outcomes = [_outcome(found, row, published=published) for row in found.rows]
    empty = {key for key in outcomes[0] if all(outcome[key] is None for outcome in outcomes)}
    if len(found.rows) == 1 and found.rows[0].verdict.test is None:
        empty.add("verdict")
    outcomes = [{key: value for key, value in outcome.items() if key not in empty} for outcome in outcomes]
    notes = [*_legend(found), *found.notes]
    if format is Format.TABLE:
        return _as_text(settings, outcomes, notes)
    apart = {key: values for key, values in settings.items() if max(len(str(value)) for value in values) > MAX_SETTING}
    columns = [*outcomes[0], *(key for key in settings if key not in apart)]
    return render(_rows(outcomes, settings), columns, format, [*_paragraphs(apart, outcomes), *notes])


def _rows(outcomes: Sequence[Mapping[str, Any]], settings: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    return [
        {**outcome, **{key: values[index] for key, values in settings.items()}}
        for index, outcome in enumerate(outcomes)
    ]


def _as_text(settings: Mapping[str, Sequence[Any]], outcomes: Sequence[Mapping[str, Any]], notes: Sequence[str]) -> str:
    """One table if it is no wider than the output; else the settings, then the results, then the costs."""
    width = width_of_output()
    columns = list(outcomes[0])
    text = render(_rows(outcomes, settings), [*columns, *settings], Format.TABLE, width=None)
    below = "".join(f"\n\n{_wrap(note, width, '')}" for note in notes)
    if _widest(text) <= width:
        return text + below
    paragraphs = [_wrap(paragraph, width, "    ") for paragraph in _paragraphs(settings, outcomes)]
    differing = ["What differs:", *paragraphs, ""] if paragraphs else []
    tables = [render(outcomes, columns, Format.TABLE, width=None)]
    if _widest(tables[0]) > width:
        costs = ["group", *(column for column in columns if column in COSTS)]
        tables = [render(outcomes, [column for column in columns if column not in COSTS], Format.TABLE)]
        tables += ["", render(outcomes, costs, Format.TABLE)] if len(costs) > 1 else []
    return "\n".join([*differing, *tables]) + below


def _paragraphs(settings: Mapping[str, Sequence[Any]], outcomes: Sequence[Mapping[str, Any]]) -> list[str]:
    """One line per group with its settings."""
    if not settings:
        return []
    names = short(list(settings))
    return [
        f"{outcome['group']}: "
        + "; ".join(f"{name}: {values[index]}" for name, values in zip(names, settings.values(), strict=True))
        for index, outcome in enumerate(outcomes)
    ]


def _wrap(text: str, width: int, indent: str) -> str:
    """`text` in lines, its commands each on one, so that they can be copied."""
    unbroken = re.sub("`[^`]*`", lambda command: command[0].replace(" ", NO_BREAK), printable(text))
    filled = textwrap.fill(unbroken, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return filled.replace(NO_BREAK, " ")


def _widest(text: str) -> int:
    return max(map(cell_len, text.splitlines()), default=0)


def _outcome(found: "Comparison", row: "Row", *, published: bool) -> dict[str, Any]:
    from cnnlab.analysis.significance import format_mean_std

    source = _published(row, found.metric, published=published)
    if (above := source.get("above_published")) is not None:
        source["above_published"] = f"{above:+.4f}"
    return {
        "group": row.group.name,
        "n": len(row.group.members),
        found.ranking: format_mean_std(row.ranking),
        found.metric: format_mean_std(row.estimate),
        "interval": _interval(row.estimate),
        **source,
        "verdict": _verdict_text(found, row),
        "p": None if row.verdict.p is None else _p(row.verdict.p),
        **row.outcomes,
        "best_epoch": _epoch(row.outcomes["best_epoch"]),
    }


def _interval(estimate: "Estimate | None") -> str | None:
    return None if estimate is None or estimate.low is None else f"{estimate.low:.4f} to {estimate.high:.4f}"


def _verdict_text(found: "Comparison", row: "Row") -> str:
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


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _epoch(epoch: float | None) -> float | None:
    return None if epoch is None else round(epoch, 1)


def _published(row: "Row", metric: str, *, published: bool) -> dict[str, Any]:
    """The published value of the metric, and how far ours is above it; None for other data or fewer epochs."""
    if not published:
        return {}
    from cnnlab.analysis.reproduction import published_value

    figure = published_value(row.group.experiment, metric.removeprefix("test_"))
    if figure is None:
        return {"published": None, "above_published": None}
    return {"published": figure, "above_published": row.estimate and row.estimate.mean - figure}


def _legend(found: "Comparison") -> list[str]:
    """How to read the verdicts: the reference, the tests, and what they cannot show."""
    tested = [row.verdict.test for row in found.rows if row.verdict.test]
    lines = []
    if found.reference is not None and tested:
        methods = " or ".join(dict.fromkeys(test.method for test in tested))
        kind = "baseline" if found.is_baseline else "best" if found.ranking == found.metric else "best by validation"
        corrected = ", p corrected by Holm" if len(found.rows) > 2 else ""
        lines.append(f"against {found.reference.name} ({kind}): {methods}{corrected}; detectable where p < 0.05")
        if any(row.estimate and row.estimate.low is not None for row in found.rows):
            lines[0] += "; interval: 95 % of the mean over seeds"
    if found.ranking != found.metric:
        lines.append(
            f"sorted by {found.ranking}, by which the best is chosen; {found.metric}, interval, verdict and p are on "
            "the test set, and say how good the choice is"
        )
    lines += _seeds_needed_note(found)
    if any(test.method.startswith("McNemar") for test in tested):
        lines.append(
            "McNemar's test compares these trained networks only; with another seed it may turn out otherwise, so "
            f"train several of each: {_command(found, SUGGESTED_SEEDS)}, and likewise for the others"
        )
    return lines


def _seeds_needed_note(found: "Comparison") -> list[str]:
    """How many seeds would probably make the differences detectable; that two are too few."""
    from cnnlab.analysis.significance import MOST_SEEDS

    rows = [row for row in found.rows if row.verdict.p is not None and not row.verdict.is_detected]
    rows = [row for row in rows if row.verdict.difference and len(row.group.members) > 1]
    if found.reference is None or not rows:
        return []
    two = any(len(group.members) == 2 for group in (found.reference, *(row.group for row in rows)))
    start = "two seeds are too few to know their spread" if two else "no detectable difference does not mean equal"
    needs = {row.group.name: row.verdict.seeds_needed for row in rows[:MAX_NAMED_GROUPS]}
    counts = ", ".join(f"{name} {count or f'more than {MOST_SEEDS}'}" for name, count in needs.items())
    more = f", and {len(rows) - MAX_NAMED_GROUPS} more groups" if len(rows) > MAX_NAMED_GROUPS else ""
    possible = [count for count in needs.values() if count]
    command = f"; {_command(found, min(possible))}, and likewise for the others" if possible else ""
    return [
        f"{start}; seeds of each that would detect such a difference at such a spread in 4 of 5 cases: "
        f"{counts}{more}{command}"
    ]


def _command(found: "Comparison", count: int) -> str:
    """The command that trains the missing ones of `count` seeds of the reference."""
    group = found.reference or found.rows[0].group
    run = Path(group.runs[0])
    there = {seed for row in found.rows for seed in row.group.seeds}
    missing = [str(seed) for seed in range(count + len(there)) if seed not in there][
        : max(1, count - len(group.members))
    ]
    seeds = ",".join(missing) if len(missing) <= MAX_LISTED_SEEDS else str(count)
    folder = "" if run.parent == Path("runs") else f" --runs {shlex.quote(str(run.parent))}"
    return f"`cnnlab train {shlex.quote(str(run / 'config.yaml'))} --seeds {seeds}{folder}`"
