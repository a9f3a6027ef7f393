"""Groups of finished runs that differ only in their seeds or folds, over which a mean and a deviation are taken."""

import json
import math
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cnnlab.runs import Run, files
from cnnlab.runs.metrics import read_numbers
from cnnlab.runs.record import ExperimentRecord, RunRecord, SplitRecord


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
    """Runs of one experiment on the same examples, one per seed, or one per seed and fold of a cross-validation."""

    name: str
    members: Sequence[RunRecord]

    @property
    def record(self) -> RunRecord:
        """The record of the first run."""
        return self.members[0]

    @property
    def experiment(self) -> ExperimentRecord:
        """What is the same in all runs, and the first one's seed."""
        return self.record.experiment

    @property
    def seeds(self) -> list[int]:
        """Of every run."""
        return [record.experiment.seed for record in self.members]

    @property
    def replicates(self) -> list[tuple[int, ...]]:
        """Of every run: its seed or, in a cross-validation, its seed, that of the partition, and the fold."""
        return [record.experiment.replicate for record in self.members]

    @property
    def folds(self) -> int | None:
        """The number of folds of the cross-validation; None where it is none."""
        return None if self.experiment.fold is None else self.experiment.fold.of

    @property
    def runs(self) -> list[str]:
        """The path of every run."""
        return [str(record.run.path) for record in self.members]

    def values(self, metric: Metric) -> list[float]:
        """One per run; empty where not every run has it."""
        found = [record.results.get(metric.key) for record in self.members]
        return [value for value in found if value is not None] if None not in found else []

    def split(self, name: str) -> SplitRecord | None:
        """The examples of a split; None if the run has no such split."""
        return self.record.data.splits.get(name)

    def examples(self, name: str) -> SplitRecord | frozenset[tuple[tuple[int, ...], SplitRecord | None]] | None:
        """Equal where the runs of two groups have the same examples in a split; None if the run has no such split."""
        if not self.folds or self.split(name) is None:
            return self.split(name)
        return frozenset((one.experiment.replicate, one.data.splits.get(name)) for one in self.members)

    @cached_property
    def tables(self) -> list[dict[str, list[float]]]:
        """Each run's table of epochs, by column; empty where it has none that can be read."""
        return [read_numbers(record.run.metrics) for record in self.members]

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
    skipped: list[tuple[Run, str]] = field(default_factory=list)


def group(records: Iterable[RunRecord], by: Callable[[RunRecord], str] | None = None) -> Grouped:
    """Finished runs by experiment and examples; of runs with the same seed and fold the one that was finished last.

    `by` gives another key for what one group has in common.
    """
    key = by or _key
    found = Grouped([])
    by_key: dict[str, dict[tuple[int, ...], RunRecord]] = {}
    for record in records:
        if record.status != "finished":
            found.skipped.append((record.run, record.status))
            continue
        replicates, replicate = by_key.setdefault(key(record), {}), record.experiment.replicate
        if replicate in replicates:
            older, record = sorted([replicates[replicate], record], key=lambda one: one.finished or "")
            fold = " and fold" if record.experiment.fold else ""
            found.skipped.append((older.run, f"{record.run.path} is the same experiment with the same seed{fold}"))
        replicates[replicate] = record
    members = [list(replicates.values()) for replicates in by_key.values()]
    found.groups = [Group(name, records) for name, records in zip(_names(members), members, strict=True)]
    return found


def read_correct(run: Run, split: str, examples: int) -> NDArray[np.bool_] | None:
    """Which of the run's saved predictions on a split are correct, (examples,); None if none were saved for them."""
    try:
        packed = files.read(run.correct(split), examples // 8 + 1)
    except (OSError, ValueError):
        return None
    if len(packed) != -(-examples // 8):
        return None
    return np.unpackbits(np.frombuffer(packed, np.uint8), count=examples).astype(bool)


def _key(record: RunRecord) -> str:
    return json.dumps([record.experiment.shared(), record.data.identity], sort_keys=True)


def _names(groups: Sequence[Sequence[RunRecord]]) -> list[str]:
    """What distinguishes a group from the others: its experiment's name, else its first run's, else that run's path."""
    firsts = [members[0] for members in groups]
    names = [(record.experiment.name, record.run.path.name, str(record.run.path)) for record in firsts]
    counts = [Counter(column) for column in zip(*names, strict=True)]
    return [
        next(name for name, count in zip(choices, counts, strict=True) if count[name] == 1 or name == choices[-1])
        for choices in names
    ]
