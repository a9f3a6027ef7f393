"""Finding the files of a data set."""

import os
from collections.abc import Iterable
from pathlib import Path

from cnnlab.data.download import data_folders
from cnnlab.errors import DataError
from cnnlab.terminal import note

SUBSTITUTE = ", or see whether all else works: `cnnlab train … --data synthetic`"


def folders(directory: str | None) -> list[Path]:
    """Where data sets may be: `data.dir` if given, `$CNNLAB_DATA_DIR` if set, the user's cache folder.

    Raises DataError where `data.dir` is given and is no folder.
    """
    if directory is None:
        return data_folders()
    if not os.path.isdir(expanded(directory)):
        raise DataError(f"data.dir: {directory}: no such folder")
    return [expanded(directory), *data_folders()]


def find(name: str, directory: str | None, kind: str) -> Path:
    """A user's file or folder: in `data.dir`, `$CNNLAB_DATA_DIR`, the cache folder, or the working directory.

    What lies beside the experiment file is absolute by now. Raises DataError naming the places.
    """
    path = expanded(name)
    if path.is_absolute():
        if not os.path.exists(path):
            raise DataError(f"{kind}: {name}: no such file or folder{SUBSTITUTE}")
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
        f"{kind}: {name}: no such file or folder beside the experiment file, in {', '.join(asked)} or here; set "
        f"data.dir or CNNLAB_DATA_DIR{SUBSTITUTE}"
    )


def expanded(path: str) -> Path:
    """With the user's home folder for `~`; as it is where there is no such user."""
    return Path(os.path.expanduser(path))


def first_existing(paths: Iterable[Path]) -> Path | None:
    """The first of `paths` that there is."""
    return next((path for path in paths if os.path.exists(path)), None)  # False where looking is forbidden
