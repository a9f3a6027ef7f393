"""Files that are written whole or not at all."""

import itertools
import json
import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from cnnlab.errors import RunError

LEFT_OVER = re.compile(r"\.\d+-\d+\..+")
"""What `write` calls a file that has no name of its own yet: process, number, name."""
_numbers = itertools.count()


def write(path: Path, save: Callable[[Path], object]) -> None:
    """Have `save` write a temporary file beside `path`, flush it to disk, and only then give it its name.

    The temporary name ends as `path` does, since writers such as Keras look at the suffix.
    Raises RunError where the file cannot be written; an earlier `path` is then untouched.
    """
    temporary = path.with_name(f".{os.getpid()}-{next(_numbers)}.{path.name}")
    try:
        path.parent.mkdir(exist_ok=True)
        save(temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        _flush_names(path.parent)
    except OSError as error:
        raise RunError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def write_bytes(path: Path, data: bytes) -> None:
    """`data` as it is."""

    def save(temporary: Path) -> None:
        with open(temporary, "xb") as file:  # x: whatever has that name already, even a link, is not written to
            file.write(data)

    write(path, save)


def write_text(path: Path, text: str) -> None:
    """`text` as UTF-8."""
    write_bytes(path, text.encode())


def write_json(path: Path, data: Any) -> None:
    """`data` as indented JSON; NaN is refused, since JSON has none."""
    write_text(path, json.dumps(data, indent=2, allow_nan=False) + "\n")


def remove_left_overs(folder: Path) -> None:
    """Remove what processes that were killed while they wrote have left in `folder`, if there is such a folder."""
    with suppress(FileNotFoundError):
        for entry in list(os.scandir(folder)):
            if LEFT_OVER.fullmatch(entry.name):
                with suppress(OSError):
                    os.unlink(entry.path)


def _flush_names(folder: Path) -> None:
    """Have a rename in `folder` survive a loss of power, where the system can."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
