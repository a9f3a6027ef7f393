"""The run folder: everything that a training writes.

runs/lenet-1/
  config.yaml                      the complete experiment, which can be trained again
  run.json                         status, versions, devices, data fingerprint, timings, results
  metrics.csv                      one row per epoch, from 1
  weights.safetensors              the final weights, read by cnnlab
  checkpoints/epoch-00003.safetensors   the state for resuming; only the newest few remain
  model.keras                      the same network for other tools; cnnlab never reads it
  evaluation/test.json             the metrics on the test set
  evaluation/test-predictions.csv  the prediction of each example
  evaluation/test-correct.bin      one bit per example: whether the prediction is correct; quick to read
  tensorboard/                     events, where the experiment asks for them
  export/onnx/                     the network for another runtime, with a script that uses it
  export/onnx.json                 the comparison of the two
  look/layers.png                  images of its layers, filters and decisions
  .lock                            held by the process that works on the run
"""

import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cnnlab.errors import RunError
from cnnlab.runs import files, metrics
from cnnlab.runs.record import RECORD, RunRecord

MAX_BYTES = 1 << 22  # of run.json, which has a few kilobytes
FOLDERS = (
    *("", "checkpoints", "evaluation", "export", "fool", "look"),
    *("tensorboard", "tensorboard/train", "tensorboard/validation"),
)
"""The folders that cnnlab writes in, below that of the run."""

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
        """The folder of checkpoints, safetensors."""
        return self.path / "checkpoints"

    @property
    def tensorboard(self) -> Path:
        """The folder of TensorBoard's events."""
        return self.path / "tensorboard"

    @property
    def exports(self) -> Path:
        """The folder of what `cnnlab export` writes."""
        return self.path / "export"

    @property
    def look(self) -> Path:
        """The folder of what `cnnlab look` draws."""
        return self.path / "look"

    @property
    def metrics(self) -> Path:
        """The table of epochs, CSV."""
        return self.path / "metrics.csv"

    def record(self) -> RunRecord:
        """What run.json says.

        Raises RunError where it is missing or cannot be read, and where something in the folder is a link:
        cnnlab makes none, and what it writes there would go elsewhere.
        """
        path = self.path / RECORD
        try:
            self._check_links()
            content = files.read(path, MAX_BYTES)
        except FileNotFoundError:
            raise RunError(f"{self.path}: not a run folder: it has no {RECORD}") from None
        except OSError as error:
            raise RunError(f"{path}: cannot be read: {error.strerror}") from None
        except ValueError as error:
            raise RunError(f"{path}: damaged: {error}") from None
        return RunRecord.parse(self, content)

    def update(self, changes: Mapping[str, Any]) -> None:
        """Change keys of run.json, but no others; None removes a key."""
        with _updating:
            record = {**self.record().raw, **changes}
            self.create({key: value for key, value in record.items() if value is not None})

    def create(self, record: Mapping[str, Any]) -> None:
        """Write run.json."""
        files.write_json(self.path / RECORD, record)

    def _check_links(self) -> None:
        for folder in FOLDERS:
            with suppress(FileNotFoundError, NotADirectoryError), os.scandir(self.path / folder) as entries:
                for entry in entries:
                    if entry.is_symlink():
                        raise RunError(f"{entry.path}: is a symbolic link; a run has none, and cnnlab follows none")

    def record_test_use(self, by: str) -> None:
        """Record in run.json that the test set was used: choices made after that are made on test data."""
        self.update({"test_uses": [*self.record().test_uses, {"by": by, "when": now()}]})

    def write_config(self, text: str) -> None:
        """Write config.yaml."""
        files.write_text(self.config, text)

    def write_metrics(self, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
        """Write metrics.csv; a value of None is an empty cell."""
        metrics.write_rows(self.metrics, rows, columns)

    def write_evaluation(
        self, split: str, evaluation: Mapping[str, Any], predictions: Iterable[Mapping[str, Any]], correct: bytes
    ) -> None:
        """Write SPLIT-predictions.csv, SPLIT-correct.bin and then SPLIT.json into evaluation/."""
        rows = list(predictions)
        metrics.write_rows(self.predictions(split), rows, list(rows[0]))
        files.write_bytes(self.correct(split), correct)
        files.write_json(self.path / "evaluation" / f"{split}.json", evaluation)

    def predictions(self, split: str) -> Path:
        """The file of each example's prediction."""
        return self.path / "evaluation" / f"{split}-predictions.csv"

    def correct(self, split: str) -> Path:
        """The file of one bit per example in their order, highest first: whether the prediction is correct."""
        return self.path / "evaluation" / f"{split}-correct.bin"


def now() -> str:
    """The time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
