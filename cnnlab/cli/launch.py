"""`cnnlab launch`."""

from typing import Annotated

import typer


def launch(
    command: Annotated[
        list[str],
        typer.Argument(
            help="The command of every worker, after `--`: `train`, and what belongs to it.", show_default=False
        ),
    ],
    workers: Annotated[int, typer.Option(help="How many workers.", min=1, max=64)] = 2,
) -> None:
    """Run a command in several workers on this machine, which train together as on several machines.

    Each is a process of its own with its place in `TF_CONFIG`, and an equal share of the cores. What they write to
    standard error comes with the worker's number before it, an error that all have only once; the result, which the
    chief alone prints, is unchanged, for scripts. When one fails all are ended.

    Example: `cnnlab launch --workers 2 -- train lenet --epochs 3`.
    """
    from cnnlab.errors import RequestError
    from cnnlab.workers import run

    if command[0] == "launch":
        raise RequestError("launch cannot launch itself; expected a command for the workers, such as train lenet")
    code = run(command, workers)
    if code:
        raise typer.Exit(code)
