"""The command line: every command parses, calls, prints. This is the one place that presents errors."""

import os
import re
import sys
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cnnlab.errors import CnnlabError, ConfigError, Interrupted, printable

if TYPE_CHECKING:
    import typer

LONGEST_LINE = 500  # characters; what was typed can be of any length


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `cnnlab ARGUMENTS`, those of the process by default, and return the exit code."""
    try:
        _prepare_output()
        warnings.showwarning = _show_warning  # type: ignore[assignment]
        import typer

        from cnnlab.cli.app import app
    except KeyboardInterrupt:  # from the command on, Typer catches it
        _print_error("cnnlab: interrupted")
        return Interrupted.exit_code
    given = list(sys.argv[1:] if arguments is None else arguments)
    # Taken out here, so that it works anywhere on the line: it is wanted after an error, typed at the end.
    debug = "--debug" in given
    given = [argument for argument in given if argument != "--debug"]
    try:
        code = int(app(given, prog_name="cnnlab", standalone_mode=False) or 0)
    except typer.Abort:
        _print_error("cnnlab: aborted")
        return 1
    except (CnnlabError, typer.TyperException, OSError, MemoryError) as error:
        if debug:
            raise
        _present(error)
        return error.exit_code if isinstance(error, CnnlabError | typer.TyperException) else 1
    if code == Interrupted.exit_code:
        _print_error("cnnlab: interrupted")
    return code


def _prepare_output() -> None:
    """Have both outputs take every text: one that is closed, none; one that lacks a character, its escape."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - for the whole process
        else:
            stream.reconfigure(errors="backslashreplace")


def _present(error: "CnnlabError | typer.TyperException | OSError | MemoryError") -> None:
    match error:
        case ConfigError():
            for problem in error.problems:
                _print_error(f"cnnlab: {problem}")
        case MemoryError():
            reason = f": {error}" if str(error) else ""
            _print_error(f"cnnlab: out of memory{reason}; try smaller data or a smaller network")
        case OSError():
            _print_error(f"cnnlab: {error.filename or 'output'}: {error.strerror or error}")
        case CnnlabError():
            _print_error(f"cnnlab: {error}")
        case _:
            context = getattr(error, "ctx", None)
            command = context.command_path if context else "cnnlab"
            message = _with_value(" ".join(error.format_message().split()).replace("Value error, ", ""), error)
            if message:  # without one, typer has printed the help
                _print_error(f"{command}: {message.rstrip('.')}; see `{command} --help`")


def _with_value(message: str, error: Exception) -> str:
    """pydantic's `Input should be a valid integer, unable to parse …` as `expected a valid integer, got '1.5'`."""
    errors = getattr(error.__cause__, "errors", None)
    if "Input should be " not in message or errors is None:
        return message
    from cnnlab.messages import shorten

    expected = re.sub(r", unable to parse .*", "", message).replace("Input should be ", "expected ")
    expected = re.sub("expected (greater|less)", r"expected a number \1", expected)
    return f"{expected}, got {shorten(errors()[0]['input'])}"


def _show_warning(message: Warning | str, *_: object) -> None:
    """A library's warning as one line, without its source."""
    _print_error(f"cnnlab: warning: {' '.join(str(message).split())}")


def _print_error(line: str) -> None:
    """One line, whatever was typed: control characters as escapes, the middle of a very long one left out."""
    line = printable(line)
    if len(line) > LONGEST_LINE:
        line = f"{line[: LONGEST_LINE // 2]} … {line[-LONGEST_LINE // 2 :]}"
    print(line, file=sys.stderr)
