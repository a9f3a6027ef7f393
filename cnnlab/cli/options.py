"""Options of several commands."""

from typing import Annotated

import typer

Config = Annotated[str, typer.Argument(help="An experiment file, or the name of a shipped one.", show_default=False)]
Set = Annotated[
    list[str] | None,
    typer.Option(help="Change a key of the experiment; may be repeated.", metavar="KEY=VALUE", show_default=False),
]
