"""What is to be trained, and what came of it. No TensorFlow here."""

from dataclasses import dataclass
from typing import Any

from cnnlab.experiment.schema import Experiment
from cnnlab.runs import Run
from cnnlab.training.resume.plan import ResumePlan


@dataclass(frozen=True)
class NewRun:
    """An experiment to train into a new run folder: of that name, or else of the experiment's name and a number.

    `repeats` is a run that is trained again, whose data this one must see too.
    """

    experiment: Experiment
    name: str | None = None
    repeats: Run | None = None


Task = NewRun | ResumePlan


@dataclass(frozen=True)
class TrainedRun:
    """A finished run and its evaluation on the test set, None where that was not measured."""

    run: Run
    evaluation: dict[str, Any] | None
