"""`cnnlab configs`."""

from typing import Annotated

import typer

from cnnlab.cli.tables import Format, render


def configs(
    format: Annotated[Format, typer.Option(help="How to print the table.")] = Format.TABLE,
) -> None:
    """List the shipped experiments: `cnnlab train NAME` runs one."""
    from cnnlab.config import shipped

    rows = [{"name": name, "experiment": title} for name, title in shipped.titles()]
    print(render(rows, ["name", "experiment"], format))
