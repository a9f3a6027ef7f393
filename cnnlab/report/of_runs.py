"""The sections about several runs: which is better, how sure that is, and what it costs."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from cnnlab.analysis.compare import Comparison, Row
from cnnlab.analysis.curves import by_epoch
from cnnlab.analysis.groups import METRICS, Group
from cnnlab.analysis.labels import display_names, replicates_of
from cnnlab.analysis.outcomes import full_row, legend, outcome_row
from cnnlab.analysis.significance import estimate
from cnnlab.analysis.size_curves import lines_of_sizes, size_of, sizes_differ
from cnnlab.config.differences import brief
from cnnlab.report.blocks import Block, Cell, Chart, Column, Section, Series, Table, Text
from cnnlab.report.words import counted, text

MOST_CURVES = 20  # groups whose learning curves are drawn
MOST_POINTS = 200  # groups whose accuracies per seed are drawn
HELP = {
    "n": "Number of runs, one per seed, or per fold of a cross-validation.",
    "interval": "95 % interval of the mean over seeds or folds.",
    "verdict": "Whether the difference from the reference is more than chance.",
    "p": "Probability of such a difference by chance alone; corrected for the number of comparisons.",
    "best_epoch": "Mean over seeds or folds.",
    "multiplications": "Of the forward pass for one example.",
    "seconds_per_epoch": "Median over epochs, of the training pass.",
    "published": "The figure that the source of the experiment prints.",
    "above_published": "How far the mean is above it.",
}


def sections(found: Comparison, *, of_sweep: bool = False) -> list[Section]:
    """All but those of single runs. Of a sweep, they are the finalists, which are not to be trained once more."""
    notes = [*legend(found, advises=not of_sweep), *found.notes]
    parts = [
        ("Comparison", "comparison", [*_table(found, of_sweep), *(Text(note, "note") for note in notes)]),
        ("What differs", "differences", list(_differences(found))),
        ("By fold" if found.rows[0].group.folds else "By seed", "seeds", list(_seeds(found))),
        ("Learning curves", "curves", list(_curves(found))),
        ("Accuracy and cost", "cost", list(_costs(found))),
        ("By the number of training examples", "sizes", list(_sizes(found))),
    ]
    return [Section(title, key, blocks) for title, key, blocks in parts if blocks]


def lead(found: Comparison) -> list[Block]:
    """The result in a sentence."""
    reference, rows = found.reference, found.rows
    if reference is None:
        return [Text(f"None of {counted(len(rows), 'experiment')} has a {_words(found.metric)}.", "lead")]
    first = next((row for row in rows if row.group is reference), None)
    value = f": {outcome_row(found, first, published=False)[found.metric]}" if first and first.estimate else ""
    if len(rows) == 1:
        return [Text(f"{reference.name}, {_words(found.metric)}{value}.", "lead")]
    worse = [row for row in rows if row.verdict.is_detected and _is_worse(row, found.metric)]
    better = [row for row in rows if row.verdict.is_detected and not _is_worse(row, found.metric)]
    untested = [row for row in rows if row.group is not reference and row.verdict.test is None]
    undecided = sum(row.verdict.test is not None and not row.verdict.is_detected for row in rows)
    kind = (
        "the baseline"
        if found.is_baseline
        else "the best"
        if found.ranking == found.metric
        else "the best by validation"
    )
    parts = [
        f"{len(some)} of the others {'is' if len(some) == 1 else 'are'} detectably {word}"
        for some, word in ((worse, "worse"), (better, "better"))
        if some
    ]
    if undecided:
        parts.append(f"{undecided} {'differs' if undecided == 1 else 'differ'} by no more than chance explains")
    if untested:
        parts.append(f"{len(untested)} {'is' if len(untested) == 1 else 'are'} not tested against it")
    return [Text(f"{reference.name} is {kind}, {_words(found.metric)}{value}; {', '.join(parts)}.", "lead")]


def _is_worse(row: Row, metric: str) -> bool:
    return (row.verdict.difference or 0) < 0 if METRICS[metric].higher_is_better else (row.verdict.difference or 0) > 0


def _words(key: str) -> str:
    return key.replace("val_", "validation ").replace("_", " ")


def _table(found: Comparison, of_sweep: bool) -> Iterator[Block]:
    shown = [outcome_row(found, row, published=True) for row in found.rows]
    exact = [full_row(found, row, published=True) for row in found.rows]
    keys = [key for key in shown[0] if any(row[key] is not None for row in shown)]
    if len(shown) == 1 and found.rows[0].verdict.test is None:
        keys.remove("verdict")
    columns = [
        Column(_words(key), HELP.get(key, ""), is_numeric=key not in ("group", "verdict", "interval")) for key in keys
    ]
    rows = [
        [_cell(row[key], numbers.get("low" if key == "interval" else key)) for key in keys]
        for row, numbers in zip(shown, exact, strict=True)
    ]
    caption = "Finalists, the best by validation first" if of_sweep else "Experiments, the best first"
    yield Table(caption, columns, rows, is_sortable=True)


def _cell(value: Any, exact: Any) -> Cell:
    if value is None:
        return Cell("")
    sort = float(exact) if isinstance(exact, int | float) and not isinstance(exact, bool) else None
    if isinstance(value, float):
        return Cell(f"{value:.4g}", sort)
    return Cell(f"{value:,}" if isinstance(value, int) else text(value).text, sort)


def _differences(found: Comparison) -> Iterator[Block]:
    if not found.settings or len(found.rows) < 2:
        return
    values = {key: brief(key, [row.settings[key] for row in found.rows]) for key in found.settings}
    columns = [Column("group"), *(Column(key) for key in values)]
    rows = [
        [text(row.group.name), *(text(some[index]) for some in values.values())] for index, row in enumerate(found.rows)
    ]
    yield Table("Settings that differ", columns, rows, is_sortable=True)


def _seeds(found: Comparison) -> Iterator[Block]:
    metric, measured = METRICS[found.metric], [row for row in found.rows if row.estimate]
    rows = measured[:MOST_POINTS]
    if not rows or all(len(row.group.members) < 2 for row in rows):
        return
    series, one = [], "fold" if found.rows[0].group.folds else "seed"
    for index, row in enumerate(rows):
        values = row.group.values(metric)
        seeds = [one.experiment.label for one in row.group.members] if len(row.group.members) == len(values) else []
        series.append(
            Series(row.group.name, [index - 0.15] * len(values), values, kind="points", group=index, labels=seeds)
        )
        if row.estimate and row.estimate.low is not None and row.estimate.high is not None:
            mean = row.estimate.mean
            series.append(
                Series(
                    "mean, 95 % interval",
                    [index + 0.15],
                    [mean],
                    [row.estimate.low],
                    [row.estimate.high],
                    kind="points",
                    group=index,
                    emphasized=[0],
                )
            )
    names = display_names([row.group for row in rows])
    yield Chart(
        f"{_words(found.metric)} of every {one}; beside them the mean", "", _words(found.metric), series, x_names=names
    )
    if len(measured) > len(rows):
        yield Text(f"The {one}s of the {len(rows)} best of {len(measured):,} experiments are drawn.", "note")


def _curves(found: Comparison) -> Iterator[Block]:
    groups = [row.group for row in found.rows if any(row.group.tables)]
    if not groups:
        yield Text("None of these runs has a metrics.csv that can be read: there are no curves.", "note")
        return
    drawn = groups[:MOST_CURVES]
    names = display_names(drawn)
    for metric in ("accuracy", "loss"):
        series = []
        for index, (group, name) in enumerate(zip(drawn, names, strict=True)):
            series += [
                one
                for one in (
                    _curve(group, f"val_{metric}", name, index, "line"),
                    _curve(group, metric, f"{name}, training", index, "dotted"),
                )
                if one is not None
            ]
        if series:
            yield Chart(
                f"{metric.capitalize()} by epoch: mean over {replicates_of(drawn)}, band of one standard deviation",
                "epoch",
                metric,
                series,
            )
    if lacking := sum(not table for row in found.rows for table in row.group.tables):
        have = "has" if lacking == 1 else "have"
        yield Text(f"{lacking:,} of these runs {have} no metrics.csv that can be read: not in the curves.", "note")
    if len(groups) > len(drawn):
        yield Text(f"The curves of the {len(drawn)} best of {len(groups):,} experiments are drawn.", "note")


def _curve(group: Group, column: str, name: str, index: int, kind: Any) -> Series | None:
    epochs, values = by_epoch(group, column)
    if not epochs:
        return None
    means = [float(np.mean(some)) for some in values]
    if kind == "dotted" or max(map(len, values)) == 1:
        return Series(name, epochs, means, kind=kind, group=index)
    spread = [float(np.std(some, ddof=1)) if len(some) > 1 else math.nan for some in values]
    low, high = ([mean + sign * std for mean, std in zip(means, spread, strict=True)] for sign in (-1, 1))
    return Series(name, epochs, means, low, high, kind=kind, group=index)


def _costs(found: Comparison) -> Iterator[Block]:
    rows = [row for row in found.rows if row.estimate]
    if len(rows) < 2:
        return
    metric = METRICS[found.metric]
    for key, title in (
        ("parameters", "parameters"),
        ("multiplications", "multiplications of a forward pass"),
        ("seconds", "seconds of training"),
    ):
        points = [(cost, row) for row in rows if (cost := _cost(row, key))]
        if len({cost for cost, _ in points}) < 2:
            continue
        values = [row.estimate.mean for _, row in points if row.estimate]
        front = _front([cost for cost, _ in points], values, higher=metric.higher_is_better)
        series = Series(
            "experiments; the Pareto front in bold",
            [cost for cost, _ in points],
            values,
            kind="points",
            labels=[row.group.name for _, row in points],
            emphasized=front,
        )
        yield Chart(
            f"{_words(found.metric)} against {title}".capitalize(), title, _words(found.metric), [series], log_x=True
        )


def _cost(row: Row, key: str) -> float | None:
    if key != "seconds":
        value = row.outcomes[key]
        return None if value is None else float(value)
    seconds = [member.seconds for member in row.group.members if member.seconds]
    return float(np.median(seconds)) if seconds else None


def _front(costs: Sequence[float], values: Sequence[float], *, higher: bool) -> list[int]:
    """The points that no other one is better than at no higher cost."""
    sign = 1 if higher else -1
    order = sorted(range(len(costs)), key=lambda index: (costs[index], -sign * values[index]))
    front, best = [], -math.inf
    for index in order:
        if sign * values[index] > best:
            front.append(index)
            best = sign * values[index]
    return sorted(front)


def _sizes(found: Comparison) -> Iterator[Block]:
    groups = [row.group for row in found.rows if row.estimate]
    if not sizes_differ(groups):
        return
    metric, series = METRICS[found.metric], []
    for index, line in enumerate(lines_of_sizes(groups)):
        known = [estimate(group.values(metric), metric.bounds) for group in line]
        series.append(
            Series(
                line[0].experiment.name,
                [float(size_of(group) or math.nan) for group in line],
                [one.mean for one in known],
                [math.nan if one.low is None else one.low for one in known],
                [math.nan if one.high is None else one.high for one in known],
                group=index,
            )
        )
    yield Chart(
        f"{_words(found.metric)} by training examples: mean, band of its 95 % interval".capitalize(),
        "training examples",
        _words(found.metric),
        series,
        log_x=True,
    )
