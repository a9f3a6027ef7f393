"""What is to be trained. No TensorFlow here."""

from dataclasses import dataclass

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
