"""`cnnlab init`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cnnlab.cli.options import Set
from cnnlab.errors import RequestError

if TYPE_CHECKING:
    from cnnlab.config.overrides import Override
    from cnnlab.config.template import DataSection


def init(
    name: Annotated[str, typer.Argument(help="Name of the new file; .yaml is added.", show_default=False)],
    like: Annotated[
        str, typer.Option(help="The experiment to start from: a shipped one or a file.", metavar="CONFIG")
    ] = "lenet",
    data: Annotated[
        str | None,
        typer.Option(
            help="Its data instead: a folder of images, a table of images and classes, or a data set by name.",
            metavar="DATA",
            show_default=False,
        ),
    ] = None,
    set: Set = None,
) -> None:
    """Write a commented experiment file to start from, and next to it the schema for editors.

    With --data the file describes the data as they were recognised, each option with the reason for it, and the last
    layer gets an output per class. --set changes keys of the data, such as data.image_size=64.
    """
    from cnnlab.config.overrides import parse_sets
    from cnnlab.config.template import path_of, write
    from cnnlab.terminal import note, proposed

    sets = parse_sets(set or [])
    if data is None and sets:
        raise RequestError(f"{sets[0].option}: only with --data, whose keys it changes; edit others in the file")
    path = path_of(name)
    section = _section(path, like, data, sets) if data is not None else None
    for written in write(name, like, section):
        print(f"wrote {written}")
    note(f"{proposed('train', path)} trains it")


def _section(path: Path, like: str, data: str, sets: "list[Override]") -> "DataSection":
    """The section `data` of the new file; paths under its folder are relative to it. What was recognised is printed."""
    from cnnlab.cli.data.target import is_data_set, print_recognized, recognized_at
    from cnnlab.config import overrides
    from cnnlab.config.adapt import adapt
    from cnnlab.config.load import parse
    from cnnlab.config.template import DataSection
    from cnnlab.terminal import note, warn

    for change in sets:
        if change.path[0] != "data":
            raise RequestError(f"{change.option}: only keys of data can be set here, such as data.image_size=64")
    options, reasons, summary = {"name": data}, {}, ""
    if not is_data_set(data):
        recognized = recognized_at(data, sets)
        print_recognized(recognized)
        for remark in recognized.remarks:
            warn(f"{recognized.path}: {remark.text}")
        options, reasons, summary = dict(recognized.options), dict(recognized.reasons), recognized.summary
    options = overrides.apply({"data": options}, sets)["data"]
    reasons |= {str(change.path[1]): "as given" for change in sets}
    adapted = adapt(parse(like), options, f"--data {data}")
    for line in adapted.notes:
        note(line)
    for option in {"path", "file"} & {*adapted.data}:
        adapted.data[option] = _relative(adapted.data[option], path.parent)
    return DataSection(adapted.data, adapted.changes, reasons, summary)


def _relative(target: str, folder: Path) -> str:
    """Relative to the folder of the new file if it is in it, else absolute."""
    relative = os.path.relpath(target, folder)
    return os.path.abspath(target) if relative.split(os.sep)[0] == os.pardir else relative
