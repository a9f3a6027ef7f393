"""The checkpoints of a run on disk: numbers and a text of JSON in safetensors files, each with its checksum."""

import errno
import hashlib
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnlab.errors import RunError
from cnnlab.runs import files
from cnnlab.runs.folder import Run
from cnnlab.terminal import warn

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NAME = re.compile(r"epoch-(\d{1,9})(?:-step-(\d{1,12}))?\.safetensors")
DAMAGED = ".damaged"


@dataclass(frozen=True)
class Place:
    """How far a training is: `epoch` whole epochs, and `step` steps of the next one."""

    epoch: int
    step: int = 0

    @property
    def name(self) -> str:
        """`epoch-00003.safetensors`; within the fourth epoch, `epoch-00003-step-000120.safetensors`."""
        step = f"-step-{self.step:06}" if self.step else ""
        return f"epoch-{self.epoch:05}{step}.safetensors"

    def __str__(self) -> str:
        """As people say it."""
        return f"step {self.step:,} of epoch {self.epoch + 1}" if self.step else f"epoch {self.epoch}"


def places(run: Run) -> list[Place]:
    """The checkpoints that there are, the newest first."""
    try:
        names = [path.name for path in run.checkpoints.iterdir()]
    except OSError:
        return []
    found = [match for name in names if (match := NAME.fullmatch(name))]
    return sorted((Place(int(epoch), int(step or 0)) for epoch, step in (match.groups() for match in found)),
                  key=lambda place: (place.epoch, place.step), reverse=True)  # fmt: skip


def save(run: Run, place: Place, arrays: Mapping[str, "NDArray[Any]"], state: Mapping[str, Any], keep: int) -> None:
    """Write the checkpoint of `place`, and then remove all but the newest `keep`.

    Raises RunError where it cannot be written; the earlier ones are then untouched.
    """
    import safetensors.numpy

    text = json.dumps(state)
    described = {"state": text, "sha256": _checksum(arrays, text)}
    files.write_bytes(run.checkpoints / place.name, safetensors.numpy.save(dict(arrays), described))
    for old in places(run)[keep:]:
        with suppress(OSError):
            (run.checkpoints / old.name).unlink()


def newest(run: Run, *, set_aside: bool = True) -> tuple[Path, dict[str, Any], dict[str, "NDArray[Any]"]] | None:
    """The newest checkpoint that is whole: its file, its state and its arrays; None where there is none.

    One that is damaged is told, gets another name unless told not to, and the one before is taken.
    """
    for place in places(run):
        path = run.checkpoints / place.name
        try:
            return path, *read(path)
        except RunError as error:
            aside = path.with_name(path.name + DAMAGED)
            if set_aside:
                warn(f"{error}; it is set aside as {aside.name}, and the one before is used")
                with suppress(OSError):
                    path.replace(aside)
    return None


def read(path: Path) -> tuple[dict[str, Any], dict[str, "NDArray[Any]"]]:
    """The state and the arrays of the checkpoint at `path`. Raises RunError where it is not what was written."""
    import safetensors

    try:
        with safetensors.safe_open(path, "numpy") as file:
            described = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in sorted(file.keys())}
        text = described["state"]
        if _checksum(arrays, text) != described["sha256"]:
            raise RunError(f"{path}: damaged: its checksum is not that of its contents")
        state = json.loads(text)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM, errno.EMFILE):
            raise PermissionError(error.errno, error.strerror, str(path)) from None
        raise RunError(f"{path}: damaged: {error.strerror or error}") from None
    except KeyError as error:
        raise RunError(f"{path}: damaged: has no {error.args[0]}") from None
    except (safetensors.SafetensorError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise RunError(f"{path}: damaged: {error}") from None
    if not isinstance(state, dict):
        raise RunError(f"{path}: damaged: its state is no map")
    return state, arrays


def _checksum(arrays: Mapping[str, "NDArray[np.generic]"], text: str) -> str:
    """SHA-256 over all that the file says."""
    digest = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"\n{name} {array.dtype} {array.shape}\n".encode())
        digest.update(array.data if array.flags.c_contiguous else array.tobytes())
    return digest.hexdigest()
