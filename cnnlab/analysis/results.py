"""The shipped results of the shipped experiments.

`runs.csv` has one row per run, `epochs.csv` one per epoch of those that measure the test set after each. New runs are
compared with them, without training anything.
"""

import csv
import hashlib
import io
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from cnnlab.analysis.groups import Group
from cnnlab.config import shipped
from cnnlab.config.load import to_dict
from cnnlab.config.schema_lookup import strip_defaults
from cnnlab.errors import RequestError, RunError
from cnnlab.experiment.schema import Experiment
from cnnlab.runs.metrics import write_rows
from cnnlab.runs.record import COSMETIC_KEYS, IGNORED_TRAIN_KEYS, DataRecord, RunRecord, without_place

RUNS, EPOCHS = "runs.csv", "epochs.csv"
SHORT = 16  # characters of a SHA-256: enough for some dozens of experiments


@dataclass(frozen=True)
class Result:
    """One finished run; accuracy and loss are on the test set, `recipe` and `data` as `recipe_of` and `data_of` say."""

    experiment: str
    recipe: str
    data: str
    seed: int
    epochs: int
    accuracy: float
    loss: float
    train_loss: float
    val_accuracy: float | None
    parameters: int
    test_examples: int
    seconds: float
    tensorflow: str
    cpu: str
    cores: int | None


@dataclass(frozen=True)
class Epoch:
    """One epoch of a run, from 1; on the test set."""

    experiment: str
    seed: int
    epoch: int
    accuracy: float
    loss: float


TABLES = {RUNS: Result, EPOCHS: Epoch}


def folder() -> Path:
    """Where the tables are, beside the shipped experiments."""
    return shipped.folder() / "results"


def recipe_of(experiment: Experiment) -> str:
    """Identifies everything of an experiment that can change a number, except the seed.

    By the keys that are not at their defaults, so that a key that is new to the language changes nothing.
    """
    plain = without_place(to_dict(experiment))
    data = {key: value for key, value in plain.items() if key not in (*COSMETIC_KEYS, "seed")}
    train = data["train"]
    if isinstance(train, dict):
        relevant = {key: value for key, value in train.items() if key not in IGNORED_TRAIN_KEYS}
        relevant["callbacks"] = [callback for callback in relevant["callbacks"] if "tensorboard" not in callback]
        data["train"] = relevant
    text = json.dumps(strip_defaults((), data), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:SHORT]


def data_of(data: DataRecord) -> str:
    """Identifies the examples that a run was trained on."""
    return data.fingerprint[:SHORT]


@cache
def results() -> tuple[Result, ...]:
    """Of every shipped experiment that was trained."""
    return tuple(Result(**row) for row in _read(folder() / RUNS, Result))


def epochs(experiment: str) -> list[Epoch]:
    """Of a shipped experiment, as far as they were measured on the test set."""
    return [Epoch(**row) for row in _read(folder() / EPOCHS, Epoch) if row["experiment"] == experiment]


def results_for(experiment: Experiment, data: str | None = None) -> list[Result]:
    """The results of what differs from `experiment` in its seed alone, on these data if they are known."""
    recipe = recipe_of(experiment)
    return [result for result in results() if result.recipe == recipe and data in (None, result.data)]


def summarize(name: str, experiment: Experiment, group: Group) -> tuple[list[Result], list[Epoch]]:
    """The rows of a shipped experiment's finished runs. Raises RunError for a run.json that lacks some of it."""
    rows = sorted((_result(name, experiment, record) for record in group.members), key=lambda row: row.seed)
    if experiment.data.validation != "test":
        return rows, []
    epochs = [
        Epoch(name, seed, int(epoch), accuracy, loss)
        for seed, table in zip(group.seeds, group.tables, strict=True)
        for epoch, accuracy, loss in zip(
            table.get("epoch", []), table.get("val_accuracy", []), table.get("val_loss", []), strict=False
        )
    ]
    return rows, sorted(epochs, key=lambda row: (row.seed, row.epoch))


def check_writable(target: Path) -> None:
    """Create the folder `target` if it does not exist.

    Raises RequestError if it cannot be written, or contains other files of the names of the tables.
    """
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RequestError(f"--save {target}: cannot be made: {error.strerror}") from None
    if not os.access(target, os.W_OK | os.X_OK):
        raise RequestError(f"--save {target}: no permission to write there")
    for name, kind in TABLES.items():
        list(_read(target / name, kind))


def write(target: Path, rows: Sequence[Result], epochs: Sequence[Epoch]) -> None:
    """Put these runs into the tables in the folder `target`.

    They take the place of the same seeds, and of all runs of these experiments with another recipe or on other data.
    """
    check_writable(target)
    now = {(row.experiment, row.seed) for row in rows}
    like = {row.experiment: (row.recipe, row.data) for row in rows}
    others = [
        row
        for row in (Result(**row) for row in _read(target / RUNS, Result))
        if like.get(row.experiment, (row.recipe, row.data)) == (row.recipe, row.data)
        and (row.experiment, row.seed) not in now
    ]
    stay = {(row.experiment, row.seed) for row in others}
    earlier = [Epoch(**row) for row in _read(target / EPOCHS, Epoch)]
    earlier = [row for row in earlier if (row.experiment, row.seed) in stay]
    _write(target / RUNS, Result, [*others, *rows])
    _write(target / EPOCHS, Epoch, [*earlier, *epochs])
    results.cache_clear()


def _write(path: Path, kind: type, rows: Sequence[Any]) -> None:
    ordered = sorted(rows, key=lambda row: (row.experiment, row.seed))
    write_rows(path, [asdict(row) for row in ordered], [field.name for field in fields(kind)])


def _result(name: str, experiment: Experiment, record: RunRecord) -> Result:
    test = record.data.splits.get("test")
    if record.parameters is None or record.seconds is None or test is None:
        raise RunError(f"{record.run.path}: run.json: 'parameters', 'seconds' or 'data.splits.test' is missing")
    return Result(
        experiment=name,
        recipe=recipe_of(experiment),
        data=data_of(record.data),
        seed=record.experiment.seed,
        epochs=experiment.train.epochs,
        accuracy=record.result("test_accuracy"),
        loss=_rounded(record.result("test_loss")),
        train_loss=_rounded(record.result("loss")),
        val_accuracy=record.results.get("val_accuracy"),
        parameters=record.parameters,
        test_examples=test.examples,
        seconds=round(record.seconds, 1),
        tensorflow=record.environment.tensorflow,
        cpu=record.environment.cpu,
        cores=record.environment.cores,
    )


def _rounded(value: float) -> float:
    return float(f"{value:.5g}")


def _read(path: Path, kind: type) -> Iterable[dict[str, Any]]:
    """The rows of a table; none if the file does not exist. Raises RequestError for another kind of file."""
    if not path.exists():
        return
    kinds = {field.name: field.type for field in fields(kind)}
    try:
        table = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")), strict=True)
        if (found := list(table.fieldnames or [])) != list(kinds):
            raise ValueError(f"its columns are {', '.join(found)}")
        for row in table:
            yield {key: _parsed(value, kinds[key]) for key, value in row.items()}
    except (OSError, ValueError, TypeError, AttributeError, csv.Error) as error:
        raise RequestError(
            f"{path}: not a table of results with the columns {', '.join(kinds)}: {error}; move it away"
        ) from None


def _parsed(text: str, kind: Any) -> Any:
    if kind is str:
        return text
    if text == "":
        return None
    return float(text) if kind in (float, float | None) else int(text)
