"""The run folder: what a training leaves behind, for people and for every later command.

runs/lenet-1/
  config.yaml                      the complete experiment, trainable as it is
  run.json                         status, versions, devices, data fingerprint, timings, results
  metrics.csv                      one row an epoch, from 1
  weights.safetensors              the final weights, read by cnnlab
  checkpoints/last.safetensors     all that resuming needs, as of the last whole epoch
  model.keras                      the same network for other tools; never read by cnnlab
  evaluation/test.json             what `cnnlab evaluate` measured
  evaluation/test-predictions.csv  and each example's prediction
"""

import csv
import io
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import UnionType
from typing import Any

from cnnlab.errors import RequestError, RunError
from cnnlab.experiment.schema import FOLDER_NAME
from cnnlab.runs import files

RECORD = "run.json"
RECORD_TYPES: dict[str, type | UnionType] = {
    "status": str,
    "experiment": dict,
    "parameters": int,
    "data": dict,
    "test_uses": list,
    "seconds": int | float,
    "results": dict,
}


@dataclass(frozen=True)
class Run:
    """A run folder."""

    path: Path

    @property
    def config(self) -> Path:
        """The complete experiment, YAML."""
        return self.path / "config.yaml"

    @property
    def weights(self) -> Path:
        """The final weights, safetensors."""
        return self.path / "weights.safetensors"

    @property
    def model(self) -> Path:
        """The network and its weights in Keras's format, for other tools."""
        return self.path / "model.keras"

    @property
    def checkpoint(self) -> Path:
        """What the run needs to go on after its last whole epoch, safetensors."""
        return self.path / "checkpoints" / "last.safetensors"

    @property
    def metrics(self) -> Path:
        """The table of epochs, CSV."""
        return self.path / "metrics.csv"

    def record(self) -> dict[str, Any]:
        """What run.json says. Raises RunError where there is none, or none that can be read."""
        path = self.path / RECORD
        try:
            record = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse)
        except FileNotFoundError:
            raise RunError(f"{self.path}: not a run folder: it has no {RECORD}") from None
        except OSError as error:
            raise RunError(f"{path}: cannot be read: {error.strerror}") from None
        except (ValueError, RecursionError) as error:
            raise RunError(f"{path}: damaged: {error}") from None
        if not isinstance(record, dict) or "status" not in record:
            raise RunError(f"{path}: damaged: expected a map with a status")
        for key, kind in RECORD_TYPES.items():
            if key in record and not isinstance(record[key], kind):
                raise RunError(f"{path}: damaged: '{key}' is not what cnnlab writes there")
        if not all(value is None or isinstance(value, int | float) for value in record.get("results", {}).values()):
            raise RunError(f"{path}: damaged: 'results' has something that is no number")
        return record

    def update(self, changes: Mapping[str, Any]) -> None:
        """Change these keys of run.json."""
        files.write_json(self.path / RECORD, {**self.record(), **changes})

    def record_test_use(self, by: str) -> None:
        """Note in run.json that the test set was looked at. Choices made after that are made on test data."""
        self.update({"test_uses": [*self.record().get("test_uses", []), {"by": by, "when": now()}]})

    def write_config(self, text: str) -> None:
        """Write config.yaml."""
        files.write_text(self.config, text)

    def write_metrics(self, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
        """Write metrics.csv, the whole table; a value of None is an empty cell."""
        files.write_text(self.metrics, _csv(rows, columns))

    def write_evaluation(
        self, split: str, evaluation: Mapping[str, Any], predictions: Iterable[Mapping[str, Any]]
    ) -> None:
        """Write evaluation/SPLIT.json and evaluation/SPLIT-predictions.csv, the predictions first."""
        rows = list(predictions)
        files.write_text(self.predictions(split), _csv(rows, list(rows[0])))
        files.write_json(self.path / "evaluation" / f"{split}.json", evaluation)

    def predictions(self, split: str) -> Path:
        """The file of each example's prediction."""
        return self.path / "evaluation" / f"{split}-predictions.csv"


def now() -> str:
    """The time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def check_writable(runs: Path) -> None:
    """Raise RequestError unless run folders can be made in `runs`, which need not exist yet."""
    existing = next(folder for folder in (runs, *runs.absolute().parents) if folder.exists())
    if not existing.is_dir():
        raise RequestError(f"--runs {runs}: {existing} is a file; expected a folder")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise RequestError(f"--runs {runs}: no permission to write in {existing}; choose another folder")


def check_name(runs: Path, name: str) -> None:
    """Raise RequestError unless `name` can be the name of a new run folder in `runs`."""
    if not re.fullmatch(FOLDER_NAME, name):
        raise RequestError(
            f"--name {name}: expected at most 100 letters, digits, '.', '_' and '-', first a letter or digit"
        )
    if (runs / name).exists():
        raise RequestError(
            f"--name {name}: {runs / name} exists and a run is never overwritten; "
            "choose another name, or leave --name out for a numbered one"
        )


def claim(runs: Path, experiment_name: str, name: str | None, record: Mapping[str, Any]) -> Run:
    """A new run folder of this process's own, `runs/NAME` or else `runs/EXPERIMENT-N` with the first free N.

    `mkdir` is the claim: it is atomic, so of many processes one gets each name. `record` is the first run.json.
    """
    try:
        runs.mkdir(parents=True, exist_ok=True)
        run = Run(_make_named(runs, name) if name else _make_numbered(runs, experiment_name))
    except OSError as error:
        raise RequestError(f"--runs {runs}: no run folder can be made there: {error.strerror}") from None
    files.write_json(run.path / RECORD, record)
    return run


def _make_named(runs: Path, name: str) -> Path:
    check_name(runs, name)
    (runs / name).mkdir()
    return runs / name


def _make_numbered(runs: Path, name: str) -> Path:
    number = 1
    while True:
        with suppress(FileExistsError):
            (runs / f"{name}-{number}").mkdir()
            return runs / f"{name}-{number}"
        number += 1


def find(paths: Sequence[Path]) -> Iterator[Run]:
    """The runs that `paths` name: run folders, or folders of run folders, in the order of their names.

    Raises RequestError where a path is neither.
    """
    for path in paths:
        if (path / RECORD).is_file():
            yield Run(path)
            continue
        if not path.is_dir():
            raise RequestError(_missing(path))
        inside = sorted((child for child in path.iterdir() if (child / RECORD).is_file()), key=_natural)
        if not inside:
            raise RequestError(f"{path}: no runs in this folder; `cnnlab train digits` makes one in runs/")
        yield from map(Run, inside)


def find_one(path: Path) -> Run:
    """The run at `path`. Raises RequestError where there is none."""
    if (path / RECORD).is_file():
        return Run(path)
    if path.is_dir():
        children = [child for child in path.iterdir() if (child / RECORD).is_file()]
        hint = f"; it holds runs, such as {min(children, key=_natural)}" if children else f": it has no {RECORD}"
        raise RequestError(f"{path}: not a run folder{hint}")
    raise RequestError(_missing(path))


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _missing(path: Path) -> str:
    if path.exists():
        return f"{path}: is a file; expected a run folder"
    guess = Path("runs") / path
    return f"{path}: no such folder" + (f"; did you mean {guess}?" if guess.is_dir() else "")


def _natural(path: Path) -> list[tuple[int, str]]:
    """Sorts lenet-2 before lenet-10."""
    parts = path.name.replace("_", "-").split("-")
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def _csv(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
