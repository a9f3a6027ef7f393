"""Configurations of one experiment, of which the best is chosen by validation: how many were looked at."""

import json
import shlex
from collections.abc import Sequence
from pathlib import Path

from cnnlab.analysis.groups import METRICS, Group
from cnnlab.analysis.significance import Estimate
from cnnlab.analysis.verdicts import best_index
from cnnlab.messages import join_names
from cnnlab.runs.record import IGNORED_TRAIN_KEYS, RunRecord

FRESH_SEEDS = 5  # enough to estimate a spread
MAX_NAMES = 4  # experiments in a note


def candidates_note(
    records: Sequence[RunRecord], groups: Sequence[Group], ranks: Sequence[Estimate | None], ranking: str
) -> list[str]:
    """A sentence that says how many candidates were looked at; none where nothing was chosen by validation.

    Candidates are configurations of one name, that of the experiment. `ranks` are the estimates of the metric `ranking`
    of each group. Pruned runs count, since their validation results were looked at.
    """
    metric = METRICS[ranking]
    if metric.split != "validation":
        return []
    counts = _counts([record for record in records if record.status == "pruned"], groups)
    several = {name: count for name, count in counts.items() if count > 1}
    best = best_index(
        [rank if group.experiment.name in several else None for group, rank in zip(groups, ranks, strict=True)], metric
    )
    if best is None:
        return []
    first = groups[best].experiment.name
    others = [f"{count:,} of {name}" for name, count in several.items() if name != first]
    told = join_names([f"{several[first]:,} candidates of {first}", *others], MAX_NAMES)
    likewise = ", and likewise for the others" if others else ""
    return [
        f"{told} were looked at, ranked by {ranking}: the best of many is partly lucky, and its {ranking} too good; "
        f"{_measured_again(groups[best], groups)}{likewise}"
    ]


def _counts(pruned: Sequence[RunRecord], groups: Sequence[Group]) -> dict[str, int]:
    """The number of configurations of each experiment that is not validated on the test set."""
    found: dict[str, set[str]] = {}
    for group in groups:
        if not group.experiment.validates_on_test:
            found.setdefault(group.experiment.name, set()).add(_configuration(group.record))
    for record in pruned:
        if record.experiment.name in found:
            found[record.experiment.name].add(_configuration(record))
    return {name: len(configurations) for name, configurations in found.items()}


def _configuration(record: RunRecord) -> str:
    """What is searched: all but the data, which decide by which examples candidates are compared."""
    plain = record.experiment.without("seed", "data")
    plain["train"] = {key: value for key, value in plain["train"].items() if key not in IGNORED_TRAIN_KEYS}
    return json.dumps(plain, sort_keys=True)


def _is_same(group: Group, other: Group) -> bool:
    """Whether two groups are of one configuration, on the same examples."""
    identities = {group.record.data.identity, other.record.data.identity}
    return len(identities) == 1 and _configuration(group.record) == _configuration(other.record)


def _measured_again(best: Group, groups: Sequence[Group]) -> str:
    """The group with the test results of the best on other seeds than were chosen by, or the command that trains it."""
    tested = [group for group in groups if group.values(METRICS["test_accuracy"])]
    searched = [group for group in groups if not group.values(METRICS["test_accuracy"])]
    if tested and searched:
        again, chosen = ([group for group in some if _is_same(group, best)] for some in (tested, searched))
        seeds = {seed for group in chosen for seed in group.seeds}
        if again and chosen and seeds.isdisjoint(again[0].seeds):
            return f"{again[0].name} measures the best on other seeds, and on the test set"
    known = {seed for group in groups if group.experiment.name == best.experiment.name for seed in group.seeds}
    fresh = [str(seed) for seed in range(FRESH_SEEDS + len(known)) if seed not in known][:FRESH_SEEDS]
    config = shlex.quote(str(Path(best.runs[0]) / "config.yaml"))
    if best.folds and best.experiment.data.get("test") == 0:  # no test set: all examples are in folds
        return (
            "measure the best on fresh partitions: "
            f"`cnnlab train {config} --folds {best.folds} --seeds {','.join(fresh)} --runs fresh`"
        )
    if best.folds:
        return (
            "measure the best on the test set, which no fold includes: "
            f"`cnnlab train {config} --seeds {FRESH_SEEDS} --set data.fold=null --set train.test=end --runs fresh`"
        )
    return (
        "measure the best on fresh seeds, apart from these: "
        f"`cnnlab train {config} --seeds {','.join(fresh)} --set train.test=end --runs fresh`"
    )
