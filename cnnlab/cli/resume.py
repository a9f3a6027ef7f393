"""`cnnlab resume`."""

from pathlib import Path
from typing import Annotated

import typer

from cnnlab.cli.train import Format, report


def resume(
    run: Annotated[Path, typer.Argument(help="The folder of a run that did not finish.", show_default=False)],
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the result only.")] = False,
    format: Annotated[Format, typer.Option(help="How to print the result.")] = Format.TABLE,
) -> None:
    """Go on with a run that was interrupted, after its last whole epoch: its numbers are those of an uninterrupted one.

    Several workers need to see the same folder: `cnnlab launch --workers 2 -- resume runs/lenet-1`.
    """
    from cnnlab.config.load import load_file
    from cnnlab.runs.folder import find_one
    from cnnlab.terminal import stderr

    folder = find_one(run)
    folder.record()
    devices = load_file(folder.config).train.devices
    from cnnlab.cli.tensorflow import quietly_imported

    quietly_imported(devices)
    from cnnlab.training.train import resume as resume_run

    done = resume_run(folder, console=None if quiet else stderr())
    report([done] if done else [], format)
