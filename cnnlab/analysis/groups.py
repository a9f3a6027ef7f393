"""Finished runs that differ in nothing but their seeds: what a mean and a standard deviation can be taken of."""

import csv
import io
import json
import math
import statistics
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnlab.runs import Run, files
from cnnlab.runs.recorded import COSMETIC_KEYS
from cnnlab.runs.status import MAX_TABLE

Recorded = tuple[Run, dict[str, Any]]
"""A run with what its run.json says."""


@dataclass(frozen=True)
class Metric:
    """What groups are compared by: a number of run.json's `results`."""

    key: str
    split: str
    is_accuracy: bool

    @property
    def higher_is_better(self) -> bool:
        """Else lower is."""
        return self.is_accuracy

    @property
    def bounds(self) -> tuple[float, float]:
        """What values can be."""
        return (0.0, 1.0) if self.is_accuracy else (0.0, math.inf)


METRICS = {
    "test_accuracy": Metric("test_accuracy", "test", is_accuracy=True),
    "test_loss": Metric("test_loss", "test", is_accuracy=False),
    "val_accuracy": Metric("val_accuracy", "validation", is_accuracy=True),
    "val_loss": Metric("val_loss", "validation", is_accuracy=False),
    "train_accuracy": Metric("accuracy", "train", is_accuracy=True),
    "train_loss": Metric("loss", "train", is_accuracy=False),
}
SHORT_METRICS = {"accuracy": "test_accuracy", "loss": "test_loss"}
"""Other names of metrics."""


@dataclass(frozen=True)
class Group:
    """Runs of one experiment on the same examples, a run a seed."""

    name: str
    members: list[Recorded]

    @property
    def experiment(self) -> dict[str, Any]:
        """What is the same in all runs, and the first one's seed."""
        experiment: dict[str, Any] = self.members[0][1].get("experiment", {})
        return experiment

    @property
    def record(self) -> dict[str, Any]:
        """What the first run's run.json says."""
        return self.members[0][1]

    @property
    def loss(self) -> Any:
        """The loss function, as its settings are."""
        train = self.experiment.get("train")
        return train.get("loss") if isinstance(train, dict) else None

    @property
    def seeds(self) -> list[Any]:
        """Of every run."""
        return [_seed(record) for _, record in self.members]

    @property
    def runs(self) -> list[str]:
        """The path of every run."""
        return [str(run.path) for run, _ in self.members]

    def values(self, metric: Metric) -> list[float]:
        """One a run; empty where not every run has it."""
        found = [record.get("results", {}).get(metric.key) for _, record in self.members]
        return [] if None in found else found

    def examples(self, split: str) -> tuple[int, str] | None:
        """How many there are in a split, and what tells them from others; None where run.json does not say."""
        split_ = self.record.get("data", {}).get("splits")
        said = split_.get(split) if isinstance(split_, dict) else None
        if not isinstance(said, dict) or not isinstance(said.get("examples"), int):
            return None
        return said["examples"], f"{said.get('pictures')} {said.get('labels')}"

    @cached_property
    def tables(self) -> list[dict[str, list[float]]]:
        """Each run's table of epochs, by column; empty where it has none that can be read."""
        return [table_of(run) for run, _ in self.members]

    @property
    def validates_on_test(self) -> bool:
        """Whether its validation examples are the test set."""
        data = self.experiment.get("data")
        return isinstance(data, dict) and data.get("validation") == "test"

    @property
    def best_epoch(self) -> float | None:
        """The epoch with the highest validation accuracy, from 1; the mean over the runs."""
        epochs = [
            table["epoch"][accuracies.index(max(accuracies))]
            for table in self.tables
            if (accuracies := table.get("val_accuracy"))
        ]
        return statistics.mean(epochs) if epochs else None

    @property
    def seconds_per_epoch(self) -> float | None:
        """Of the training pass: the median of all epochs."""
        seconds = [value for table in self.tables for value in table.get("seconds", [])]
        return statistics.median(seconds) if seconds else None


@dataclass
class Grouped:
    """Groups in the order of their first runs; the runs that are in none, each with the reason."""

    groups: list[Group]
    left_out: list[tuple[Run, str]] = field(default_factory=list)


