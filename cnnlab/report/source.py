"""What a report reads of a run: the record, the experiment, the table of epochs, measurements and predictions, data."""

import contextlib
import csv
import json
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from cnnlab import data
from cnnlab.config.load import load_complete
from cnnlab.data import Dataset, fingerprint
from cnnlab.errors import CnnlabError
from cnnlab.experiment.callbacks import UserCallback
from cnnlab.experiment.schema import Experiment
from cnnlab.runs import Run, files
from cnnlab.runs.metrics import read_rows
from cnnlab.runs.record import RunRecord
from cnnlab.runs.status import status_of

MAX_BYTES = 1 << 28  # of a file of measurements or predictions


@dataclass(frozen=True)
class Source:
    """A run that a report is about. What is missing or damaged is None or empty, for sections to say so."""

    record: RunRecord
    label: str = ""
    """What it is called, instead of the name of its folder."""

    @property
    def run(self) -> Run:
        """The run folder."""
        return self.record.run

    @property
    def name(self) -> str:
        """The name of the run folder, unless it has a label."""
        return self.label or self.run.path.resolve().name

    @cached_property
    def status(self) -> str:
        """As `cnnlab runs list` prints it."""
        return status_of(self.record)

    @cached_property
    def experiment(self) -> Experiment | None:
        """The experiment in config.yaml; None where that is missing or damaged."""
        try:
            return load_complete(self.run.config)
        except (CnnlabError, OSError):
            return None

    @cached_property
    def config(self) -> str:
        """The text of config.yaml."""
        with contextlib.suppress(OSError, ValueError):
            return files.read(self.run.config, MAX_BYTES).decode()
        return ""

    @cached_property
    def config_fault(self) -> str:
        """Why config.yaml cannot be trained, `is missing`; empty where it can."""
        if not self.run.config.exists():
            return "is missing"
        if self.experiment is not None:
            return ""
        try:
            text = files.read(self.run.config, MAX_BYTES).decode()
        except (OSError, ValueError):
            return "cannot be read"
        return "is no valid experiment" if text.strip() else "is empty"

    @property
    def imports_code(self) -> bool:
        """Whether the experiment names a user callback."""
        callbacks = self.experiment.train.callbacks if self.experiment else ()
        return any(isinstance(callback, UserCallback) for callback in callbacks)

    @property
    def missing(self) -> list[str]:
        """What a finished run has and this one has not: files that `verify` and `evaluate` need."""
        needed = [self.run.weights, self.run.metrics]
        needed += [self.run.predictions("test")] if "test_accuracy" in self.record.results else []
        return [str(path.relative_to(self.run.path)) for path in needed if not path.is_file()]

    @cached_property
    def epochs(self) -> dict[str, list[float]]:
        """The columns of metrics.csv; NaN for an empty cell, and for what is no number."""
        try:
            rows = read_rows(self.run.metrics)
        except (OSError, ValueError):
            return {}
        return {column: [_float(row[column]) for row in rows] for column in rows[0]} if rows else {}

    def measured(self, split: str) -> dict[str, Any] | None:
        """What `evaluate` measured on a split; None where it did not, or the file is damaged."""
        with contextlib.suppress(OSError, ValueError, RecursionError, AttributeError, KeyError, TypeError):
            found = json.loads(files.read(self.run.path / "evaluation" / f"{split}.json", MAX_BYTES))
            if _is_evaluation(found, len(self.record.data.class_names)):
                return dict(found)
        return None

    def predictions(self, split: str) -> list[tuple[int, int, int, float]]:
        """Example, label, prediction and score of every example of a split; empty where they were not saved."""
        try:
            text = files.read(self.run.predictions(split), MAX_BYTES).decode()
            rows = [
                (int(row["example"]), int(row["label"]), int(row["prediction"]), float(row["score"]))
                for row in csv.DictReader(text.splitlines())
            ]
        except (OSError, ValueError, KeyError, TypeError):
            return []
        examples = self.record.data.splits[split].examples if split in self.record.data.splits else 0
        classes = range(len(self.record.data.class_names))
        is_whole = len(rows) == examples and [row[0] for row in rows] == list(range(examples))
        return rows if is_whole and all(row[1] in classes and row[2] in classes for row in rows) else []

    @cached_property
    def dataset(self) -> Dataset | str:
        """The data that the run was trained on, or why its images are not shown."""
        if self.experiment is None:
            return f"its config.yaml {self.config_fault}"
        try:
            dataset = data.load(self.experiment.data, quiet=True)
        except CnnlabError as error:
            return str(error)
        differences = fingerprint.differences(self.record.data.raw, fingerprint.record(dataset))
        return f"other examples than it was trained on are here: {'; '.join(differences)}" if differences else dataset


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _is_evaluation(found: Any, classes: int) -> bool:
    """Whether it has what a report prints, of so many classes; a run folder may be anyone's."""
    numbers = ("accuracy", "loss", "balanced_accuracy", "macro_f1", "weighted_f1")
    keys = {"class", "precision", "recall", "f1", "examples"}
    matrix = found["confusion_matrix"]
    return (
        all(isinstance(found[key], int | float) for key in numbers)
        and isinstance(found["examples"], int)
        and [*map(type, found["accuracy_interval"])] == [float, float]
        and len(found["classes"]) == len(matrix) == classes
        and all(keys <= row.keys() for row in found["classes"])
        and all(len(row) == classes and all(isinstance(count, int) for count in row) for row in matrix)
    )
