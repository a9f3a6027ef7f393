"""What the rules look at, and what they find."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cnnlab.experiment.schema import Experiment
from cnnlab.experiment.summary import Line, Summary
from cnnlab.paths import KeyPath


@dataclass(frozen=True)
class LintContext:
    """What the rules look at; `summary` is None where the network cannot be built."""

    experiment: Experiment
    summary: Summary | None
    replicas: int
    """How many devices are to share a batch."""

    @property
    def lines(self) -> tuple[Line, ...]:
        """The network's layers; none where it cannot be built."""
        return self.summary.lines if self.summary else ()


Violation = tuple[KeyPath, str]
"""Where in the experiment, and what is wrong and what to do."""
Rule = Callable[[LintContext], Iterator[Violation]]
