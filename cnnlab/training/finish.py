"""What a training leaves when it is at its end: measurements, weights, results."""

import math
from collections.abc import Container
from typing import Any

from cnnlab.evaluation.evaluate import keep
from cnnlab.experiment.schema import Experiment
from cnnlab.models import weights
from cnnlab.models.inference import Outcome
from cnnlab.runs import Run, files
from cnnlab.runs.folder import now
from cnnlab.runs.metrics import count_epochs, read_numbers
from cnnlab.training import coach, divergence
from cnnlab.training.trainer import Trainer


def finish(trainer: Trainer, run: Run, results: dict[str, Any], seconds: float) -> dict[str, Any] | None:
    """Measure on the test set, unless it is to be left alone, and write what a finished run has."""
    split = split_of(trainer.experiment, trainer.dataset.splits())
    outcome = _measure(trainer, split) if split else None
    files.write(run.weights, lambda path: weights.save(trainer.model, path))
    files.write(run.model, trainer.model.save)
    test = outcome if split == "test" else None
    if test:
        run.record_test_use("train")
        results |= {"test_loss": test.loss, "test_accuracy": test.accuracy}
    evaluation = keep(run, split, outcome, trainer.dataset) if split and outcome else None
    found = coach.diagnose(
        trainer, read_numbers(run.metrics), results, _held_out(trainer, split, outcome), str(run.config)
    )
    run.update(
        {
            "status": "finished",
            "finished": now(),
            "seconds": round(seconds, 3),
            "stopped_early": count_epochs(run.metrics) < trainer.experiment.train.epochs,
            "results": results,
            "findings": [str(found)] if found else [],
        }
    )
    return evaluation if test else None


def split_of(experiment: Experiment, splits: Container[str]) -> str | None:
    """On which of its `splits` a finished run keeps predictions: not on a test set that is to be left alone."""
    if experiment.train.test == "end":
        return "test"
    return "validation" if "validation" in splits else None


def _held_out(trainer: Trainer, split: str | None, outcome: Outcome | None) -> Outcome | None:
    """What the network is judged by: its outcome on the validation split, else on the test split if it was measured."""
    validation = trainer.dataset.validation
    if validation is None or validation is trainer.dataset.test or split == "validation":
        return outcome
    return trainer.forward(validation)


def _measure(trainer: Trainer, split: str) -> Outcome:
    """Raises Diverged where the loss is not finite."""
    examples = trainer.dataset.splits()[split]
    outcome = trainer.forward(examples)
    if not math.isfinite(outcome.loss):
        raise divergence.of_examples(trainer, examples, outcome.loss, f"on the {split} examples after the last epoch")
    return outcome
