"""`cnnlab schema`."""

import json
from enum import StrEnum
from typing import Annotated

import typer


class Format(StrEnum):
    """What the language is printed as."""

    JSON = "json"
    MD = "md"


def schema(
    format: Annotated[Format, typer.Option(help="A JSON Schema for editors, or a page for people.")] = Format.JSON,
) -> None:
    """Print what an experiment file can say.

    Editors complete and check a file whose first lines have `# yaml-language-server: $schema=FILE`.
    """
    if format is Format.MD:
        from cnnlab.config.reference import markdown

        print(markdown(), end="")
        return
    from cnnlab.config.json_schema import json_schema

    print(json.dumps(json_schema(), indent=2, ensure_ascii=False))