def group(recorded: Iterable[Recorded]) -> Grouped:
    """Finished runs by experiment and examples; of runs with the same seed the one that was finished last."""
    found = Grouped([])
    by_key: dict[str, list[Recorded]] = {}
    for run, record in ((run, _completed(record)) for run, record in recorded):
        if record["status"] != "finished":
            found.left_out.append((run, record["status"]))
            continue
        if why := _damage(record):
            found.left_out.append((run, why))
            continue
        by_key.setdefault(_key(record), []).append((run, record))
    kept = []
    for members in by_key.values():
        by_seed: dict[str, Recorded] = {}
        for run, record in members:
            seed = json.dumps(_seed(record))
            if seed in by_seed:
                older, newer = sorted([by_seed[seed], (run, record)], key=lambda one: str(one[1].get("finished", "")))
                found.left_out.append((older[0], f"{newer[0].path} is the same experiment with the same seed"))
                by_seed[seed] = newer
            else:
                by_seed[seed] = run, record
        kept.append(list(by_seed.values()))
    found.groups = [Group(name, members) for name, members in zip(_names(kept), kept, strict=True)]
    return found


def _damage(record: dict[str, Any]) -> str:
    """What of a run's results no training can have come to; empty where all is well."""
    found = record.get("results")
    results = found if isinstance(found, dict) else {}
    for metric in METRICS.values():
        value, (low, high) = results.get(metric.key), metric.bounds
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if value is not None and not (is_number and low <= value <= min(high, sys.float_info.max)):
            return f"damaged: its {metric.key} is {str(value)[:20]}"
    return ""


def correct(run: Run, split: str, examples: int) -> NDArray[np.bool_] | None:
    """Which of the run's saved predictions on a split are right, (examples,); None where there are none that fit."""
    try:
        packed = files.read(run.correct(split), examples // 8 + 1)
    except (OSError, ValueError):
        return None
    if len(packed) != -(-examples // 8):
        return None
    return np.unpackbits(np.frombuffer(packed, np.uint8), count=examples).astype(bool)


def _seed(record: dict[str, Any]) -> Any:
    return record.get("experiment", {}).get("seed")


def _completed(record: dict[str, Any]) -> dict[str, Any]:
    """The record with the keys of `train` that the language has learned since the run, at their defaults."""
    experiment = record.get("experiment", {})
    if not isinstance(train := experiment.get("train"), dict):
        return record
    return {**record, "experiment": {**experiment, "train": {**_train_defaults(), **train}}}


@cache
def _train_defaults() -> dict[str, Any]:
    from cnnlab.experiment.choice import plain  # the schema: a tenth of a second
    from cnnlab.experiment.schema import Train

    found: dict[str, Any] = plain(Train())
    return found


def _key(record: dict[str, Any]) -> str:
    experiment = {
        key: value for key, value in record.get("experiment", {}).items() if key not in (*COSMETIC_KEYS, "seed")
    }
    return json.dumps([experiment, record.get("data", {}).get("fingerprint")], sort_keys=True)


def _names(groups: Sequence[Sequence[Recorded]]) -> list[str]:
    """What tells a group from the others: its experiment's name, else its first run's, else where that is."""
    firsts = [members[0] for members in groups]
    names = [(str(record.get("experiment", {}).get("name")), run.path.name, str(run.path)) for run, record in firsts]
    counts = [Counter(column) for column in zip(*names, strict=True)]
    return [
        next(name for name, count in zip(own, counts, strict=True) if count[name] == 1 or name == own[-1])
        for own in names
    ]


def table_of(run: Run) -> dict[str, list[float]]:
    """A run's table of epochs by column, those that are numbers throughout; nothing where it has no such table."""
    try:
        heading, *rows = csv.reader(io.StringIO(files.read(run.metrics, MAX_TABLE).decode()))
        columns = zip(heading, zip(*rows, strict=True), strict=True)
        table = {name: _numbers(values) for name, values in columns}
    except (OSError, ValueError, csv.Error):
        return {}
    return {name: values for name, values in table.items() if values} if table.get("epoch") else {}


def _numbers(cells: Sequence[str]) -> list[float]:
    """Empty where one is none."""
    try:
        numbers = [float(cell) for cell in cells]
    except ValueError:
        return []
    return numbers if all(map(math.isfinite, numbers)) else []
