"""The folder of a sweep, and the processes that work in it."""

import json
import math
import os
import platform
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock

from cnnlab.config import files as config_files
from cnnlab.config import yaml
from cnnlab.config.load import to_dict
from cnnlab.config.space import Space, read_space
from cnnlab.errors import RequestError, RunError
from cnnlab.runs import Run, files, lock

SPACE, JOURNAL, TRIALS, OUTCOME, WINNER = "sweep.yaml", "journal.log", "trials.csv", "outcome.json", "winner.yaml"
STORAGE = "storage"
MOST_CHARACTERS = 60  # of a value in a message
LOCK_SECONDS = 60.0  # others hold the lock of a sweep for moments


@dataclass(frozen=True)
class SweepFolder:
    """The folder of a sweep."""

    path: Path

    @property
    def space(self) -> Path:
        """The experiment with its search, complete."""
        return self.path / SPACE

    @property
    def journal(self) -> Path:
        """Optuna's journal."""
        return self.path / JOURNAL

    @property
    def trials(self) -> Path:
        """One row per trial, CSV."""
        return self.path / TRIALS

    @property
    def outcome(self) -> Path:
        """The finalists, and what they came to, JSON."""
        return self.path / OUTCOME

    @property
    def winner(self) -> Path:
        """The best experiment, YAML."""
        return self.path / WINNER

    def storage(self, given: str | None) -> str | None:
        """The storage of the sweep, None for the journal: the one that it began with. Raises RequestError."""
        path = self.path / STORAGE
        try:
            there = path.read_text(encoding="utf-8") if path.is_file() else None
        except OSError as error:
            raise RunError(f"{path}: cannot be read: {error.strerror}") from None
        if given is not None and self.space.exists() and given != there:
            raise RequestError(f"--storage {given}: this sweep began with {there or 'a journal in its folder'}")
        return given if there is None else there

    def trial(self, number: int) -> Run:
        """The run of a trial, from 0."""
        return Run(self.path / f"trial-{number:04d}")

    def final(self, number: int, seed: int) -> Run:
        """The run of a finalist on a fresh seed."""
        return Run(self.path / f"final-{number:04d}-seed-{seed}")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """While what to do next is decided: for moments. Raises RunError where that takes a minute."""
        try:
            with filelock.FileLock(self.path / lock.FILE, mode=0o644, timeout=LOCK_SECONDS):
                yield
        except filelock.Timeout:
            raise RunError(f"{self.path}: locked for {LOCK_SECONDS:g} s by another process; end that first") from None
        except OSError as error:
            raise RunError(f"{self.path}: cannot be written: {error.strerror or error}") from None

    @contextmanager
    def worker(self) -> Iterator[str]:
        """The name of this process among those that work here, which `is_at_work` knows until it ends."""
        name = f"{re.sub('[^A-Za-z0-9_-]', '_', platform.node())}.{os.getpid()}.{uuid.uuid4().hex[:8]}"
        folder = self.path / "workers" / name
        folder.mkdir(parents=True)
        with lock.held(folder):
            yield name

    def is_at_work(self, worker: str | None) -> bool:
        """Whether a process is still at work."""
        if worker is None:
            return False
        host = worker.split(".")[0]
        folder = self.path / "workers" / worker
        return lock.is_held(folder, elsewhere=host != re.sub("[^A-Za-z0-9_-]", "_", platform.node()))

    def workers(self) -> list[str]:
        """Those that are at work."""
        folder = self.path / "workers"
        return [name for name in (os.listdir(folder) if folder.is_dir() else ()) if self.is_at_work(name)]

    def create(self, space: Space, storage: str | None = None) -> None:
        """Write the space, and the storage unless it is the journal. Raises RequestError where there are others."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            others = [entry for entry in os.listdir(self.path) if entry not in (lock.FILE, "workers")]
        except OSError as error:
            raise RequestError(f"{self.path}: cannot be made: {error.strerror or error}") from None
        if others:
            raise RequestError(
                f"{self.path}: is not the folder of a sweep: it has no {SPACE}; name another, such as --name other"
            )
        if storage is not None:
            files.write_text(self.path / STORAGE, storage)
            (self.path / STORAGE).chmod(0o600)  # it may have a password
        files.write_text(self.space, frozen(space))

    def read_space(self) -> Space:
        """The space that was frozen. Raises RunError where it is missing or damaged."""
        if not self.space.is_file():
            raise RunError(f"{self.path}: not the folder of a sweep: it has no {SPACE}")
        return read_space(config_files.read_complete(self.space))


def frozen(space: Space) -> str:
    """The space as a file that is read back as equal."""
    return yaml.dump(_complete(space))


def differences(first: Space, second: Space) -> list[str]:
    """The keys in which two spaces differ, as `train.batch_size: 64, was 128`; but for the number of trials."""
    from cnnlab.config.differences import differing_keys

    found = differing_keys([_compared(space) for space in (first, second)])
    return [f"{key}: {_brief(values[1])}, was {_brief(values[0])}" for key, values in found.items()]


def _compared(space: Space) -> dict[str, Any]:
    """What makes a space another one: not the number of trials, nor the threads, which the first command chose."""
    complete = _complete(space)
    for part, key in (("search", "trials"), ("train", "threads"), ("train", "test")):
        complete[part].pop(key, None)
    return complete


def _complete(space: Space) -> dict[str, Any]:
    base = space.base.model_copy(update={"search": space.search})
    return to_dict(base)


def _brief(value: Any) -> str:
    text = "nothing" if value is None else yaml.dump_inline(value)
    return text if len(text) <= MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 3]}..."


def write_outcome(folder: SweepFolder, outcome: dict[str, Any]) -> None:
    """Write outcome.json."""
    files.write_json(folder.outcome, outcome)


def read_outcome(folder: SweepFolder) -> dict[str, Any] | None:
    """What outcome.json says; None where there is none, or it is damaged: it is made anew from the runs."""
    try:
        found = json.loads(folder.outcome.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and _is_outcome(found) else None


def _is_outcome(found: dict[str, Any]) -> bool:
    """Whether it has what is read of it; a folder may be anyone's."""
    counts = all(isinstance(found.get(key), int) for key in ("trials", "candidates"))
    finalists, claims = found.get("finalists"), found.get("claims")
    if not (counts and isinstance(finalists, list) and isinstance(claims, dict)):
        return False
    return all(
        isinstance(one, dict)
        and isinstance(one.get("trial"), int)
        and one["trial"] >= 0
        and isinstance(one.get("value"), int | float)
        and math.isfinite(one["value"])
        and isinstance(one.get("point"), dict)
        for one in finalists
    )
