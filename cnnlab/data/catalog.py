"""What data sets there are, where their files are, and how to get them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cnnlab.data.sources import cifar, cifar10, cifar100, fashion_mnist, mnist, mnist_format
from cnnlab.errors import RequestError
from cnnlab.experiment import data as specs
from cnnlab.experiment.data import DATA_NAMES, Data, plugin
from cnnlab.messages import did_you_mean

IN_A_FILE = " in an experiment file"


@dataclass(frozen=True)
class Entry:
    """A data set as `cnnlab data list` shows it; `spec` is None where it depends on options, `place` then says so."""

    name: str
    spec: Data | None
    place: str | None


def entries() -> list[Entry]:
    """All data sets, those of other packages last."""
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
    """The data set of that name as it is published, nothing held out. Raises RequestError where it needs options."""
    if name not in (*DATA_NAMES, *plugin.names()):
        raise RequestError(f"{name}: no such data set; {did_you_mean(name, [*DATA_NAMES, *plugin.names()])}")
    try:
        return specs.spec_of({"name": name, "validation": 0})
    except ValidationError as error:
        problems = error.errors()
    missing = [str(problem["loc"][-1]) for problem in problems if problem["type"] == "missing"]
    if missing:
        raise RequestError(f"{name}: described by options ({', '.join(missing)}){IN_A_FILE}")
    raise RequestError(f"{name}: {problems[0]['msg'].removeprefix(f'{name}: ')}")


def place_of(data: Data) -> str | None:
    """Where the examples come from on this machine; None where they are not here."""
    match data:
        case specs.Digits():
            return "inside scikit-learn"
        case specs.Synthetic():
            return "drawn at random"
        case specs.Mnist() | specs.FashionMnist():
            found = mnist_format.locate(data, _published(data))
            return str(next(iter(found.values())).parent if isinstance(found, dict) else found) if found else None
        case specs.Cifar10() | specs.Cifar100():
            place = cifar.locate(data, _published_cifar(data))
            return str(place) if place else None
        case specs.PluginData():
            return "read by its package"
    return None


def fetch(data: Data) -> Sequence[Path]:
    """The files of a data set, downloaded where they are missing; none where it has none.

    Raises DownloadError, or RequestError where the data are one's own.
    """
    match data:
        case specs.Mnist() | specs.FashionMnist():
            found = mnist_format.locate(data, _published(data)) or mnist_format.fetch_files(data, _published(data))
            return [found] if isinstance(found, Path) else list(found.values())
        case specs.Cifar10() | specs.Cifar100():
            return [cifar.locate(data, _published_cifar(data)) or cifar.fetch_archive(data, _published_cifar(data))]
        case specs.Digits() | specs.Synthetic():
            return []
    raise RequestError(f"{data.name}: is not published anywhere: its files are your own")


def about(data: Data) -> dict[str, Any]:
    """What is documented of it."""
    return {
        "licence": data.licence or None,
        "origin": data.origin or None,
        "place": place_of(data),
        "published_digests": _digests(data),
    }


def _digests(data: Data) -> dict[str, str]:
    """What tells the genuine files, by name: `sha256:…` of what they contain; none where nobody published any."""
    match data:
        case specs.Mnist() | specs.FashionMnist():
            published = _published(data)
            return {name: f"{published.algorithm}:{digest}" for name, digest in published.digests.items()}
        case specs.Cifar10() | specs.Cifar100():
            return {name: f"sha256:{digest}" for name, digest in _published_cifar(data).files.items()}
    return {}


def _published(data: specs.Mnist | specs.FashionMnist) -> mnist_format.Published:
    return mnist.PUBLISHED if isinstance(data, specs.Mnist) else fashion_mnist.PUBLISHED


def _published_cifar(data: specs.Cifar10 | specs.Cifar100) -> cifar.Published:
    return cifar10.PUBLISHED if isinstance(data, specs.Cifar10) else cifar100.PUBLISHED
