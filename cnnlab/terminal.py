"""Warnings and progress on standard error. Standard output is for results."""

import functools
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
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

# Runs in a process of its own, so that what TensorFlow says before it aborts still reaches the terminal.
# Dropped: glog's I and W lines, absl's notice about itself, the list of CPU instructions, what a TensorFlow built for
# GPUs calls an error on a machine that has none, and what LiteRT and its converter say of their work.
_FILTER = r"""
import re, sys
chatter = re.compile(
    rb"[IW]\d{4} |[\d-]+ [\d:.]+: [IW] |WARNING: All log messages before absl|To enable the following instructions"
    rb"|.*(failed call to cuInit|Unable to register cu(DNN|FFT|BLAS) factory|computation placer already registered)"
    rb"|fully_quantize: |INFO: (Created TensorFlow Lite|Initialized TensorFlow Lite)"
)
for line in sys.stdin.buffer:
    if not chatter.match(line):
        sys.stderr.buffer.write(line)
        sys.stderr.buffer.flush()
"""


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
    return f"`{' '.join(['cnnlab', *map(quoted, words)])}`"


def quoted(word: str | Path) -> str:
    """A word of a command as a shell takes it; a path that begins with a hyphen is no option."""
    return shlex.quote(f"./{word}" if isinstance(word, Path) and str(word).startswith("-") else str(word))


def download_progress() -> Progress:
    """A bar that counts bytes, on a terminal only."""
    return _progress(BarColumn(bar_width=20), DownloadColumn())  # narrow: a file's name must fit into 80 columns


def image_progress() -> Progress:
    """A bar that counts images, on a terminal only."""
    return _progress(BarColumn(), MofNCompleteColumn())


def prediction_progress() -> Progress:
    """A bar that counts images, on a terminal only, and not where rows are printed on it too."""
    return _progress(BarColumn(), MofNCompleteColumn(), disable=sys.stdout.isatty())


def rate_progress(*, disable: bool) -> Progress:
    """A bar that counts steps, on a terminal only; it goes when they are done."""
    return _progress(BarColumn(), MofNCompleteColumn(), disable=disable, transient=True)


def _progress(*columns: ProgressColumn, disable: bool = False, transient: bool = False) -> Progress:
    console = stderr()
    columns = (TextColumn("{task.description}", markup=False), *columns, TimeRemainingColumn())
    return Progress(*columns, console=console, transient=transient, disable=disable or not console.is_terminal)


@contextmanager
def filtered_stderr() -> Iterator[None]:
    """Send file descriptor 2, where native code writes, through the filter."""
    try:
        terminal = os.dup(2)
    except OSError:  # closed: nobody is listening
        yield
        return
    reading, writing = os.pipe()
    with subprocess.Popen([sys.executable, "-I", "-S", "-c", _FILTER], stdin=reading, start_new_session=True):
        os.close(reading)
        os.dup2(writing, 2)
        os.close(writing)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(terminal, 2)  # the last writer of the pipe is gone: the filter ends
            os.close(terminal)
