"""The command line: every command parses, calls, prints. This is the one place that presents errors."""

import sys

import typer

from cnnlab.errors import CnnlabError, Interrupted


def main() -> None:
    """Run `cnnlab` on the process's arguments, and exit."""
    from cnnlab.cli.app import app

    debug = "--debug" in sys.argv[1:]
    try:
        code = app(prog_name="cnnlab", standalone_mode=False) or 0
        if code == Interrupted.exit_code:
            print("cnnlab: interrupted", file=sys.stderr)
        sys.exit(code)
    except (CnnlabError, typer.TyperException) as error:
        if debug:
            raise
        _present(error)
        sys.exit(error.exit_code)


def _present(error: CnnlabError | typer.TyperException) -> None:
    if isinstance(error, CnnlabError):
        for line in str(error).splitlines():
            print(f"cnnlab: {line}", file=sys.stderr)
        return
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "cnnlab"
    message = " ".join(error.format_message().split()).replace("Value error, ", "")
    if message:  # without one, typer has printed the help
        print(f"{command}: {message.rstrip('.')}; see `{command} --help`", file=sys.stderr)
