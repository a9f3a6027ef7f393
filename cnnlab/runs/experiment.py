"""The experiment of a run, read from a folder that is not trusted."""

import hashlib
import json
from collections.abc import Sequence

from pydantic import ValidationError

from cnnlab.config.load import load_complete, to_dict
from cnnlab.config.overrides import Override
from cnnlab.errors import RunError, printable
from cnnlab.experiment.callbacks import UserCallback
from cnnlab.experiment.network import LayerError
from cnnlab.experiment.schema import Experiment
from cnnlab.experiment.summary import summarize_experiment
from cnnlab.paths import show_path
from cnnlab.runs import Run
from cnnlab.runs.record import COSMETIC_KEYS, RECORD, RunRecord, without_place
from cnnlab.runs.status import RESUMABLE, status_of
from cnnlab.terminal import proposed

BYTES = 4  # of a float32 weight
HEADERS = 1 << 24  # bytes, more than the header of a file of weights or the table in a checkpoint usually has


def experiment_of(run: Run, changes: Sequence[Override] = ()) -> Experiment:
    """The experiment in the run's config.yaml, with `changes`. Raises RunError where it has none, or ConfigError."""
    if not run.config.exists():
        raise RunError(f"{run.path}: its config.yaml is missing; restore it, or train a new run")
    return load_complete(run.config, changes)


def recorded_experiment(record: RunRecord) -> Experiment:
    """The experiment that run.json says was trained. Raises RunError if it is not valid."""
    try:
        return Experiment.model_validate(record.experiment.raw)
    except (ValidationError, RecursionError):
        raise RunError(f"{record.run.path / RECORD}: damaged: 'experiment' is not a valid experiment") from None


def check_imports(run: Run, experiment: Experiment, advice: str) -> None:
    """Raise RunError where the experiment names code to import: a run folder may be anyone's."""
    paths = [callback.path for callback in experiment.train.callbacks if isinstance(callback, UserCallback)]
    if paths:
        names = printable(", ".join(paths))
        raise RunError(f"{run.path}: its config.yaml imports code: {names}; {advice}")


def check_finished(record: RunRecord) -> None:
    """Raise RunError if the run is not finished; a run that is being extended still has its earlier weights."""
    run, status = record.run, status_of(record)
    if status != "finished":
        advice = f"; {proposed('resume', run.path)} continues it" if status in RESUMABLE else ""
        raise RunError(
            f"{run.path}: has no final weights: its status is '{status}'; only a finished run has them{advice}"
        )
    missing = [path.name for path in (run.config, run.weights) if not path.exists()]
    if missing:
        raise RunError(f"{run.path}: {' and '.join(missing)} missing, though the run finished; train it again")


def parameters_of(run: Run, experiment: Experiment) -> int:
    """The number of parameters of its network. Raises RunError if its layers do not fit."""
    try:
        return summarize_experiment(experiment).cost.parameters
    except LayerError as error:
        raise RunError(f"{run.config}: {show_path(error.path)}: {error}") from None


def digest(experiment: Experiment) -> str:
    """SHA-256 of all of an experiment that can change a number; the seed too."""
    data = {key: value for key, value in without_place(to_dict(experiment)).items() if key not in COSMETIC_KEYS}
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
