"""What the data commands are given: the name of a data set, an experiment, or a folder or table of images."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cnnlab.errors import RequestError

if TYPE_CHECKING:
    from cnnlab.config.overrides import Override
    from cnnlab.data.recognition import Recognized
    from cnnlab.experiment.data import Data

Target = Annotated[
    str,
    typer.Argument(
        help="A folder of images, a table (.csv, .tsv, .parquet) of images and classes, an experiment, or a data set "
        "that `cnnlab data list` lists.",
        show_default=False,
    ),
]
COLUMNS = ("image", "label", "split")  # options of a table that are guessed


@dataclass(frozen=True)
class Found:
    """The data, and what was recognised where a folder or a table was given."""

    spec: "Data"
    recognized: "Recognized | None" = None


def data_of(target: str, sets: list[str]) -> "Data":
    """The data of `target`: a data set as published, or an experiment's with its splits, or those at a path.

    What was recognised at a path is printed to standard error.
    """
    found = find(target, sets)
    if found.recognized is not None:
        print_recognized(found.recognized, briefly=True)
        propose_init(found.recognized)
    return found.spec


def find(target: str, sets: list[str]) -> Found:
    """As `data_of`, without printing. Raises RequestError where there is no such data."""
    from cnnlab.config import shipped
    from cnnlab.config.load import load
    from cnnlab.config.overrides import parse_sets
    from cnnlab.data import catalog
    from cnnlab.experiment.data import DATA_NAMES, plugin
    from cnnlab.messages import did_you_mean

    if is_data_set(target):
        if sets:
            raise RequestError(f"--set {sets[0]}: applies to experiments only; {target} is a data set as published")
        return Found(catalog.named(target))
    if target not in shipped.paths() and is_path_of_images(target):
        return _at_path(target, parse_sets(sets))
    if not (target in shipped.paths() or Path(target).suffix or Path(target).exists()):
        known = {*DATA_NAMES, *plugin.names(), *shipped.paths()}  # `digits` is both
        raise RequestError(f"{target}: no such data set, experiment or folder; {did_you_mean(target, known)}")
    return Found(load(target, parse_sets(sets)).data)


def _at_path(target: str, sets: "Sequence[Override]") -> Found:
    """What a folder or a table describes, with what `--set data.KEY=VALUE` changes of it."""
    from pydantic import ValidationError

    from cnnlab.config import overrides
    from cnnlab.config.validation_errors import describe
    from cnnlab.errors import ConfigError
    from cnnlab.experiment.data import spec_of

    for change in sets:
        if change.path[0] != "data":
            raise RequestError(f"{change.option}: only keys of data can be set of {target}, such as data.image_size=64")
    recognized = recognized_at(target, sets)
    changed = overrides.apply({"data": dict(recognized.options)}, sets)["data"]
    try:
        return Found(spec_of(changed), recognized)
    except ValidationError as error:
        options = {change.path[1:2]: change.option for change in sets}
        raise ConfigError(*describe(error, lambda path, _: options.get(path[1:2], target), ("data",))) from None


def recognized_at(path: str, sets: "Sequence[Override]" = ()) -> "Recognized":
    """What is at a path, with the columns of a table that `--set data.label=…` names. Raises DataError."""
    from cnnlab.data.recognition import recognize

    given = {change.path[1]: change.value for change in sets if change.path[1:] in {(name,) for name in COLUMNS}}
    is_grouped = any(change.path[:2] == ("data", "group") for change in sets)
    return recognize(path, {str(name): str(column) for name, column in given.items()}, is_grouped=is_grouped)


def print_recognized(recognized: "Recognized", *, briefly: bool = False) -> None:
    """Say what was recognised, with the reason for each option unless `briefly`, and what is not as it should be.

    That names look grouped is for those who write an experiment or train one.
    """
    from cnnlab.config.yaml import dump_inline
    from cnnlab.terminal import hint, note, warn

    summary, *reasons = recognized.lines()
    if briefly:
        summary, reasons = f"{summary}: data: {dump_inline(dict(recognized.options))}", []
    for line in [summary, *reasons]:
        note(f"{recognized.path}: {line}")
    for warning in recognized.warnings():
        warn(f"{recognized.path}: {warning}")
    if recognized.grouping and not briefly:
        hint(f"{recognized.path}: {recognized.grouping}")


def propose_init(recognized: "Recognized") -> None:
    """Say how an experiment file for these data is written."""
    from cnnlab.messages import folder_name
    from cnnlab.terminal import note, proposed

    name = folder_name(recognized.path.resolve().stem)
    groups = ", to which the --set for names that look grouped can be added" if recognized.grouping else ""
    note(f"{proposed('init', name, '--data', recognized.path)} writes an experiment file for these data{groups}")


def is_data_set(target: str) -> bool:
    """Whether `target` names a data set, not an experiment."""
    from cnnlab.experiment.data import DATA_NAMES, plugin

    return target in DATA_NAMES or target in plugin.names()


def is_path_of_images(target: str) -> bool:
    """Whether `target` can only be a folder or a table, which may be missing."""
    from cnnlab.data.sources.scan import is_table

    path = Path(target).expanduser()
    return path.is_dir() or is_table(target) or (not is_data_set(target) and target.endswith("/"))
