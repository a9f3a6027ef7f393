"""The data sets that an experiment can name, where their files are, and how to get them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cnnlab.data.loaders import loader_of
from cnnlab.errors import RequestError
from cnnlab.experiment.data import DATA_NAMES, Data, plugin, spec_of
from cnnlab.messages import did_you_mean

IN_A_FILE = " in an experiment file"


@dataclass(frozen=True)
class Entry:
    """A data set as `cnnlab data list` shows it; where it needs options, `spec` is None and `place` names them."""

    name: str
    spec: Data | None
    place: str | None


def entries() -> list[Entry]:
    """All data sets, plugins last."""
    found = []
    for name in (*DATA_NAMES, *plugin.names()):
        try:
            spec = named(name)
        except RequestError as error:
            found.append(Entry(name, None, str(error).removeprefix(f"{name}: ").removesuffix(IN_A_FILE)))
        else:
            found.append(Entry(name, spec, place_of(spec)))
    return found


def named(name: str) -> Data:
    """The data set of that name as published, nothing held out. Raises RequestError where it needs options."""
    if name not in (*DATA_NAMES, *plugin.names()):
        raise RequestError(f"{name}: no such data set; {did_you_mean(name, [*DATA_NAMES, *plugin.names()])}")
    try:
        return spec_of({"name": name, "validation": 0})
    except ValidationError as error:
        problems = error.errors()
    missing = [str(problem["loc"][-1]) for problem in problems if problem["type"] == "missing"]
    if missing:
        raise RequestError(f"{name}: described by options ({', '.join(missing)}){IN_A_FILE}")
    raise RequestError(f"{name}: {problems[0]['msg'].removeprefix(f'{name}: ')}")


def place_of(data: Data) -> str | None:
    """Where the examples are on this machine; None where they are not."""
    return loader_of(data).place(data)


def fetch(data: Data) -> Sequence[Path]:
    """The files of a data set, downloaded where they are missing; empty where it has no files.

    Raises DownloadError, or RequestError for user data.
    """
    loader = loader_of(data)
    if loader.fetch is None:
        raise RequestError(f"{data.name}: nothing to fetch: its files are yours")
    return loader.fetch(data)


def about(data: Data) -> dict[str, Any]:
    """What is documented about a data set."""
    return {
        "licence": data.licence or None,
        "origin": data.origin or None,
        "place": place_of(data),
        "published_digests": dict(loader_of(data).digests),
    }
