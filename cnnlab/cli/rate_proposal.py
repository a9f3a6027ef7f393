"""What `cnnlab find-rate` found, for people, for scripts and as a figure."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnnlab.cli.tables import Format, render
from cnnlab.config.overrides import Override
from cnnlab.errors import TrainingError
from cnnlab.experiment.callbacks import UserCallback
from cnnlab.experiment.schedules import Constant, ReduceOnPlateau
from cnnlab.experiment.schema import Experiment
from cnnlab.terminal import proposed
from cnnlab.training.find_rate.proposal import MARGIN, Curve, proposed_rate

SIMILAR = 2.0  # a factor between two rates with which results hardly differ
DIGITS_BELOW = 10  # a larger factor is printed as a whole number


@dataclass(frozen=True)
class Found:
    """The range tests of an experiment, which `config` names; `applies` where the proposal is written into the file."""

    config: str
    experiment: Experiment
    changes: Sequence[Override]
    curves: Sequence[Curve]
    applies: bool = False

    @property
    def rate(self) -> float | None:
        """The proposed rate."""
        return proposed_rate(self.curves)

    @property
    def present(self) -> float:
        """The experiment's own rate."""
        return self.experiment.train.optimizer.learning_rate

    @property
    def key(self) -> str:
        """Where the rate is in the experiment."""
        return f"train.optimizer.{self.experiment.train.optimizer.kind}.learning_rate"

    def shown(self, format: Format) -> str:
        """One row per test, and what they propose."""
        rows = [_row(curve) for curve in self.curves]
        if format is not Format.JSON:
            return render(rows, list(rows[0]), format, self._notes())
        result = {
            "experiment": self.experiment.name,
            "key": self.key,
            "present": self.present,
            "proposed": self.rate,
            "from": float(self.curves[0].rates[0]),
            "to": float(self.curves[0].rates[-1]),
            "tests": [row | _losses(curve) for row, curve in zip(rows, self.curves, strict=True)],
        }
        return json.dumps(result, indent=2)

    def draw(self, path: Path) -> None:
        """Write the figure."""
        from cnnlab.plots.range_test import Test, draw

        tests = [Test(one.rates[: len(one.losses)], one.losses, one.smoothed, one.rise) for one in self.curves]
        draw(tests, self.rate, self.present, f"{self.experiment.name}: learning-rate range test", path)

    def checked(self) -> float:
        """The proposed rate. Raises TrainingError where there is none."""
        if self.rate is not None:
            return self.rate
        low, high = (float(self.curves[0].rates[place]) for place in (0, -1))
        if not all(curve.has_fallen for curve in self.curves):
            raise TrainingError(
                f"no proposal: the loss hardly fell at any rate from {low:.2g} to {high:.2g}; more steps may show it, "
                f"such as --steps {4 * len(self.curves[0].rates)}, or nothing is learned at any rate"
            )
        raise TrainingError(f"no proposal: the loss did not rise up to a rate of {high:.2g}; try --to {100 * high:.2g}")

    def _notes(self) -> list[str]:
        if self.rate is None:
            return []
        return [self._reason(), self._comparison(), *self._remarks()]

    def _reason(self) -> str:
        several = f" (median of {len(self.curves)} seeds)" if len(self.curves) > 1 else ""
        return f"Proposed: {self.key}={self.rate:g}, the rate at which the loss rises, divided by {MARGIN:g}{several}."

    def _comparison(self) -> str:
        rate = self.rate or self.present
        factor = rate / self.present
        if 1 / SIMILAR <= factor <= SIMILAR:
            kept = "" if self.applies else ": keep it"
            return f"The experiment's {self.present:g} is within a factor of {SIMILAR:g} of it{kept}."
        times = max(factor, 1 / factor)
        told = f"{times:,.0f}" if times > DIGITS_BELOW else f"{times:.1f}"
        told += f" times {'higher' if factor > 1 else 'lower'}"
        text = f"It is {told} than the experiment's {self.present:g}"
        if self.applies:
            return f"{text}."
        sets = [word for change in self.changes for word in ("--set", change.option.removeprefix("--set "))]
        command = proposed("train", self.config, *sets, "--set", f"{self.key}={rate:g}")
        return f"{text}; try {command}, or write it into the file by --apply."

    def _remarks(self) -> list[str]:
        train, remarks = self.experiment.train, []
        if not isinstance(train.schedule, Constant):
            what = "rate at the start" if isinstance(train.schedule, ReduceOnPlateau) else "highest rate"
            remarks.append(f"It is the {what} of the schedule {train.schedule.kind}, which the test leaves out.")
        if any(isinstance(callback, UserCallback) for callback in train.callbacks):
            remarks.append("User callbacks had no part in the test.")
        if train.adversarial is not None:
            remarks.append("The losses are those of perturbed images.")
        return remarks


def _row(curve: Curve) -> dict[str, Any]:
    """What one test shows, as columns."""
    return {
        "seed": curve.seed,
        "steps": len(curve.losses),
        "lowest_loss": float(curve.smoothed.min()),
        "steepest_at": curve.steepest,
        "lowest_at": curve.lowest,
        "rises_at": curve.rise,
        "proposal": curve.proposal,
    }


def _losses(curve: Curve) -> dict[str, list[float]]:
    return {"rates": curve.rates[: len(curve.losses)].tolist(), "losses": curve.losses.tolist()}
