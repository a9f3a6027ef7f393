"""`cnnlab runs show`."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from cnnlab.errors import printable


class Format(StrEnum):
    """How the run is printed."""

    TABLE = "table"
    JSON = "json"


def show(
    run: Annotated[Path, typer.Argument(help="A run folder.", show_default=False)],
    format: Annotated[Format, typer.Option(help="How to print it.")] = Format.TABLE,
) -> None:
    """Print the status, results and checkpoints of a run, its data, and everything that determines its numbers."""
    from cnnlab.runs.find import find_one
    from cnnlab.runs.overview import details, notes

    folder = find_one(run)
    record = folder.record()
    found = details(record)
    if format is Format.JSON:
        print(json.dumps(found, indent=2))
        return
    lines = [line for key, value in found.items() if key != "experiment" for line in _lines(key, value)]
    width = max(len(key) for key, _ in lines)
    print("\n".join(f"{key:{width}}  {value}".rstrip() for key, value in lines))
    for note in notes(record):
        print(f"\n{printable(note)}")
    print(f"\nthe experiment: {printable(str(folder.config))}")


def _lines(key: str, value: Any) -> list[tuple[str, str]]:
    """`versions.keras  3.15.1`: maps entry by entry, lists on a line."""
    if key == "data.splits" and isinstance(value, dict):
        return [(key, printable(", ".join(f"{_text(split)} {name}" for name, split in _sizes(value).items())))]
    if isinstance(value, dict):
        return [line for inner, item in value.items() for line in _lines(f"{key}.{inner}", item)]
    if isinstance(value, list):
        return [(printable(key), printable(", ".join(map(_text, value))))]
    return [] if value is None else [(printable(key), printable(_text(value)))]


def _sizes(splits: dict[str, Any]) -> dict[str, Any]:
    """How many examples each has; their digests are for machines."""
    return {name: split.get("examples") if isinstance(split, dict) else split for name, split in splits.items()}


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{key}={_text(item)}" for key, item in value.items() if item not in (None, [], {}))
    return f"{value:.4f}" if isinstance(value, float) else str(value)
