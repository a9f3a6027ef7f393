"""Finding the files of a data set."""

import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from cnnlab.errors import DataError
from cnnlab.terminal import note

SUBSTITUTE = "to try the rest without it: `cnnlab train … --data synthetic`"


def data_folders() -> list[Path]:
    """Where data sets may be: `$CNNLAB_DATA_DIR` if set, then the user's cache folder. The first is written to."""
    chosen = os.environ.get("CNNLAB_DATA_DIR")
    return [expanded(chosen), cache_folder()] if chosen else [cache_folder()]


def cache_folder() -> Path:
    """Where files are cached that can be downloaded or computed again."""
    chosen = os.environ.get("XDG_CACHE_HOME")
    try:
        return Path(chosen or Path.home() / ".cache") / "cnnlab"
    except RuntimeError:  # neither $HOME nor an entry for this user
        return Path(tempfile.gettempdir()) / "cnnlab"


def folders(directory: str | None) -> list[Path]:
    """Where data sets may be: `data.dir` if given, `$CNNLAB_DATA_DIR` if set, the user's cache folder.

    Raises DataError where `data.dir` is given and is no folder.
    """
    if directory is None:
        return data_folders()
    if not os.path.isdir(expanded(directory)):
        raise DataError(f"data.dir: {directory}: no such folder")
    return [expanded(directory), *data_folders()]


def places(directory: str | None, layouts: Sequence[str]) -> Iterator[Path]:
    """Where a published data set may be: `data.dir` itself, then each of `layouts` in each of `folders`."""
    if directory is not None:
        yield expanded(directory)
    for folder in folders(directory):
        yield from (folder / layout for layout in layouts)


def find(name: str, directory: str | None, kind: str) -> Path:
    """A user's file or folder: in `data.dir`, `$CNNLAB_DATA_DIR`, the cache folder, or the working directory.

    Paths beside the experiment file are absolute by now. Raises DataError naming the places.
    """
    path = expanded(name)
    if path.is_absolute():
        if not os.path.exists(path):
            raise DataError(f"{kind}: {name}: no such file or folder; {SUBSTITUTE}")
        return path
    places = [folder / path for folder in folders(directory)]
    found = first_existing(places)
    if found is not None:
        return found
    if os.path.exists(path):
        note(f"{kind}: {name} is found in the working directory, {Path.cwd()}")
        return path.absolute()
    asked = list(dict.fromkeys(str(place.parent) for place in places))
    raise DataError(
        f"{kind}: {name}: no such file or folder beside the experiment file, in {', '.join(asked)} or in the "
        f"working directory; set data.dir or CNNLAB_DATA_DIR, or, {SUBSTITUTE}"
    )


def expanded(path: str) -> Path:
    """With `~` replaced by the home folder; unchanged for an unknown user."""
    return Path(os.path.expanduser(path))


def first_existing(paths: Iterable[Path]) -> Path | None:
    """The first of `paths` that exists."""
    return next((path for path in paths if os.path.exists(path)), None)  # False where access is denied
