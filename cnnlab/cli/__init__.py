"""The command line: every command parses, calls, prints. This is the one place that presents errors."""

import os
import sys
import warnings

import typer

from cnnlab.errors import CnnlabError, ConfigError, Interrupted, printable

LONGEST_LINE = 500  # characters; what was typed can be of any length


def main() -> None:
    """Run `cnnlab` on the process's arguments, and exit."""
    _prepare_output()
    warnings.showwarning = _show_warning  # type: ignore[assignment]
    from cnnlab.cli.app import app

    # Taken out here, so that it works anywhere on the line: it is wanted after an error, typed at the end.
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = arguments != sys.argv[1:]
    try:
        code = app(arguments, prog_name="cnnlab", standalone_mode=False) or 0
        if code == Interrupted.exit_code:
            _print_error("cnnlab: interrupted")
        sys.exit(code)
    except typer.Abort:
        _print_error("cnnlab: nothing is done")
        sys.exit(1)
    except MemoryError as error:
        if debug:
            raise
        reason = f": {error}" if str(error) else ""
        _print_error(f"cnnlab: out of memory{reason}; try smaller data or a smaller network")
        sys.exit(1)
    except (CnnlabError, typer.TyperException, OSError) as error:
        if debug:
            raise
        _present(error)
        sys.exit(1 if isinstance(error, OSError) else error.exit_code)


def _prepare_output() -> None:
    """Have both outputs take every text: one that is closed, none; one that lacks a character, its escape."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - for the whole process
        else:
            stream.reconfigure(errors="backslashreplace")


def _present(error: CnnlabError | typer.TyperException | OSError) -> None:
    if isinstance(error, ConfigError):
        for problem in error.problems:
            _print_error(f"cnnlab: {problem}")
    elif isinstance(error, OSError):
        _print_error(f"cnnlab: {error.filename or 'output'}: {error.strerror or error}")
    elif isinstance(error, CnnlabError):
        _print_error(f"cnnlab: {error}")
    else:
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "cnnlab"
        message = " ".join(error.format_message().split()).replace("Value error, ", "")
        if message:  # without one, typer has printed the help
            _print_error(f"{command}: {message.rstrip('.')}; see `{command} --help`")


def _show_warning(message: Warning | str, *_: object) -> None:
    """A library's warning as one line, without its source."""
    _print_error(f"cnnlab: warning: {' '.join(str(message).split())}")


def _print_error(line: str) -> None:
    """One line, whatever was typed: control characters as escapes, the middle of a very long one left out."""
    line = printable(line)
    if len(line) > LONGEST_LINE:
        line = f"{line[: LONGEST_LINE // 2]} … {line[-LONGEST_LINE // 2 :]}"
    print(line, file=sys.stderr)
