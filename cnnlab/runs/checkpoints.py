"""The checkpoints of a run on disk: safetensors files of arrays and a JSON state, each with its checksum."""

import errno
import hashlib
import json
import os
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
class Position:
    """The progress of a training: `epoch` complete epochs, and `step` steps of the next one."""

    epoch: int
    step: int = 0

    @property
    def name(self) -> str:
        """`epoch-00003.safetensors`; within the fourth epoch, `epoch-00003-step-000120.safetensors`."""
        step = f"-step-{self.step:06}" if self.step else ""
        return f"epoch-{self.epoch:05}{step}.safetensors"

    def __str__(self) -> str:
        """`epoch 3`, or `step 120 of epoch 4`."""
        return f"step {self.step:,} of epoch {self.epoch + 1}" if self.step else f"epoch {self.epoch}"


def positions(run: Run) -> list[Position]:
    """The positions of all checkpoints, newest first. Raises OSError where the folder may not be read."""
    try:
        names = os.listdir(run.checkpoints)
    except (FileNotFoundError, NotADirectoryError):
        return []
    found = [position for name in names if (position := _position_of(name))]
    return sorted(found, key=lambda position: (position.epoch, position.step), reverse=True)


def save(
    run: Run, position: Position, arrays: Mapping[str, "NDArray[Any]"], state: Mapping[str, Any], keep: int
) -> None:
    """Write the checkpoint of `position`, and then remove all but the newest `keep`.

    Raises RunError where it cannot be written; the earlier ones are then untouched.
    """
    import safetensors.numpy

    text = json.dumps(state)
    laid_out = {name: array.astype(array.dtype.newbyteorder("="), "C", copy=False) for name, array in arrays.items()}
    described = {"state": text, "place": position.name, "sha256": _checksum(laid_out, position.name, text)}
    files.write_bytes(run.checkpoints / position.name, safetensors.numpy.save(laid_out, described))
    for old in positions(run)[keep:]:
        with suppress(OSError):
            (run.checkpoints / old.name).unlink()


def newest(
    run: Run, most: int | None = None, *, set_aside: bool = True
) -> tuple[Path, dict[str, Any], dict[str, "NDArray[Any]"]] | None:
    """The newest checkpoint that is not damaged: its file, its state and its arrays; None if there is none.

    One that is damaged, or has more than `most` bytes, is skipped with a warning, and renamed if `set_aside`.
    Raises OSError where one may not be read.
    """
    found = positions(run)
    for position in found:
        path = run.checkpoints / position.name
        try:
            return path, *read(path, most)
        except FileNotFoundError:  # removed since, by the process that trains
            continue
        except RunError as error:
            if set_aside:
                before = "no earlier one exists" if position == found[-1] else "the one before is used"
                warn(f"{error}; {_set_aside(path)}, and {before}")
    return None


def read(path: Path, most: int | None = None) -> tuple[dict[str, Any], dict[str, "NDArray[Any]"]]:
    """The state and the arrays of the checkpoint at `path`.

    Raises RunError where it is not what was written, and OSError where it may not be read.
    """
    import safetensors.numpy

    try:
        content = files.read(path, most)
        arrays = safetensors.numpy.load(content)
        size = int.from_bytes(content[:8], "little")
        described = json.loads(content[8 : 8 + size]).get("__metadata__", {})
        text = described["state"]
        if _checksum(arrays, described["place"], text) != described["sha256"]:
            raise RunError(f"{path}: damaged: its checksum is not that of its contents")
        state = json.loads(text)
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        raise RunError(f"{path}: damaged: {error.strerror}") from None
    except KeyError as error:
        raise RunError(f"{path}: damaged: has no {error.args[0]}") from None
    except (safetensors.SafetensorError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise RunError(f"{path}: damaged: {error}") from None
    if described["place"] != path.name:
        raise RunError(f"{path}: damaged: it is that of {described['place']}")
    if not isinstance(state, dict):
        raise RunError(f"{path}: damaged: its state is not a map")
    return state, arrays


def _position_of(name: str) -> Position | None:
    """The position whose checkpoint has this file name."""
    match = NAME.fullmatch(name)
    position = Position(int(match[1]), int(match[2] or 0)) if match else None
    return position if position and position.name == name else None


def _set_aside(path: Path) -> str:
    """Rename a damaged checkpoint; what was done, for a message."""
    aside = path.with_name(path.name + DAMAGED)
    try:
        path.replace(aside)
    except OSError as error:
        return f"it cannot be set aside ({error.strerror})"
    return f"it is set aside as {aside.name}"


def _checksum(arrays: Mapping[str, "NDArray[np.generic]"], file_name: str, text: str) -> str:
    """SHA-256 of everything in the file."""
    digest = hashlib.sha256(f"{file_name}\n{text}".encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"\n{name} {array.dtype} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
