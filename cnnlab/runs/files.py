"""Files that are written whole or not at all."""

import json
import os
import re
import secrets
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from cnnlab.errors import RunError

LEFT_OVER = re.compile(r"\.\d+-[0-9a-f]{8}\..+")
"""What `write` calls a file that has no name of its own yet: process, something random, name."""


def write(path: Path, save: Callable[[Path], object]) -> None:
    """Have `save` write a temporary file beside `path`, flush it to disk, and only then give it its name.

    The temporary name ends as `path` does, since writers such as Keras look at the suffix.
    Raises RunError where the file cannot be written; an earlier `path` is then untouched.
    """
    temporary = path.with_name(f".{os.getpid()}-{secrets.token_hex(4)}.{path.name}")
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


def read(path: Path, most: int | None = None) -> bytes:
    """What is in the file at `path`, and in nothing else: reading a pipe could take for ever.

    Raises OSError, or ValueError where it is no file or has more than `most` bytes.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise ValueError("expected a file")
        if most is not None and found.st_size > most:
            raise ValueError(f"{found.st_size:,} bytes")
        with open(descriptor, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(descriptor)


def remove_left_overs(folder: Path) -> None:
    """Remove what processes that were killed while they wrote have left in `folder`, if there is such a folder."""
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        for entry in list(entries):
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
