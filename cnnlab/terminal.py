"""Warnings and progress on standard error. Standard output is for results."""

import functools
import shlex
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from cnnlab.errors import printable


@functools.cache
def stderr() -> Console:
    """The console of warnings and progress."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def warn(message: str) -> None:
    """Print a warning, also with --quiet."""
    print(f"cnnlab: warning: {printable(message)}", file=sys.stderr)


def note(message: str) -> None:
    """Print what was decided for the user."""
    print(f"cnnlab: note: {printable(message)}", file=sys.stderr)


def hint(message: str) -> None:
    """Print advice."""
    print(f"cnnlab: hint: {printable(message)}", file=sys.stderr)


def proposed(*words: str | Path) -> str:
    """`cnnlab WORDS` as a message proposes it, quoted for a shell."""
    return f"`{shlex.join(['cnnlab', *map(str, words)])}`"


def download_progress() -> Progress:
    """A bar that counts bytes, on a terminal only."""
    return _progress(BarColumn(bar_width=20), DownloadColumn())  # narrow: a file's name must fit into 80 columns


def decoding_progress() -> Progress:
    """A bar that counts images, on a terminal only."""
    return _progress(BarColumn(), MofNCompleteColumn())


def prediction_progress() -> Progress:
    """A bar that counts images, on a terminal only, and not where rows are printed on it too."""
    return _progress(BarColumn(), MofNCompleteColumn(), disable=sys.stdout.isatty())


def _progress(*columns: ProgressColumn, disable: bool = False) -> Progress:
    description = TextColumn("{task.description}", markup=False)
    disable = disable or not stderr().is_terminal
    return Progress(description, *columns, TimeRemainingColumn(), console=stderr(), disable=disable)
