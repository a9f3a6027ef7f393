"""What `cnnlab train` and `cnnlab resume` print of finished runs."""

import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from cnnlab.terminal import hint, proposed

if TYPE_CHECKING:
    from cnnlab.runs.record import RunRecord
    from cnnlab.training.tasks import TrainedRun


class Format(StrEnum):
    """How the result is printed."""

    TABLE = "table"
    JSON = "json"


class Results:
    """Prints runs as they finish and, at the end or after an error, what they come to together.

    For scripts a map, or a list of maps where `several` runs were asked for. Findings go to standard error.
    """

    def __init__(self, format: Format, *, several: bool) -> None:
        self._format, self._several = format, several
        self._results: list[dict[str, Any]] = []
        self.records: list[RunRecord] = []

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def add(self, trained: "TrainedRun") -> None:
        """Print a finished run."""
        record = trained.run.record()
        result = _result(record, trained.evaluation)
        self.records.append(record)
        self._results.append(result)
        if self._format is Format.TABLE:
            print("\n".join([*_measured(record, result, trained.evaluation), f"run: {trained.run.path}"]), flush=True)
            for finding in record.findings:
                hint(f"{trained.run.path}: {finding}")
            if not self._several:
                _print_expected(self.records, self._results)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Print all of them together."""
        if self._format is Format.JSON and (self._several or self._results):
            print(json.dumps(self._results if self._several else self._results[0], indent=2))
        elif self._format is Format.TABLE and len(self._results) > 1:
            _print_table(self.records, self._results)
            experiments = [record.experiment.shared() for record in self.records]
            if all(experiment == experiments[0] for experiment in experiments):
                _print_means(self.records, self._results)
                _print_expected(self.records, self._results)


def _measured(record: "RunRecord", result: Mapping[str, Any], measured: Mapping[str, Any] | None) -> Iterator[str]:
    """What a run came to, on the validation examples first: choices are made by them."""
    from cnnlab.data.balance import is_imbalanced

    if _has_validation(record, result):
        balanced = record.results.get("val_balanced_accuracy")
        yield _line("val", result["val_accuracy"], result["val_loss"], result["val_examples"], balanced)
    if measured is not None:
        is_unequal = is_imbalanced([row["examples"] for row in measured["classes"]])
        balanced = measured["balanced_accuracy"] if is_unequal else None
        fold = record.experiment.fold
        split = f"fold {fold.number} of {fold.of}: test" if fold else "test"
        yield _line(split, result["accuracy"], result["loss"], result["examples"], balanced)
        return
    if result["val_accuracy"] is None:
        yield _line("training", record.result("accuracy"), record.result("loss"), result["train_examples"])
    yield f"the test set was left alone; {proposed('evaluate', Path(result['run']))} measures it"


def _line(split: str, accuracy: float, loss: float, examples: int, balanced: float | None = None) -> str:
    """Accuracy and loss of a split; where its classes are unequal, the balanced accuracy too."""
    unequal = "" if balanced is None else f"balanced accuracy {balanced:.4f}, "
    return f"{split} accuracy {accuracy:.4f}, {unequal}loss {loss:.4f} ({examples:,} examples)"


def _has_validation(record: "RunRecord", result: Mapping[str, Any]) -> bool:
    """Whether there are validation examples, and they are not the test set."""
    return result["val_accuracy"] is not None and not record.experiment.validates_on_test


def _print_means(records: Sequence["RunRecord"], results: Sequence[Mapping[str, Any]]) -> None:
    """Mean and standard deviation over the seeds, and in a cross-validation the interval of the mean."""
    splits = {"val": "val_accuracy"} if _has_validation(records[0], results[0]) else {}
    for split, key in {**splits, "test": "accuracy"}.items():
        accuracies = [result[key] for result in results]
        if None not in accuracies:
            print(_mean_of(records, split, accuracies))


def _mean_of(records: Sequence["RunRecord"], split: str, accuracies: Sequence[float]) -> str:
    fold = records[0].experiment.fold
    mean, std = statistics.mean(accuracies), statistics.stdev(accuracies)
    if fold is None:
        return f"{split} accuracy {mean:.4f} ± {std:.4f} (mean and standard deviation of {len(accuracies)} seeds)"
    from cnnlab.analysis.significance import estimate

    found = estimate(accuracies, (0.0, 1.0), folds=fold.of)
    partitions = len({record.experiment.fold and record.experiment.fold.seed for record in records})
    times = f" in {partitions} partitions" if partitions > 1 else ""
    over = f"mean and standard deviation of {len(accuracies)} folds{times}"
    interval = f"; 95 % interval of the mean {found.low:.4f} to {found.high:.4f}" if split == "test" else ""
    return f"{split} accuracy {mean:.4f} ± {std:.4f} ({over}{interval})"


def _print_expected(records: Sequence["RunRecord"], measured: Sequence[Mapping[str, Any]]) -> None:
    """Whether runs of one experiment came to what it usually comes to, if that and their test accuracy is known."""
    from cnnlab.analysis import results
    from cnnlab.analysis.expected import compare_with_expected
    from cnnlab.experiment.schema import Experiment

    accuracies = [result["accuracy"] for result in measured]
    if None in accuracies:
        return
    experiment = Experiment.model_validate(records[0].experiment.raw)
    usual = results.results_for(experiment, results.data_of(records[0].data))
    if line := compare_with_expected(accuracies, usual, measured[0]["examples"]):
        print(line)


def _result(record: "RunRecord", measured: Mapping[str, Any] | None) -> dict[str, Any]:
    splits = record.data.splits
    return {
        "run": str(record.run.path),
        "split": "test",
        **{key: measured and measured[key] for key in ("examples", "loss", "accuracy", "balanced_accuracy")},
        **{key: record.results[key] for key in ("val_loss", "val_accuracy")},
        "val_examples": splits["validation"].examples if "validation" in splits else None,
        "parameters": record.parameters,
        "seconds": record.seconds,
        "train_examples": splits["train"].examples,
        "seed": record.experiment.seed,
        "partition": record.experiment.fold and record.experiment.fold.seed,
        "fold": record.experiment.fold and record.experiment.fold.number,
        "findings": record.findings,
    }


def _print_table(records: Sequence["RunRecord"], results: Sequence[Mapping[str, Any]]) -> None:
    from cnnlab.cli import tables

    sizes = {str(record.experiment.data.get("train_sizes")) for record in records}
    keys = ["partition", "fold"] if records[0].experiment.fold else ["seed"]
    keys = ["train_examples", *keys] if len(sizes) > 1 else keys  # the folds of one size differ by an example
    varied = [key for key in keys if len({result[key] for result in results}) > 1]
    measured = [
        key
        for key in ("val_accuracy", "val_loss", "accuracy", "loss")
        if any(result[key] is not None for result in results)
    ]
    rows = sorted(results, key=lambda result: tuple(result[key] for key in varied))
    print(f"\n{tables.render(rows, [*varied, *measured, 'run'], tables.Format.TABLE)}")
