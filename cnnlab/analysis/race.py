"""Time to accuracy: how long runs of several seeds trained until the validation accuracy reached a target."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cnnlab.analysis.significance import Estimate, estimate
from cnnlab.errors import RunError
from cnnlab.runs import Run
from cnnlab.runs.metrics import read_numbers


@dataclass(frozen=True)
class Attempt:
    """One run: the seconds of its training passes until the target was reached, and the epoch; None if it was not."""

    run: Run
    seed: int
    seconds: float | None
    epoch: int | None
    val_accuracy: float
    """After that epoch, or the highest."""
    test_accuracy: float | None

    def as_dict(self) -> dict[str, Any]:
        """For a table."""
        return {
            "run": str(self.run.path),
            "seed": self.seed,
            "seconds": self.seconds,
            "epoch": self.epoch,
            "val_accuracy": self.val_accuracy,
            "test_accuracy": self.test_accuracy,
        }


@dataclass(frozen=True)
class Race:
    """The runs of all seeds."""

    attempts: Sequence[Attempt]

    @property
    def reached(self) -> int:
        """How many reached the target."""
        return sum(attempt.seconds is not None for attempt in self.attempts)

    @property
    def seconds(self) -> Estimate | None:
        """The mean time of all; None where some did not reach the target, whose times are not known."""
        seconds = [attempt.seconds for attempt in self.attempts if attempt.seconds is not None]
        return estimate(seconds, (0.0, math.inf)) if len(seconds) == len(self.attempts) else None

    @property
    def test_accuracy(self) -> Estimate | None:
        """The mean on the test set; None where it was not measured."""
        found = [attempt.test_accuracy for attempt in self.attempts if attempt.test_accuracy is not None]
        return estimate(found, (0.0, 1.0)) if len(found) == len(self.attempts) else None


def time_to_accuracy(run: Run, target: float) -> Attempt:
    """How long a finished run trained until `val_accuracy` was at least `target`, by its metrics.csv.

    Training passes count, all of them; validation does not. Raises RunError where the table is missing or damaged.
    """
    record, table = run.record(), read_numbers(run.metrics)
    if not {"val_accuracy", "seconds"} <= table.keys():
        raise RunError(f"{run.metrics}: damaged: expected the columns val_accuracy and seconds")
    accuracies = table["val_accuracy"]
    epoch = next((number for number, accuracy in enumerate(accuracies, start=1) if accuracy >= target), None)
    return Attempt(
        run=run,
        seed=record.experiment.seed,
        seconds=None if epoch is None else sum(table["seconds"][:epoch]),
        epoch=epoch,
        val_accuracy=max(accuracies) if epoch is None else accuracies[epoch - 1],
        test_accuracy=record.result("test_accuracy"),
    )
