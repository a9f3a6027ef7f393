"""Files and folders that are written completely or not at all."""

import json
import os
import re
import secrets
import shutil
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from cnnlab.errors import RunError

LEFT_OVER = re.compile(r"\.\d+-[0-9a-f]{8}\..+")
"""The temporary name of a file or folder that is being written: process, something random, name."""
REPLACED = re.compile(r"\.\d+-[0-9a-f]{8}~(.+)")
"""The same of an old folder, from the moment that it gives up its name until the new one has it."""


def write(path: Path, save: Callable[[Path], object]) -> None:
    """Have `save` write a temporary file beside `path`, flush it to disk, and only then give it its name.

    The temporary name ends as `path` does, since writers such as Keras look at the suffix.
    Raises RunError where the file cannot be written; an earlier `path` is then untouched.
    """
    temporary = _temporary(path, ".")
    try:
        path.parent.mkdir(exist_ok=True)
        save(temporary)
        _flush(temporary)
        temporary.replace(path)
        _flush_names(path.parent)
    except OSError as error:
        raise RunError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def write_folder(path: Path, save: Callable[[Path], object]) -> None:
    """Have `save` fill a temporary folder beside `path`, flush all of it to disk, and only then give it its name.

    An earlier folder of that name is removed afterwards. A process that is killed in between leaves the old folder
    or the new one, perhaps under the name that `remove_left_overs` gives back.
    Raises RunError where the folder cannot be written; an earlier one is then untouched.
    """
    temporary, old = _temporary(path, "."), _temporary(path, "~")
    try:
        path.parent.mkdir(exist_ok=True)
        temporary.mkdir()
        save(temporary)
        for folder, _, names in os.walk(temporary):
            for name in names:
                _flush(Path(folder, name))
            _flush_names(Path(folder))
        if path.is_dir() and not path.is_symlink():  # a folder replaces no other one that has something in it
            path.rename(old)
        try:
            temporary.rename(path)
        except OSError:
            if old.exists():
                old.rename(path)
            raise
        _flush_names(path.parent)
    except OSError as error:
        raise RunError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if path.exists():
            shutil.rmtree(old, ignore_errors=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write these bytes."""

    def save(temporary: Path) -> None:
        with open(temporary, "xb") as file:  # x: whatever has that name already, even a link, is not written to
            file.write(data)

    write(path, save)


def write_text(path: Path, text: str) -> None:
    """Write a text as UTF-8."""
    write_bytes(path, text.encode())


def write_json(path: Path, data: Any) -> None:
    """Write indented JSON. Raises ValueError for NaN, which JSON does not have."""
    write_text(path, json.dumps(data, indent=2, allow_nan=False) + "\n")


def read(path: Path, most: int | None = None) -> bytes:
    """The content of the regular file at `path`; reading a pipe could block for ever.

    Raises OSError, or ValueError where it is not a regular file or has more than `most` bytes.
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
    """Remove what processes that were killed while they wrote have left in `folder`, if there is such a folder.

    A folder that was to be replaced, and whose place is empty, gets its name back.
    """
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        for entry in list(entries):
            replaced = REPLACED.fullmatch(entry.name)
            if not replaced and not LEFT_OVER.fullmatch(entry.name):
                continue
            with suppress(OSError):
                if replaced and not os.path.lexists(folder / replaced[1]):
                    os.rename(entry.path, folder / replaced[1])
                elif entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path)
                else:
                    os.unlink(entry.path)


def _temporary(path: Path, separator: str) -> Path:
    return path.with_name(f".{os.getpid()}-{secrets.token_hex(4)}{separator}{path.name}")


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _flush_names(folder: Path) -> None:
    """Have a rename in `folder` survive a loss of power, where the system can."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
