"""What `cnnlab train` and `cnnlab resume` print of finished runs."""

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from cnnlab.terminal import hint

if TYPE_CHECKING:
    from cnnlab.runs import Run


class Format(StrEnum):
    """How the result is printed."""

    TABLE = "table"
    JSON = "json"


def report(done: Iterable[tuple["Run", dict[str, Any]]], format: Format, *, several: bool) -> None:
    """Print every run and what it measured, for people each as it comes; also where an error ends it.

    What was found to be wrong with it goes to standard error.

    For scripts a map, or a list of maps where `several` runs were asked for.
    """
    from cnnlab.data.balance import is_imbalanced

    results: list[dict[str, Any]] = []
    experiments: list[Any] = []
    records: list[dict[str, Any]] = []
    try:
        for run, measured in done:
            record = run.record()
            experiments.append({**record["experiment"], "name": None, "seed": None})
            records.append(record)
            results.append(_result(run, record, measured))
            if format is Format.TABLE:
                balanced = ""
                if is_imbalanced([row["examples"] for row in measured["classes"]]):
                    balanced = f"balanced accuracy {measured['balanced_accuracy']:.4f}, "
                print(
                    f"test accuracy {measured['accuracy']:.4f}, {balanced}loss {measured['loss']:.4f} "
                    f"({measured['examples']:,} examples)\nrun: {run.path}",
                    flush=True,
                )
                for finding in record.get("findings", []):
                    hint(f"{run.path}: {finding}")
                if not several:
                    _print_expected([record], [measured["accuracy"]], measured["examples"])
    finally:
        if format is Format.JSON and (several or results):
            print(json.dumps(results if several else results[0], indent=2))
        elif format is Format.TABLE and len(results) > 1:
            _print_table(results)
            if all(experiment == experiments[0] for experiment in experiments):
                accuracies = [result["accuracy"] for result in results]
                mean, deviation = statistics.mean(accuracies), statistics.stdev(accuracies)
                print(
                    f"test accuracy {mean:.4f} ± {deviation:.4f} (mean and standard deviation of {len(results)} seeds)"
                )
                _print_expected(records, accuracies, results[0]["examples"])


def _print_expected(records: Sequence[Mapping[str, Any]], accuracies: Sequence[float], examples: int) -> None:
    """Whether runs of one experiment came to what it usually comes to, if that is known."""
    from cnnlab.analysis import results
    from cnnlab.analysis.expected import verdict
    from cnnlab.experiment.schema import Experiment

    experiment = Experiment.model_validate(records[0]["experiment"])
    if line := verdict(accuracies, results.of(experiment, results.data_of(records[0])), examples):
        print(line)


def _result(run: "Run", record: Mapping[str, Any], measured: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "run": str(run.path),
        **{key: measured[key] for key in ("split", "examples", "loss", "accuracy", "balanced_accuracy")},
        **{key: record["results"][key] for key in ("val_loss", "val_accuracy")},
        **{key: record[key] for key in ("parameters", "seconds")},
        "train_examples": record["data"]["splits"]["train"]["examples"],
        "seed": record["experiment"]["seed"],
        "findings": record.get("findings", []),
    }


def _print_table(results: Sequence[Mapping[str, Any]]) -> None:
    from cnnlab.cli import tables

    varied = [key for key in ("train_examples", "seed") if len({result[key] for result in results}) > 1]
    columns = [*varied, "accuracy", "loss", "val_accuracy", "val_loss", "run"]
    rows = sorted(results, key=lambda result: (result["train_examples"], result["seed"]))
    print(f"\n{tables.render(rows, columns, tables.Format.TABLE)}")
