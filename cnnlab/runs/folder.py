"""The run folder: what a training leaves behind, for people and for every later command.

runs/lenet-1/
  config.yaml                      the complete experiment, trainable as it is
  run.json                         status, versions, devices, data fingerprint, timings, results
  metrics.csv                      one row an epoch, from 1
  weights.safetensors              the final weights, read by cnnlab
  checkpoints/epoch-00003.safetensors   all that resuming needs, as of then; the newest few are kept
  model.keras                      the same network for other tools; never read by cnnlab
  evaluation/test.json             what `cnnlab evaluate` measured
  evaluation/test-predictions.csv  and each example's prediction
  evaluation/test-correct.bin      a bit an example: whether it is right; a thousand runs are compared by these
  tensorboard/                     events, where the experiment asks for them
  .lock                            held by the process that works on the run
"""

import csv
import io
import json
import math
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import UnionType
from typing import Any

from cnnlab.errors import RunError
from cnnlab.experiment.upgrade import upgrade
from cnnlab.runs import files

RECORD = "run.json"
STATUSES = ("running", "finished", "interrupted", "failed", "diverged")
"""What run.json can say; of a run that is said to be running and whose process is gone, `status_of` says `crashed`."""
MAX_NESTING = 150  # of maps and lists; blocks within blocks of a network come to less
MAX_BYTES = 1 << 22  # of run.json, which has a few kilobytes
FOLDERS = ("", "checkpoints", "evaluation", "tensorboard", "tensorboard/train", "tensorboard/validation")
"""The folders that cnnlab writes in, below that of the run."""
RECORD_TYPES: dict[str, type | UnionType] = {
    "status": str,
    "started": str,
    "process": dict,
    "resumed": list,
    "experiment": dict,
    "parameters": int,
    "multiplications": int,
    "data": dict,
    "test_uses": list,
    "seconds": int | float,
    "results": dict,
    "findings": list,
}


_updating = threading.Lock()


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
    def checkpoints(self) -> Path:
        """The folder of what the run needs to go on, safetensors."""
        return self.path / "checkpoints"

    @property
    def tensorboard(self) -> Path:
        """The folder of TensorBoard's events."""
        return self.path / "tensorboard"

    @property
    def metrics(self) -> Path:
        """The table of epochs, CSV."""
        return self.path / "metrics.csv"

    def record(self) -> dict[str, Any]:
        """What run.json says.

        Raises RunError where there is none, or none that can be read, and where something in the folder is a link:
        cnnlab makes none, and what it writes there would go elsewhere.
        """
        path = self.path / RECORD
        try:
            self._check_links()
            record = _parsed(files.read(path, MAX_BYTES))
        except FileNotFoundError:
            raise RunError(f"{self.path}: not a run folder: it has no {RECORD}") from None
        except OSError as error:
            raise RunError(f"{path}: cannot be read: {error.strerror}") from None
        except (ValueError, RecursionError) as error:
            raise RunError(f"{path}: damaged: {error}") from None
        if not isinstance(record, dict) or "status" not in record:
            raise RunError(f"{path}: damaged: expected a map with a status")
        if record["status"] not in STATUSES:
            raise RunError(f"{path}: damaged: got the status {repr(record['status'])[:80]}")
        for key, kind in RECORD_TYPES.items():
            if key in record and not isinstance(record[key], kind):
                raise RunError(f"{path}: damaged: '{key}' is not what cnnlab writes there")
        if not all(value is None or isinstance(value, int | float) for value in record.get("results", {}).values()):
            raise RunError(f"{path}: damaged: 'results' has something that is no number")
        if "experiment" in record:
            record["experiment"] = upgrade(record["experiment"])
        return record

    def update(self, changes: Mapping[str, Any]) -> None:
        """Change these keys of run.json; None removes one."""
        with _updating:
            record = {**self.record(), **changes}
            self.create({key: value for key, value in record.items() if value is not None})

    def create(self, record: Mapping[str, Any]) -> None:
        """Write run.json anew."""
        files.write_json(self.path / RECORD, record)

    def _check_links(self) -> None:
        for folder in FOLDERS:
            with suppress(FileNotFoundError, NotADirectoryError), os.scandir(self.path / folder) as entries:
                for entry in entries:
                    if entry.is_symlink():
                        raise RunError(f"{entry.path}: is a symbolic link; a run has none, and cnnlab follows none")

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
        self, split: str, evaluation: Mapping[str, Any], predictions: Iterable[Mapping[str, Any]], correct: bytes
    ) -> None:
        """Write evaluation/SPLIT.json, and before that SPLIT-predictions.csv and, in short, SPLIT-correct.bin."""
        rows = list(predictions)
        files.write_text(self.predictions(split), _csv(rows, list(rows[0])))
        files.write_bytes(self.correct(split), correct)
        files.write_json(self.path / "evaluation" / f"{split}.json", evaluation)

    def predictions(self, split: str) -> Path:
        """The file of each example's prediction."""
        return self.path / "evaluation" / f"{split}-predictions.csv"

    def correct(self, split: str) -> Path:
        """A bit an example, in the order of the data, the highest first: whether the prediction is right."""
        return self.path / "evaluation" / f"{split}-correct.bin"


def now() -> str:
    """The time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _parsed(text: bytes) -> Any:
    """Raises ValueError where it is not JSON as it is written here."""
    record = json.loads(text, parse_constant=_refuse, parse_float=_finite)
    if text.count(b"[") + text.count(b"{") > MAX_NESTING and _depth(record) > MAX_NESTING:
        raise ValueError(f"nested more than {MAX_NESTING} deep")
    return record


def _depth(value: Any) -> int:
    """How many maps and lists are in one another; without recursion, which has its own end."""
    depth, level = 0, [value]
    while level := [item for item in level if isinstance(item, dict | list)]:
        depth += 1
        level = [inner for item in level for inner in (item.values() if isinstance(item, dict) else item)]
    return depth


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is more than a number can be")
    return value


def _csv(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
