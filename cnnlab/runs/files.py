"""Files that are written whole or not at all."""

import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from cnnlab.errors import RunError


def write(path: Path, save: Callable[[Path], object]) -> None:
    """Have `save` write a temporary file beside `path`, flush it to disk, and only then give it its name.

    The temporary name ends as `path` does, since writers such as Keras look at the suffix.
    Raises RunError where the file cannot be written; an earlier `path` is then untouched.
    """
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        path.parent.mkdir(exist_ok=True)
        save(temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise RunError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def write_text(path: Path, text: str) -> None:
    """`text` as UTF-8."""
    write(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def write_json(path: Path, data: Any) -> None:
    """`data` as indented JSON; NaN is refused, since JSON has none."""
    write_text(path, json.dumps(data, indent=2, allow_nan=False) + "\n")
