"""`cnnlab runs`: what there is, how it is, and taking it away."""

import typer

from cnnlab.cli.runs.listing import listing
from cnnlab.cli.runs.remove import remove
from cnnlab.cli.runs.show import show

runs = typer.Typer(no_args_is_help=True, help="List, look at and remove runs.")
runs.command("list")(listing)
runs.command("show")(show)
runs.command("rm")(remove)
