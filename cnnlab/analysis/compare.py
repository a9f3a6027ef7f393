"""Runs side by side. No TensorFlow here: everything comes from the records."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cnnlab.analysis.differences import differing_keys
from cnnlab.config.hints import did_you_mean
from cnnlab.errors import RequestError, RunError
from cnnlab.runs import Run
from cnnlab.runs.find import find
from cnnlab.runs.status import status_of
from cnnlab.terminal import warn


@dataclass(frozen=True)
class Comparison:
    """A row a run; `settings` are the keys of the experiments that differ, `outcomes` what came out.

    `records` are the runs compared, in the order of their paths, each with what its run.json says.
    """

    records: list[tuple[Run, dict[str, Any]]]
    rows: list[dict[str, Any]]
    settings: list[str]
    outcomes: list[str]

    @property
    def columns(self) -> list[str]:
        """All columns, in the order to read them."""
        return ["run", *self.settings, *self.outcomes]


def compare(paths: Sequence[Path], sort: str | None = None) -> Comparison:
    """Compare the runs at `paths`: run folders, or folders of run folders.

    `accuracy` and `loss` are those on the test set after the last epoch, `seconds` is the whole training's; a value
    that a run does not have is None. Sorted by the column `sort`, best first, or else in the order of the paths.
    A run that cannot be read is left out with a warning; RunError where that leaves none.
    """
    records = []
    for run in find(paths):
        try:
            records.append((run, run.record()))
        except RunError as error:
            warn(f"{error}; left out")
    if not records:
        raise RunError(f"{', '.join(map(str, paths))}: no run here can be read")
    try:
        differing = differing_keys([record.get("experiment", {}) for _, record in records])
    except RecursionError:
        raise RunError("a run's experiment is nested too deeply to be one that cnnlab trained") from None
    if _hides_other_data([record for _, record in records]):
        differing["data.fingerprint"] = [record["data"]["fingerprint"][:8] for _, record in records]
    rows = [
        {"run": str(run.path), **{key: values[index] for key, values in differing.items()}, **_outcome(run, record)}
        for index, (run, record) in enumerate(records)
    ]
    outcomes = ["status", "val_accuracy", "accuracy", "loss", "parameters", "seconds"]
    shown = [column for column in outcomes if _says_something(column, rows)]
    comparison = Comparison(records, rows, list(differing), shown)
    return replace(comparison, rows=_sorted(rows, comparison.columns, sort))


def _hides_other_data(records: Sequence[dict[str, Any]]) -> bool:
    """Whether runs whose experiments name the same data were trained on different examples."""
    seen: dict[str, str] = {}
    for record in records:
        data, fingerprint = repr(record.get("experiment", {}).get("data")), record.get("data", {}).get("fingerprint")
        if not isinstance(fingerprint, str):
            return False
        if seen.setdefault(data, fingerprint) != fingerprint:
            return True
    return False


def _outcome(run: Run, record: dict[str, Any]) -> dict[str, Any]:
    results = record.get("results", {})
    return {
        "status": status_of(run, record),
        "val_accuracy": results.get("val_accuracy"),
        "accuracy": results.get("test_accuracy"),
        "loss": results.get("test_loss"),
        "parameters": record.get("parameters"),
        "seconds": None if record.get("seconds") is None else round(record["seconds"], 1),
    }


def _says_something(column: str, rows: Sequence[dict[str, Any]]) -> bool:
    if column == "status":
        return any(row["status"] != "finished" for row in rows)
    return column != "val_accuracy" or any(row["val_accuracy"] is not None for row in rows)


def _sorted(rows: list[dict[str, Any]], columns: Sequence[str], sort: str | None) -> list[dict[str, Any]]:
    if sort is None:
        return rows
    matches = [column for column in columns if column == sort] or [c for c in columns if c.endswith(f".{sort}")]
    if len(matches) != 1:
        raise RequestError(f"--sort {sort}: no such column; {did_you_mean(sort, columns)}")
    (sort,) = matches
    present = [row for row in rows if row[sort] is not None]
    numbers = all(isinstance(row[sort], int | float) for row in present)
    descending = sort in ("accuracy", "val_accuracy")
    present.sort(key=lambda row: row[sort] if numbers else repr(row[sort]), reverse=descending)
    return present + [row for row in rows if row[sort] is None]
