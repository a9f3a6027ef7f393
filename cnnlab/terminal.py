"""What people see on standard error: warnings and progress. Standard output is for results."""

import functools
import sys

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn


@functools.cache
def stderr() -> Console:
    """The console of warnings and progress."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def warn(message: str) -> None:
    """One line that a person should know, whatever else is quiet."""
    print(f"cnnlab: warning: {message}", file=sys.stderr)


def download_progress() -> Progress:
    """A bar that counts bytes."""
    return Progress(
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn(), console=stderr()
    )
