"""Training a run again from its record, and comparing the two."""

import math
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import safetensors.numpy
from rich.console import Console

from cnnlab.analysis.significance import mcnemar
from cnnlab.config.load import to_dict
from cnnlab.errors import CnnlabError, Interrupted, RunError, TrainingError
from cnnlab.runs import Run, files
from cnnlab.runs.experiment import check_finished, check_imports, experiment_of, recorded_experiment
from cnnlab.runs.metrics import read_rows
from cnnlab.terminal import proposed
from cnnlab.training import environment
from cnnlab.training.finish import evaluated_split
from cnnlab.training.fit import AfterEpoch
from cnnlab.training.tasks import NewRun
from cnnlab.training.train import Trainers, train

SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Verdict:
    """The result of `verify`.

    verdict: `identical`: table, weights and predictions are equal bit for bit; `within noise`: they are not, but chance
    explains the difference of the accuracies (McNemar's exact test); `different`: it does not, or there are no
    examples to test on.
    split: the split of predictions and accuracies: the test set or, if that was not measured, the validation examples;
    None without any.
    """

    run: str
    verdict: Literal["identical", "within noise", "different"]
    split: str | None
    first_epoch_that_differs: int | None
    largest_loss_difference: float
    largest_weight_difference: float
    predictions_that_differ: int
    accuracy: float | None
    accuracy_again: float | None
    p_value: float | None
    changed: list[str]

    def as_dict(self) -> dict[str, Any]:
        """For scripts."""
        return asdict(self)


def verify(
    run: Run,
    console: Console | None = None,
    *,
    after_epoch: AfterEpoch = lambda row: False,
    trainers: Trainers | None = None,
) -> Verdict:
    """Train the experiment of `run` again, in a temporary folder, and compare; the other arguments are as of `train`.

    Raises RunError where the run did not finish, its files contradict each other, it imports code, or the data
    are not those that it was trained on.
    """
    record = run.record()
    check_finished(record)
    experiment = experiment_of(run)
    if to_dict(experiment) != to_dict(recorded_experiment(record)):
        raise RunError(f"{run.path}: config.yaml is not the experiment that run.json recorded; undo the change")
    check_imports(run, experiment, f"verify imports none; {proposed('train', run.config)} does")
    split = evaluated_split(experiment, record.data.splits)
    then = _read(run, split)
    with tempfile.TemporaryDirectory() as folder:
        try:
            task = NewRun(experiment, "again", repeats=run)
            trained = train([task], Path(folder), console=console, after_epoch=after_epoch, trainers=trainers)
        except Interrupted as error:
            raise type(error)(f"interrupted; {run.path} is unchanged") from None
        except CnnlabError as error:
            raise TrainingError(f"{run.path}: training it again failed: {error}") from error
        again = trained[0].run if trained else run  # only the chief has a run
        now, here = _read(again, split), again.record()
    changed = environment.differences(record.raw, here.raw)
    if not experiment.train.deterministic:
        changed.append("train.deterministic is off")
    return _compared(run, split, then, now, changed)


@dataclass(frozen=True)
class _Numbers:
    rows: list[dict[str, float | None]]
    predictions: list[tuple[str, str]]
    weights: dict[str, Any]
    bytes: bytes


def _read(run: Run, split: str | None) -> _Numbers:
    """Table without seconds, labels and predictions on a split, weights. Raises RunError where the run lacks them."""
    try:
        rows = [
            {key: float(value) if value else None for key, value in row.items() if key != "seconds"}
            for row in read_rows(run.metrics)
        ]
        predictions = [
            (row["label"], row["prediction"]) for row in (read_rows(run.predictions(split)) if split else [])
        ]
        content = files.read(run.weights)
        weights = safetensors.numpy.load(content)
        if not all(row["epoch"] and math.isfinite(row["loss"] or 0.0) for row in rows):
            raise ValueError("the table has epochs without numbers")
        if not all(np.isfinite(array).all() for array in weights.values()):
            raise ValueError("there are weights that are not finite")
        return _Numbers(rows, predictions, weights, content)
    except (OSError, ValueError, KeyError, TypeError, safetensors.SafetensorError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise RunError(f"{run.path}: its table, weights or predictions cannot be read: {reason}") from None


def _compared(run: Run, split: str | None, then: _Numbers, now: _Numbers, changed: list[str]) -> Verdict:
    kinds = [{name: (a.dtype, a.shape) for name, a in one.weights.items()} for one in (then, now)]
    if len(then.predictions) != len(now.predictions) or kinds[0] != kinds[1]:
        raise RunError(f"{run.path}: its files are not of the network and data in its config.yaml")
    right, right_again = ([label == prediction for label, prediction in one.predictions] for one in (then, now))
    p_value = mcnemar(right, right_again).p if split else None
    differing = [int(a["epoch"] or 0) for a, b in zip(then.rows, now.rows, strict=False) if a != b]
    if len(then.rows) != len(now.rows):
        differing.append(min(len(then.rows), len(now.rows)) + 1)
    wrong = sum(a != b for a, b in zip(then.predictions, now.predictions, strict=True))
    same = then.bytes == now.bytes and not differing and not wrong
    return Verdict(
        run=str(run.path),
        verdict="identical" if same else "within noise" if p_value and p_value >= SIGNIFICANT else "different",
        split=split,
        first_epoch_that_differs=min(differing, default=None),
        largest_loss_difference=max(
            (abs((a["loss"] or 0.0) - (b["loss"] or 0.0)) for a, b in zip(then.rows, now.rows, strict=False)),
            default=0.0,
        ),
        largest_weight_difference=max(
            (float(np.max(np.abs(then.weights[name] - now.weights[name]), initial=0)) for name in then.weights),
            default=0.0,
        ),
        predictions_that_differ=wrong,
        accuracy=float(np.mean(right)) if split else None,
        accuracy_again=float(np.mean(right_again)) if split else None,
        p_value=p_value,
        changed=changed,
    )
