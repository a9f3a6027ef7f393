"""Comparison of experiments: groups of runs, and whether they differ. No TensorFlow here: the records suffice."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter
from pathlib import Path
from typing import Any

from cnnlab.analysis.candidates import candidates_note
from cnnlab.analysis.caveats import caveats, untested
from cnnlab.analysis.groups import METRICS, SHORT_METRICS, Group, Metric, group
from cnnlab.analysis.matching import matching_records
from cnnlab.analysis.significance import Estimate, estimate
from cnnlab.analysis.verdicts import BASELINE, Verdict, best_index, resolution, verdicts
from cnnlab.analysis.where import Where
from cnnlab.config.differences import differing_keys
from cnnlab.errors import RequestError, RunError
from cnnlab.messages import did_you_mean
from cnnlab.runs import Run
from cnnlab.runs.record import RunRecord

SETTINGS = ("data", "preprocessing", "model", "train", "test_time", "seed")
"""The keys of an experiment that a table has columns for."""
OUTCOMES = ("best_epoch", "parameters", "multiplications", "seconds_per_epoch")


@dataclass(frozen=True)
class Row:
    """A group, its metric, None where it has none, and how that compares with the reference.

    `ranking` is its value of the metric that the best is chosen by, `beside` of the metric that is shown beside it.
    """

    group: Group
    estimate: Estimate | None
    ranking: Estimate | None
    beside: Estimate | None
    verdict: Verdict
    settings: dict[str, Any] = field(default_factory=dict)
    outcomes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Comparison:
    """One row per group, in order; `settings` are the keys of the experiments that differ.

    `metric` is what is tested, `ranking` the metric by which rows are sorted and the best is chosen: another one, on
    validation examples, where all groups have those and no metric was asked for. `beside` is a metric that only some
    groups have, which is shown and not tested: the test accuracy where others left the test set alone.
    `reference` is what all are compared with, None where no group has the metric; `is_baseline` is whether it was
    named, and is not just the best. `notes` are what a reader should know, one sentence each.
    """

    metric: str
    ranking: str
    beside: str | None
    rows: list[Row]
    settings: list[str]
    reference: Group | None
    is_baseline: bool
    notes: list[str]


def compare(
    paths: Sequence[Path],
    *,
    metric: str | None = None,
    baseline: str | None = None,
    where: Sequence[Where] = (),
    sort: str | None = None,
    top: int | None = None,
) -> Comparison:
    """Compare the finished runs at `paths`: run folders, or folders of run folders or of sweeps.

    Runs that differ only in their seeds, or in the fold of a cross-validation, are one group. Each group is compared
    with the best one or, if named, with `baseline`: an experiment's name, or one of its runs. Sorted by `metric` or the
    column `sort`, best first. Without a `metric`, test accuracies are compared, and the best is the one by
    validation; where runs did not measure the test set, validation accuracies are.
    Runs that cannot be read get a warning; those that did not finish are listed in the notes.
    Raises RequestError for unknown names, and RunError where nothing is left to compare.
    """
    return compare_records(matching_records(paths, where), paths, metric=metric, baseline=baseline, sort=sort, top=top)


def compare_records(
    records: Sequence[RunRecord],
    paths: Sequence[Path],
    *,
    metric: str | None = None,
    baseline: str | None = None,
    sort: str | None = None,
    top: int | None = None,
    name_of: Callable[[Group], str] = attrgetter("name"),
) -> Comparison:
    """As `compare`, of records that were read from `paths`; groups are called as `name_of` calls them."""
    if metric is not None and SHORT_METRICS.get(metric, metric) not in METRICS:
        raise RequestError(f"--metric {metric}: no such metric; {did_you_mean(metric, [*METRICS, *SHORT_METRICS])}")
    grouped = group(records)
    groups = [replace(one, name=name_of(one)) for one in grouped.groups]
    if not groups:
        run, why = grouped.skipped[0]
        raise RunError(f"{', '.join(map(str, paths))}: no finished run here to compare ({run.path}: {why})")
    name, ranking, beside = _metrics(groups, metric)
    reference, rows = _compare(groups, METRICS[name], METRICS[ranking], METRICS[beside] if beside else None, baseline)
    comparison = Comparison(
        name,
        ranking,
        beside,
        rows,
        list(rows[0].settings),
        None if reference is None else groups[reference],
        baseline is not None,
        [
            *candidates_note(records, groups, [row.ranking for row in rows], ranking),
            *(untested(groups) if metric is None and name == "val_accuracy" else ()),
            *caveats(groups, METRICS[name], METRICS[ranking]),
            *_skipped(grouped.skipped),
        ],
    )
    return replace(comparison, rows=_sorted(comparison, sort)[:top])


def _compare(
    groups: Sequence[Group], metric: Metric, ranking: Metric, beside: Metric | None, baseline: str | None
) -> tuple[int | None, list[Row]]:
    """The index of the reference, and a row for each group."""
    found = differing_keys([group.experiment.shared() for group in groups])
    differing = {key: values for key, values in found.items() if key.startswith(SETTINGS)}
    estimates, ranks = _estimates(groups, metric), _estimates(groups, ranking)
    shown = _estimates(groups, beside) if beside else [None] * len(groups)
    reference = best_index(ranks, ranking) if baseline is None else _baseline(groups, baseline)
    chosen = BASELINE if baseline is not None else "best" if metric is ranking else "best by validation"
    judged = verdicts(groups, estimates, metric, reference, chosen=chosen)
    return reference, [
        Row(
            group,
            estimates[index],
            ranks[index],
            shown[index],
            judged[index],
            {key: values[index] for key, values in differing.items()},
            {
                "best_epoch": group.best_epoch,
                "parameters": group.record.parameters,
                "multiplications": group.record.multiplications,
                "seconds_per_epoch": group.seconds_per_epoch,
            },
        )
        for index, group in enumerate(groups)
    ]


def _metrics(groups: Sequence[Group], named: str | None) -> tuple[str, str, str | None]:
    """The metric that groups are compared by, the one that the best is chosen by, and one that only some have."""
    if named is not None:
        return (name := SHORT_METRICS.get(named, named)), name, None
    if not all(group.values(METRICS["val_accuracy"]) for group in groups):
        return "test_accuracy", "test_accuracy", None
    tested = sum(bool(group.values(METRICS["test_accuracy"])) for group in groups)
    if tested < len(groups):
        return "val_accuracy", "val_accuracy", "test_accuracy" if tested else None
    is_choice = len(groups) > 1 and not any(group.experiment.validates_on_test for group in groups)
    return "test_accuracy", "val_accuracy" if is_choice else "test_accuracy", None


def _estimates(groups: Sequence[Group], metric: Metric) -> list[Estimate | None]:
    return [
        estimate(values, metric.bounds, resolution(group, metric), group.folds)
        if (values := group.values(metric))
        else None
        for group in groups
    ]


def _baseline(groups: Sequence[Group], name: str) -> int:
    """The group of that name, or with that run in it. Raises RequestError."""
    path = str(Path(name))
    for index, one in enumerate(groups):
        if name == one.name or path in one.runs:
            return index
    by_run = [index for index, one in enumerate(groups) for run in one.runs if Path(run).name == name]
    named = by_run or [index for index, one in enumerate(groups) if one.experiment.name == name]
    if len(named) == 1:
        return named[0]
    if named:
        several = ", ".join(groups[index].runs[0] for index in named)
        raise RequestError(f"--baseline {name}: several have this name; name a run: {several}")
    raise RequestError(
        f"--baseline {name}: no such experiment or run here; {did_you_mean(name, {g.name for g in groups})}"
    )


def _skipped(skipped: Sequence[tuple[Run, str]]) -> list[str]:
    if not skipped:
        return []
    shown = "; ".join(f"{run.path}: {why}" for run, why in skipped[:5])
    more = f"; and {len(skipped) - 5} more" if len(skipped) > 5 else ""
    return [f"skipped: {shown}{more}"]


def _sorted(comparison: Comparison, sort: str | None) -> list[Row]:
    rows = comparison.rows
    metrics = {comparison.metric, comparison.ranking, comparison.beside or comparison.metric}
    columns = {"group", "n", *metrics, *OUTCOMES, *comparison.settings}
    sort = sort or comparison.ranking
    sort = SHORT_METRICS[sort] if SHORT_METRICS.get(sort) in columns else sort
    matches = [column for column in columns if column == sort] or [c for c in columns if c.endswith(f".{sort}")]
    if len(matches) != 1:
        raise RequestError(f"--sort {sort}: no such column; {did_you_mean(sort, columns)}")
    (sort,) = matches

    def value(row: Row) -> Any:
        if sort in metrics:
            estimates = {comparison.beside: row.beside, comparison.ranking: row.ranking}
            found = row.estimate if sort == comparison.metric else estimates[sort]
            return found.mean if found else None
        return {"group": row.group.name, "n": len(row.group.members), **row.outcomes, **row.settings}[sort]

    present = [row for row in rows if value(row) is not None]
    numbers = all(isinstance(value(row), int | float) for row in present)
    present.sort(
        key=lambda row: value(row) if numbers else repr(value(row)),
        reverse=sort in metrics and METRICS[sort].higher_is_better,
    )
    return present + [row for row in rows if value(row) is None]
