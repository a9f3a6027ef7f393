"""`cnnlab schema`."""

import json
from enum import StrEnum
from typing import Annotated

import typer


class Format(StrEnum):
    """Output format."""

    JSON = "json"
    MD = "md"


def schema(
    format: Annotated[Format, typer.Option(help="JSON Schema for editors, or a reference in Markdown.")] = Format.JSON,
) -> None:
    """Print the schema of experiment files.

    Editors complete and check a file that begins with `# yaml-language-server: $schema=FILE`.
    """
    if format is Format.MD:
        from cnnlab.config.reference import markdown

        print(markdown(), end="")
        return
    from cnnlab.config.json_schema import json_schema

    print(json.dumps(json_schema(), indent=2, ensure_ascii=False))
