"""What went wrong with a training: the first diagnosis that applies, with its evidence and one change to try.

The diagnoses are in the order in which they explain each other: a rate that is too high makes ReLUs die and a loss that
stays where it began, and so is asked for before these. `python -m benchmarks.failing_trainings` trains what each is
for, makes the change, and trains it again: docs/results.md has the table.
"""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnnlab.models.inference import Outcome
from cnnlab.terminal import proposed
from cnnlab.training.coach import network, optimization, outcome
from cnnlab.training.coach.evidence import Evidence, Finding, Table
from cnnlab.training.trainer import Trainer

MIN_STEPS = 20  # which need not lead anywhere


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong, by what that is seen, and what `--set` takes to make it better, of the experiment in `config`."""

    name: str
    evidence: str
    changes: Sequence[str]
    config: str

    def __str__(self) -> str:
        """`learning rate too high: the evidence; try --set train.optimizer.adam.learning_rate=0.001 or …`."""
        if not self.changes:
            return f"{self.name}: {self.evidence}"
        tried = [" ".join(f"--set {shlex.quote(change)}" for change in self.changes)]
        if any(".learning_rate=" in change for change in self.changes):
            tried.append(proposed("find-rate", Path(self.config)))
        return f"{self.name}: {self.evidence}; try {' or '.join(tried)}"


DIAGNOSES: Mapping[str, Callable[[Evidence], Finding | None]] = {
    "batch of one": network.batch_of_one,
    "batch normalization not settled": network.batch_norm_not_settled,
    "output and loss do not fit": network.wrong_loss,
    "initial weights": network.initial_weights,
    "input scale": network.input_scale,
    "bottleneck": network.bottleneck,
    "regularization too strong": optimization.too_much_regularization,
    "dropout too high": optimization.too_much_dropout,
    "learning rate too high": optimization.rate_too_high,
    "vanishing gradients": network.vanishing_gradients,
    "unsteady at the end": optimization.unsteady,
    "learning rate too low": optimization.rate_too_low,
    "imbalance": outcome.imbalance,
    "nothing learned": outcome.nothing_learned,
    "overfitting": outcome.overfitting,
    "too few epochs": outcome.too_few_epochs,
}


def diagnose(
    trainer: Trainer, table: Table, results: Mapping[str, Any], held_out: Outcome | None, config: str
) -> Diagnosis | None:
    """What is wrong with a network that was trained; None where nothing is, or after a few steps.

    Adversarial training is not diagnosed: its losses are those of perturbed images, and mean something else.
    It is judged by `held_out`, its outcome on the validation split, else on the test split, and by the training split
    alone where that is None. `results` are those of the epoch whose weights it has; `config` is the path of its
    complete experiment.
    """
    evidence = Evidence(trainer, table, results, held_out, config)
    if evidence.steps < MIN_STEPS or trainer.experiment.train.adversarial is not None:
        return None
    for name, diagnosis in DIAGNOSES.items():
        if found := diagnosis(evidence):
            return Diagnosis(name, *found, config)
    return None
