"""The argument of the data commands: the name of a data set, or an experiment."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cnnlab.errors import RequestError

if TYPE_CHECKING:
    from cnnlab.experiment.data import Data

Target = Annotated[
    str, typer.Argument(help="A data set that `cnnlab data list` lists, or an experiment.", show_default=False)
]


def data_of(target: str, sets: list[str]) -> "Data":
    """The data of `target`: a data set as published, or an experiment's with its splits."""
    from cnnlab.config import shipped
    from cnnlab.config.load import load
    from cnnlab.config.overrides import parse_sets
    from cnnlab.data import catalog
    from cnnlab.experiment.data import DATA_NAMES, plugin
    from cnnlab.messages import did_you_mean

    if is_data_set(target):
        if sets:
            raise RequestError(f"--set {sets[0]}: applies to experiments only; {target} is a data set as published")
        return catalog.named(target)
    if not (target in shipped.paths() or Path(target).suffix or Path(target).exists()):
        known = {*DATA_NAMES, *plugin.names(), *shipped.paths()}  # `digits` is both
        raise RequestError(f"{target}: no such data set or experiment; {did_you_mean(target, known)}")
    return load(target, parse_sets(sets)).data


def is_data_set(target: str) -> bool:
    """Whether `target` names a data set, not an experiment."""
    from cnnlab.experiment.data import DATA_NAMES, plugin

    return target in DATA_NAMES or target in plugin.names()
