"""Whether a group is better than another by more than chance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from cnnlab.analysis import significance
from cnnlab.analysis.groups import Group, Metric, read_correct
from cnnlab.analysis.significance import ALPHA, CORRECTED, Estimate, Test

MIN_PAIRED_SEEDS = 3
"""The fewest seeds that are compared in pairs: two pairs leave a single degree of freedom."""
TOO_FEW_SEEDS = 2
"""So few that their spread is hardly known: no detectable difference then means nothing."""
BASELINE = "baseline"
UNKNOWN = "run.json does not say on which examples"
LOSS_DIGITS = 1e-4
"""Losses that differ by a smaller fraction count as equal: float32 has seven digits, a sum of thousands fewer."""


@dataclass(frozen=True)
class Verdict:
    """How a group compares with the reference."""

    text: str
    difference: float | None = None
    test: Test | None = None
    p: float | None = None
    """Corrected for all comparisons of the table."""
    is_detected: bool = False
    seeds_needed: int | None = None
    """Seeds per group that would probably make the difference detectable; None if it is, or if it takes too many."""


def resolution(group: Group, metric: Metric) -> float:
    """The smallest difference that values of a group can have; 0 where it is not known."""
    if not metric.is_accuracy:
        return LOSS_DIGITS * max(group.values(metric), default=0.0)
    split = group.split(metric.split)
    return 1 / split.examples if split and split.examples else 0.0


def best_index(estimates: Sequence[Estimate | None], metric: Metric) -> int | None:
    """The index of the best mean; None where no group has one."""
    sign = 1 if metric.higher_is_better else -1
    means = {index: sign * found.mean for index, found in enumerate(estimates) if found}
    return max(means, key=means.__getitem__) if means else None


def verdicts(
    groups: Sequence[Group],
    estimates: Sequence[Estimate | None],
    metric: Metric,
    reference: int | None,
    *,
    chosen: str,
) -> list[Verdict]:
    """How each group compares with that of index `reference`, which is `chosen` as "baseline", or by the results.

    `estimates` are those of the metric, None for a group without it. Which test is used depends on the seeds only,
    never on the results; p is corrected for all comparisons.
    """
    if reference is None:
        return [Verdict("has no such metric")] * len(groups)
    found: list[Test | str] = [
        _test(group, groups[reference], metric) if estimates[index] and estimates[reference] else "has no such metric"
        for index, group in enumerate(groups)
    ]
    found[reference] = chosen
    tested = {index: test for index, test in enumerate(found) if isinstance(test, Test)}
    # The best is not known in advance: any pair could have been the best and another.
    comparisons = len(tested) if chosen == BASELINE else len(tested) * (len(tested) + 1) // 2
    corrected = dict(zip(tested, significance.holm([test.p for test in tested.values()], comparisons), strict=True))
    verdicts = [
        _verdict(estimates[index], estimates[reference], outcome, corrected.get(index), metric)
        for index, outcome in enumerate(found)
    ]
    return [
        replace(verdict, seeds_needed=_seeds_needed(group, groups[reference], metric, comparisons))
        if verdict.p is not None
        and not verdict.is_detected
        and min(len(group.members), len(groups[reference].members)) > 1
        and not group.folds  # more repetitions, however many, hardly make a cross-validation more precise
        else verdict
        for group, verdict in zip(groups, verdicts, strict=True)
    ]


def _seeds_needed(group: Group, reference: Group, metric: Metric, comparisons: int) -> int | None:
    smallest = max(resolution(group, metric), resolution(reference, metric))
    return significance.seeds_needed(group.values(metric), reference.values(metric), smallest, ALPHA / comparisons)


def _verdict(
    estimate: Estimate | None, reference: Estimate | None, outcome: Test | str, p: float | None, metric: Metric
) -> Verdict:
    difference = estimate.mean - reference.mean if estimate and reference else None
    if isinstance(outcome, str) or p is None or difference is None:
        return Verdict(str(outcome), difference)
    if p >= ALPHA:
        few = estimate is not None and reference is not None and min(estimate.n, reference.n) == TOO_FEW_SEEDS
        few = few and outcome.method != CORRECTED
        return Verdict("two seeds are too few" if few else "no detectable difference", difference, outcome, p)
    better = (difference > 0) == metric.higher_is_better
    return Verdict(f"detectably {'better' if better else 'worse'}", difference, outcome, p, is_detected=True)


def compare_by_seed(values: Mapping[str, float], reference: Mapping[str, float], resolution: float) -> Test:
    """Whether values by seed differ, several on each side; paired if both have the same seeds.

    `resolution` is the smallest difference that one example makes.
    """
    if len(values) >= MIN_PAIRED_SEEDS and values.keys() == reference.keys():
        return significance.paired(list(values.values()), [reference[seed] for seed in values], resolution)
    return significance.unpaired(list(values.values()), list(reference.values()), resolution)


def _test_folds(group: Group, reference: Group, metric: Metric) -> Test | str:
    """The corrected resampled t-test of two cross-validations, fold by fold, or why they are not tested."""
    if group.folds != reference.folds or group.record.data.pool != reference.record.data.pool:
        return f"not tested: other {metric.split} examples"
    if {*group.replicates} != {*reference.replicates}:
        return "not tested: other folds or seeds"
    if group.examples(metric.split) != reference.examples(metric.split):
        return f"not tested: other {metric.split} examples"
    if not metric.is_accuracy and group.experiment.loss != reference.experiment.loss:
        return "not tested: another loss function"
    if len(group.members) == 1:
        return "not tested: one fold"
    pair = [dict(zip(some.replicates, some.values(metric), strict=True)) for some in (group, reference)]
    return significance.paired(
        list(pair[0].values()),
        [pair[1][replicate] for replicate in pair[0]],
        max(resolution(one, metric) for one in (group, reference)),
        group.folds,
    )


def _test(group: Group, reference: Group, metric: Metric) -> Test | str:
    """The test that fits, or the reason why nothing is tested."""
    examples, others = group.split(metric.split), reference.split(metric.split)
    if group is reference:
        return ""
    if group.folds or reference.folds:
        return _test_folds(group, reference, metric)
    if examples != others or examples is None:
        return f"not tested: other {metric.split} examples" if examples and others else f"not tested: {UNKNOWN}"
    if not metric.is_accuracy and group.experiment.loss != reference.experiment.loss:
        return "not tested: another loss function"
    pair = (group, reference)
    values, reference_values = (dict(zip(map(repr, one.seeds), one.values(metric), strict=True)) for one in pair)
    if min(len(values), len(reference_values)) == 1 < max(len(values), len(reference_values)):
        single = group if len(values) == 1 else reference
        return f"not tested: one run of {single.name}, whose seeds may spread otherwise"
    if len(values) > 1:
        return compare_by_seed(values, reference_values, max(resolution(one, metric) for one in pair))
    if not metric.is_accuracy:
        return "not tested: one run each; try --seeds 5"
    correct = [read_correct(one.record.run, metric.split, examples.examples) for one in pair]
    if correct[0] is None or correct[1] is None:
        return (
            f"not tested: one run each, without saved {metric.split} predictions "
            f"(`cnnlab evaluate RUN --split {metric.split}` saves them)"
        )
    for one, those in zip(pair, correct, strict=True):
        if those is None or those.sum() != round(one.values(metric)[0] * examples.examples):
            return f"not tested: {one.runs[0]}: its saved predictions are not those of its run.json"
    return significance.mcnemar(correct[0], correct[1])
