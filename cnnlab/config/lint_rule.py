"""Input and output of lint rules."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cnnlab.experiment.schema import Experiment
from cnnlab.experiment.summary import Line, Summary
from cnnlab.paths import KeyPath


@dataclass(frozen=True)
class LintContext:
    """Input of a rule; `summary` is None where the network cannot be built."""

    experiment: Experiment
    summary: Summary | None
    replicas: int
    """Number of devices that divide a batch."""

    @property
    def lines(self) -> tuple[Line, ...]:
        """The network's layers; none where it cannot be built."""
        return self.summary.lines if self.summary else ()


Violation = tuple[KeyPath, str]
"""Path in the experiment, and message: what is wrong and how to fix it."""
Rule = Callable[[LintContext], Iterator[Violation]]
