"""The experiments of a sweep, and the state of their runs."""

from contextlib import suppress

from cnnlab.config.dimensions import Point
from cnnlab.config.space import Space
from cnnlab.errors import RunError
from cnnlab.experiment.schema import Experiment
from cnnlab.runs import Run, lock
from cnnlab.runs.record import RunRecord
from cnnlab.runs.status import is_live


def trial_experiment(space: Space, point: Point) -> Experiment:
    """The experiment of a trial, which leaves the test set alone."""
    return with_test(space.experiment(point), "never", space.base.seed)


def with_test(experiment: Experiment, test: str, seed: int) -> Experiment:
    """The experiment with another seed, measured on the test set at the `end` or `never`."""
    train = experiment.train.model_copy(update={"test": test})
    return experiment.model_copy(update={"train": train, "seed": seed, "published": None})


def is_busy(run: Run) -> bool:
    """Whether a process still works on a run, such as one that saves it since its parent is gone."""
    record = record_of(run)
    return is_live(run, record.process) if record else lock.is_held(run.path, elsewhere=False)


def record_of(run: Run) -> RunRecord | None:
    """What run.json says; None where there is none that can be read."""
    with suppress(RunError):
        return run.record()
    return None
