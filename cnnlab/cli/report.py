"""What `cnnlab train` and `cnnlab resume` print of finished runs."""

import json
import statistics
from collections.abc import Iterable
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cnnlab.runs import Run


class Format(StrEnum):
    """How the result is printed."""

    TABLE = "table"
    JSON = "json"


def report(done: Iterable[tuple["Run", dict[str, Any]]], format: Format) -> None:
    """Print every run and what it measured, for people each as it comes; also where an error ends it."""
    results: list[dict[str, Any]] = []
    try:
        for run, measured in done:
            results.append(_result(run, measured))
            if format is Format.TABLE:
                print(
                    f"test accuracy {measured['accuracy']:.4f}, loss {measured['loss']:.4f} "
                    f"({measured['examples']:,} examples)\nrun: {run.path}",
                    flush=True,
                )
    finally:
        if results:
            _print_results(results, format)


def _result(run: "Run", measured: dict[str, Any]) -> dict[str, Any]:
    record = run.record()
    return {
        "run": str(run.path),
        **{key: measured[key] for key in ("split", "examples", "loss", "accuracy")},
        **{key: record["results"][key] for key in ("val_loss", "val_accuracy")},
        **{key: record[key] for key in ("parameters", "seconds")},
        "train_examples": record["data"]["splits"]["train"]["examples"],
        "seed": record["experiment"]["seed"],
    }


def _print_results(results: list[dict[str, Any]], format: Format) -> None:
    """The result for scripts; for people, who have read each, a table where there are several."""
    from cnnlab.cli import tables

    if format is Format.JSON:
        print(json.dumps(results[0] if len(results) == 1 else results, indent=2))
    elif len(results) > 1:
        varied = [key for key in ("train_examples", "seed") if len({result[key] for result in results}) > 1]
        columns = [*varied, "accuracy", "loss", "val_accuracy", "val_loss", "run"]
        results = sorted(results, key=lambda result: (result["train_examples"], result["seed"]))
        print(f"\n{tables.render(results, columns, tables.Format.TABLE)}")
        if varied == ["seed"]:
            accuracies = [result["accuracy"] for result in results]
            mean, deviation = statistics.mean(accuracies), statistics.stdev(accuracies)
            print(f"test accuracy {mean:.4f} ± {deviation:.4f} (mean and standard deviation of {len(results)} seeds)")
