"""Finding the files of a data set."""

import os
from collections.abc import Iterable
from pathlib import Path

from cnnlab.data.download import data_folders
from cnnlab.errors import DataError


def folders(directory: str | None) -> list[Path]:
    """Where data sets may be: `data.dir` if given, `$CNNLAB_DATA_DIR` if set, the user's cache folder.

    Raises DataError where `data.dir` is given and is no folder.
    """
    if directory is None:
        return data_folders()
    if not Path(directory).expanduser().is_dir():
        raise DataError(f"data.dir: {directory}: no such folder")
    return [Path(directory).expanduser(), *data_folders()]


def find(name: str, directory: str | None, kind: str) -> Path:
    """A file or folder of one's own: in `data.dir`, `$CNNLAB_DATA_DIR`, the cache folder, or from here.

    Raises DataError naming the places.
    """
    places = [folder / Path(name).expanduser() for folder in (*folders(directory), Path())]
    found = first_existing(places)
    if found is not None:
        return found
    asked = list(dict.fromkeys(str(place.parent) for place in places[:-1]))
    raise DataError(
        f"{kind}: {name}: no such file or folder in {', '.join(asked)} or here; set data.dir or CNNLAB_DATA_DIR, "
        "or see whether all else works: `cnnlab train … --data synthetic`"
    )


def first_existing(paths: Iterable[Path]) -> Path | None:
    """The first of `paths` that there is."""
    return next((path for path in paths if os.path.exists(path)), None)  # False where looking is forbidden
