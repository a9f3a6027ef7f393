"""`cnnlab data`: everything about data sets."""

import typer

from cnnlab.cli.data.audit import audit
from cnnlab.cli.data.faces import faces
from cnnlab.cli.data.fetch import fetch
from cnnlab.cli.data.info import info
from cnnlab.cli.data.listing import listing
from cnnlab.cli.data.preview import preview
from cnnlab.cli.data.verify import verify

data = typer.Typer(no_args_is_help=True, help="List, fetch, measure, check and look at data sets.")
data.command("list")(listing)
for command in (fetch, info, verify, preview, audit, faces):
    data.command()(command)
