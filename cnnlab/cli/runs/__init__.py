"""`cnnlab runs`: list, show and remove runs."""

import typer

from cnnlab.cli.runs.listing import listing
from cnnlab.cli.runs.remove import remove
from cnnlab.cli.runs.show import show

runs = typer.Typer(no_args_is_help=True, help="List, show and remove runs.")
runs.command("list")(listing)
runs.command("show")(show)
runs.command("rm")(remove)
