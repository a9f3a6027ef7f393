"""Whether the learning rates that `cnnlab find-rate` proposes are good ones: `python -m benchmarks.finding_rates`.

Runs the range test of shipped experiments, then trains each for a few epochs with the proposal, a third of it, three
times as much, and with its own rate, and writes the table to docs/find-rate.md. Needs MNIST and CIFAR-10 in
`$CNNLAB_DATA_DIR`.
"""

import argparse
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.page import DOCS
from cnnlab.cli.tables import Format, render
from cnnlab.cli.tensorflow import import_tensorflow
from cnnlab.config.load import load
from cnnlab.config.overrides import parse_sets
from cnnlab.config.rules import rate_range
from cnnlab.errors import Diverged
from cnnlab.experiment.schema import Experiment

PAGE = DOCS / "find-rate.md"
BEGIN, END = "<!-- rates: begin -->", "<!-- rates: end -->"
FACTORS = {"÷ 3": 1 / 3, "proposed": 1.0, "× 3": 3.0}
STEPS, TESTS = 300, (0, 1, 2)


@dataclass(frozen=True)
class Case:
    """A shipped experiment, its changes, and how long it is trained."""

    name: str
    config: str
    epochs: int
    changes: Sequence[str] = ()

    @property
    def experiment(self) -> Experiment:
        """The experiment with a tenth of its examples held out."""
        changes = [f"train.epochs={self.epochs}", "data.validation=0.1", "train.test=never", *self.changes]
        return load(self.config, parse_sets(changes))


CASES = (
    Case("fc", "fc", 3),
    Case("mlp-ce", "mlp-ce", 3),
    Case("mlp-mse", "mlp-mse", 3),
    Case("lenet", "lenet", 2),
    Case("lenet, AdamW", "lenet", 2, ["train.optimizer=adamw"]),
    Case("digits", "digits", 10),
    Case("cnn-32-64, 5,000 examples", "cnn-32-64", 3, ["data.limit=5000"]),
    Case("cifar, 5,000 examples", "cifar", 3, ["data.limit=5000"]),
    Case("resnet20, 2,000 examples", "resnet20", 3, ["data.limit=2000", "train.schedule=constant"]),
)


def main() -> None:
    """Test, train, and write the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.finding_rates")
    parser.add_argument("--seeds", type=int, default=2, help="trainings with each rate (default 2)")
    parser.add_argument("--only", default="", metavar="TEXT", help="only experiments with TEXT in their names; no page")
    options = parser.parse_args()
    import_tensorflow("auto", None)
    rows = [_row(case, options.seeds) for case in CASES if options.only in case.name]
    table = render(rows, list(rows[0]), Format.MD)
    print(table)
    if not options.only:
        text = PAGE.read_text(encoding="utf-8")
        first, last = text.index(BEGIN) + len(BEGIN), text.index(END)
        PAGE.write_text(f"{text[:first]}\n\n{table}\n\n{text[last:]}", encoding="utf-8")


def _row(case: Case, seeds: int) -> dict[str, Any]:
    """The rates and what came of them."""
    from cnnlab.training.find_rate.find_rate import find_rate
    from cnnlab.training.find_rate.proposal import proposed_rate
    from cnnlab.training.find_rate.range_test import growing_rates

    experiment = case.experiment
    started = time.perf_counter()
    curves = find_rate(experiment, TESTS, growing_rates(*rate_range(experiment.train), STEPS))
    seconds, proposal = time.perf_counter() - started, proposed_rate(curves)
    of_seeds = sorted(curve.proposal or 0.0 for curve in curves)
    own = experiment.train.optimizer.learning_rate
    row: dict[str, Any] = {
        "experiment": case.name,
        "epochs": case.epochs,
        "seconds": f"{seconds:.0f}",
        "own rate": f"{own:g}",
        "proposal": f"{proposal:g} ({of_seeds[0]:.2g} to {of_seeds[-1]:.2g})" if proposal else "none",
        "accuracy, own": _accuracy(experiment, own, seeds),
    }
    rates = {name: (proposal or 0.0) * factor for name, factor in FACTORS.items()}
    row |= {f"accuracy, {name}": _accuracy(experiment, rate, seeds) if proposal else "" for name, rate in rates.items()}
    print(row, flush=True)
    return row


def _accuracy(experiment: Experiment, rate: float, seeds: int) -> str:
    """The mean validation accuracy after the last epoch."""
    from cnnlab.training.fit import fit
    from cnnlab.training.train import Trainers

    train, trainers, found = experiment.train, Trainers(), []
    optimizer = train.optimizer.model_copy(update={"learning_rate": rate})
    changed = experiment.model_copy(update={"train": train.model_copy(update={"optimizer": optimizer})})
    for seed in range(seeds):
        try:
            history = fit(trainers(changed.model_copy(update={"seed": seed})))
        except Diverged:
            return "diverged"
        found.append(history.results["val_accuracy"])
    return f"{statistics.fmean(found):.3f}"


if __name__ == "__main__":
    main()
