"""`cnnlab init`."""

from typing import Annotated

import typer


def init(
    name: Annotated[str, typer.Argument(help="Name of the new file; .yaml is added.", show_default=False)],
    like: Annotated[
        str, typer.Option(help="The experiment to start from: a shipped one or a file.", metavar="CONFIG")
    ] = "lenet",
) -> None:
    """Write a commented experiment file to start from, and next to it the schema for editors."""
    from cnnlab.config.template import write

    for path in write(name, like):
        print(f"wrote {path}")
