"""The end of a training: measurements, weights, results."""

import math
from collections.abc import Container
from typing import Any

from cnnlab.errors import Diverged
from cnnlab.evaluation.evaluate import write_evaluation
from cnnlab.experiment.schema import Experiment
from cnnlab.models import weights
from cnnlab.models.inference import Outcome
from cnnlab.runs import Run, files
from cnnlab.runs.folder import now
from cnnlab.training import coach, divergence
from cnnlab.training.fit import History
from cnnlab.training.trainer import Trainer


def finish(trainer: Trainer, run: Run, history: History, seconds: float) -> dict[str, Any] | None:
    """Measure a trained network and write all that a finished run has.

    Returns the evaluation on the test set, None where `train.test` is `never`. Raises Diverged where a loss is not
    finite.
    """
    split = evaluated_split(trainer.experiment, trainer.dataset.splits())
    outcome = _measure(trainer, split) if split else None
    files.write(run.weights, lambda path: weights.save(trainer.model, path))
    files.write(run.model, trainer.model.save)
    results = history.results
    is_test = split == "test" and outcome is not None
    if outcome and is_test:
        run.record_test_use("train")
        results |= {"test_loss": outcome.loss, "test_accuracy": outcome.accuracy}
    evaluation = write_evaluation(run, split, outcome, trainer.dataset) if split and outcome else None
    held_out = _held_out(trainer, split, outcome)
    diagnosis = coach.diagnose(trainer, history.table, results, held_out, str(run.config))
    run.update(
        {
            "status": "finished",
            "finished": now(),
            "seconds": round(seconds, 3),
            "stopped_early": len(history.rows) < trainer.experiment.train.epochs,
            "results": results,
            "findings": [str(diagnosis)] if diagnosis else [],
        }
    )
    return evaluation if is_test else None


def evaluated_split(experiment: Experiment, splits: Container[str]) -> str | None:
    """The split whose predictions a finished run has: not the test set where `train.test` is `never`."""
    if experiment.train.test == "end":
        return "test"
    return "validation" if "validation" in splits else None


def _held_out(trainer: Trainer, split: str | None, outcome: Outcome | None) -> Outcome | None:
    """What the network is judged by: the validation examples, else the test set where that was measured."""
    validation = trainer.dataset.validation
    if validation is None or validation is trainer.dataset.test or split == "validation":
        return outcome
    return trainer.forward(validation)


def _measure(trainer: Trainer, split: str) -> Outcome:
    examples = trainer.dataset.splits()[split]
    outcome = trainer.forward(examples)
    if math.isfinite(outcome.loss):
        return outcome
    error: Diverged = divergence.on_examples(
        trainer, examples, outcome.loss, f"on the {split} examples after the last epoch"
    )
    raise error
