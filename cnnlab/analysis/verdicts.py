"""Is a group better than another, or is that chance?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from cnnlab.analysis import significance
from cnnlab.analysis.groups import Group, Metric, read_correct
from cnnlab.analysis.significance import ALPHA, Estimate, Test

MIN_PAIRED_SEEDS = 3
"""The fewest seeds that are compared in pairs: of two, pairing would leave a single degree of freedom."""
TOO_FEW_SEEDS = 2
"""So few that their spread is hardly known: that they show no difference says nothing."""
BASELINE = "baseline"
UNKNOWN = "run.json does not say on which examples"
LOSS_DIGITS = 1e-4
"""Of a loss, what is not taken for a difference: float32 has seven digits, and a sum over thousands fewer."""


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
    """How many of each would probably make the difference detectable; None where it is, or where too many would."""


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
    """How each group stands to the one of index `reference`, which is `chosen` as "baseline", or for what came out.

    `estimates` are of the groups' values of that metric, None where a group has none. Which test a comparison gets
    depends on the seeds alone, never on what came out; p is corrected for all comparisons together.
    """
    if reference is None:
        return [Verdict("has no such metric")] * len(groups)
    found: list[Test | str] = [
        _test(group, groups[reference], metric) if estimates[index] and estimates[reference] else "has no such metric"
        for index, group in enumerate(groups)
    ]
    found[reference] = chosen
    tested = {index: test for index, test in enumerate(found) if isinstance(test, Test)}
    # The best is not known before: any two could have been the best and another.
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
        else verdict
        for group, verdict in zip(groups, verdicts, strict=True)
    ]


def _seeds_needed(own: Group, reference: Group, metric: Metric, comparisons: int) -> int | None:
    smallest = max(resolution(own, metric), resolution(reference, metric))
    return significance.seeds_needed(own.values(metric), reference.values(metric), smallest, ALPHA / comparisons)


def _verdict(
    own: Estimate | None, reference: Estimate | None, outcome: Test | str, p: float | None, metric: Metric
) -> Verdict:
    difference = own.mean - reference.mean if own and reference else None
    if isinstance(outcome, str) or p is None or difference is None:
        return Verdict(str(outcome), difference)
    if p >= ALPHA:
        few = own is not None and reference is not None and min(own.n, reference.n) == TOO_FEW_SEEDS
        return Verdict("two seeds are too few" if few else "no detectable difference", difference, outcome, p)
    better = (difference > 0) == metric.higher_is_better
    return Verdict(f"detectably {'better' if better else 'worse'}", difference, outcome, p, is_detected=True)


def compare_by_seed(own: Mapping[str, float], reference: Mapping[str, float], resolution: float) -> Test:
    """Whether values differ that are given by seed, several on each side; in pairs where the seeds are equal.

    `resolution` is the smallest difference that one example makes.
    """
    if len(own) >= MIN_PAIRED_SEEDS and own.keys() == reference.keys():
        return significance.paired(list(own.values()), [reference[seed] for seed in own], resolution)
    return significance.unpaired(list(own.values()), list(reference.values()), resolution)


def _test(own: Group, reference: Group, metric: Metric) -> Test | str:
    """The test that fits, or why there is none."""
    mine, theirs = own.split(metric.split), reference.split(metric.split)
    if own is reference:
        return ""
    if mine != theirs or mine is None:
        return f"not tested: other {metric.split} examples" if mine and theirs else f"not tested: {UNKNOWN}"
    if not metric.is_accuracy and own.experiment.loss != reference.experiment.loss:
        return "not tested: another loss function"
    values, others = (
        dict(zip(map(repr, group.seeds), group.values(metric), strict=True)) for group in (own, reference)
    )
    if min(len(values), len(others)) == 1 < max(len(values), len(others)):
        which = own if len(values) == 1 else reference
        return f"not tested: one run of {which.name}, whose seeds may spread otherwise"
    if len(values) > 1:
        return compare_by_seed(values, others, max(resolution(group, metric) for group in (own, reference)))
    if not metric.is_accuracy:
        return "not tested: one run each; try --seeds 5"
    right = [read_correct(group.record.run, metric.split, mine.examples) for group in (own, reference)]
    if right[0] is None or right[1] is None:
        return (
            f"not tested: one run each, without saved {metric.split} predictions "
            f"(`cnnlab evaluate RUN --split {metric.split}` saves them)"
        )
    for group, those in ((own, right[0]), (reference, right[1])):
        if those.sum() != round(group.values(metric)[0] * mine.examples):
            return f"not tested: {group.runs[0]}: its saved predictions are not those of its run.json"
    return significance.mcnemar(right[0], right[1])
