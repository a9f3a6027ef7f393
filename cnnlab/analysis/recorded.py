"""What a run was, read from a folder that may come from anyone: its experiment, and whether its data are here."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from cnnlab.config.load import load_complete, to_data
from cnnlab.config.overrides import Override
from cnnlab.data import Dataset, fingerprint
from cnnlab.errors import RunError, printable
from cnnlab.experiment.callbacks import OwnCallback
from cnnlab.experiment.schema import Experiment
from cnnlab.runs import Run

FREE = ("name", "published")
"""The keys of an experiment that change no number."""


def experiment_of(run: Run, changes: Sequence[Override] = ()) -> Experiment:
    """The experiment in the run's config.yaml, with `changes`. Raises RunError where it has none, or ConfigError."""
    if not run.config.exists():
        raise RunError(f"{run.path}: has no config.yaml: it ended before it began; train it anew")
    return load_complete(run.config, changes)


def recorded_experiment(run: Run, record: Mapping[str, Any]) -> Experiment:
    """The experiment that run.json says was trained. Raises RunError where that is none."""
    try:
        return Experiment.model_validate(record["experiment"])
    except (ValidationError, KeyError, RecursionError):
        raise RunError(f"{run.path}: run.json: damaged: does not say what was trained") from None


def check_imports(run: Run, experiment: Experiment, advice: str) -> None:
    """Raise RunError where the experiment names code to import: a run folder may be anyone's."""
    paths = [callback.path for callback in experiment.train.callbacks if isinstance(callback, OwnCallback)]
    if paths:
        names = printable(", ".join(paths))
        raise RunError(f"{run.path}: its config.yaml has code of its own imported: {names}; {advice}")


def check_same_data(run: Run, record: Mapping[str, Any], dataset: Dataset) -> None:
    """Raise RunError where `dataset` is not what the run was trained on, saying how it differs."""
    try:
        found = fingerprint.differences(record["data"], fingerprint.record(dataset))
    except (KeyError, TypeError, AttributeError, ValueError):
        raise RunError(f"{run.path}: run.json: damaged: does not say what the run was trained on") from None
    if found:
        raise RunError(
            f"{run.path}: was trained on other examples of {dataset.name} than are here: {'; '.join(found)}; "
            "set CNNLAB_DATA_DIR to the data of the run"
        )


def digest(experiment: Experiment) -> str:
    """SHA-256 of all of an experiment that can change a number; the seed too."""
    data = {key: value for key, value in to_data(experiment).items() if key not in FREE}
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
