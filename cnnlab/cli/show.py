"""`cnnlab show`."""

import json
from enum import StrEnum
from typing import Annotated

import typer

from cnnlab.cli.options import Config, Set


class Format(StrEnum):
    """Output format."""

    YAML = "yaml"
    JSON = "json"


def show(
    config: Config,
    set: Set = None,
    format: Annotated[Format, typer.Option(help="How to print it.")] = Format.YAML,
) -> None:
    """Print an experiment as a complete file, with what it extends and every default written out."""
    from cnnlab.config.load import load, to_dict, to_yaml
    from cnnlab.config.overrides import parse_sets

    experiment = load(config, parse_sets(set or []))
    if format is Format.JSON:
        print(json.dumps(to_dict(experiment), indent=2, ensure_ascii=False))
    else:
        print(to_yaml(experiment), end="")
