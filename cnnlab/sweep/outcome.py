"""What a sweep came to: the winner by validation, what it is worth on fresh seeds, and how much of it was luck."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cnnlab.analysis.compare import Comparison, compare_records
from cnnlab.analysis.groups import METRICS, Group, group
from cnnlab.analysis.significance import Estimate, estimate
from cnnlab.analysis.verdicts import resolution
from cnnlab.runs.record import RunRecord

Value = tuple[int, float]


@dataclass(frozen=True)
class Finalist:
    """A finalist: its trial, what that came to, and the same metric on fresh seeds, None where none finished.

    `optimism` is the value of its trial less the mean of its fresh seeds, by which it was chosen too well; positive
    where the trial was luckier, also for a loss. `low` and `high` are the 95 % interval of that difference.
    """

    trial: int
    point: Mapping[str, Any]
    value: float
    fresh: Estimate | None
    group: Group | None
    optimism: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Outcome:
    """The finalists, best by validation first: the first is the winner.

    `comparison` compares them on the test set with the winner, p corrected for their number; None where no run on
    fresh seeds has finished. `candidates` is the number of trials that were looked at.
    """

    metric: str
    candidates: int
    finalists: Sequence[Finalist]
    comparison: Comparison | None

    @property
    def winner(self) -> Finalist | None:
        """The best by validation; None where no trial finished."""
        return self.finalists[0] if self.finalists else None


def judge(
    metric: str, candidates: int, chosen: Sequence[Mapping[str, Any]], records: Mapping[int, Sequence[RunRecord]]
) -> Outcome:
    """The outcome of `chosen` trials, best first, each with `trial`, `value` and `point`, by the runs of their finals.

    The winner is the first, chosen before its fresh seeds were trained: their mean is not selected, and its test
    accuracy is unbiased. Choosing among the finalists by their fresh seeds would be a selection again.
    """
    finalists = [_finalist(metric, one, records.get(one["trial"], ())) for one in chosen]
    measured = [record for one in finalists if one.group for record in one.group.members]
    comparison = None
    if measured and finalists[0].group:
        comparison = compare_records(
            measured,
            [record.run.path for record in measured],
            metric="test_accuracy",
            baseline=finalists[0].group.runs[0],
        )
    return Outcome(metric, candidates, finalists, comparison)


def _finalist(metric: str, chosen: Mapping[str, Any], records: Sequence[RunRecord]) -> Finalist:
    groups = group(records).groups
    if not groups:
        return Finalist(chosen["trial"], chosen["point"], chosen["value"], None, None, None, None, None)
    found, kind = groups[0], METRICS[metric]
    fresh = estimate(found.values(kind), kind.bounds, resolution(found, kind))
    sign = 1.0 if kind.higher_is_better else -1.0
    ends = (None, None)
    if fresh.low is not None and fresh.high is not None:
        differences = sorted(sign * (chosen["value"] - end) for end in (fresh.low, fresh.high))
        ends = (differences[0], differences[1])
    return Finalist(
        chosen["trial"], chosen["point"], chosen["value"], fresh, found, sign * (chosen["value"] - fresh.mean), *ends
    )
