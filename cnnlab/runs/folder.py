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
FOLDERS = ("", "checkpoints", "evaluation", "tensorboard", "tensorboard/train", "tensorboard/validation")
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

    def record(self) -> RunRecord:
        """What run.json says.

        Raises RunError where there is none, or none that can be read, and where something in the folder is a link:
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
        """Change these keys of run.json; None removes one."""
        with _updating:
            record = {**self.record().raw, **changes}
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
        self.update({"test_uses": [*self.record().test_uses, {"by": by, "when": now()}]})

    def write_config(self, text: str) -> None:
        """Write config.yaml."""
        files.write_text(self.config, text)

    def write_metrics(self, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
        """Write metrics.csv, the whole table; a value of None is an empty cell."""
        metrics.write_rows(self.metrics, rows, columns)

    def write_evaluation(
        self, split: str, evaluation: Mapping[str, Any], predictions: Iterable[Mapping[str, Any]], correct: bytes
    ) -> None:
        """Write evaluation/SPLIT.json, and before that SPLIT-predictions.csv and, in short, SPLIT-correct.bin."""
        rows = list(predictions)
        metrics.write_rows(self.predictions(split), rows, list(rows[0]))
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
