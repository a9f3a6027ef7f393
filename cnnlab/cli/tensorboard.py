"""`cnnlab tensorboard`."""

import os
import socket
import sys
from pathlib import Path
from typing import Annotated

import typer

from cnnlab.errors import RequestError


def tensorboard(
    runs: Annotated[Path, typer.Argument(help="A folder of runs, or a run.")] = Path("runs"),
    port: Annotated[int, typer.Option(help="The port; 0: any that is free.", min=0, max=65535)] = 6006,
    host: Annotated[str, typer.Option(help="The address to listen at.")] = "localhost",
) -> None:
    """Start TensorBoard on the events of runs that were trained with `--tensorboard`; Ctrl-C ends it."""
    from cnnlab.runs.find import find

    found = list(find([runs]))
    if not any(any(run.tensorboard.rglob("*tfevents*")) for run in found):
        raise RequestError(f"{runs}: no run here has events; `cnnlab train … --tensorboard` writes them")
    try:
        socket.create_server((host, port)).close()
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise RequestError(f"--port {port}: {reason}; --port 0 takes any that is free") from None
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    command = ["-m", "tensorboard.main", "--logdir", str(runs), "--port", str(port), "--host", host]
    os.execv(sys.executable, [sys.executable, *command])
