"""Everything that can go wrong, on one page.

Raise a `CnnlabError` anywhere; `cnnlab.cli.main` presents it as one line and exits with its code.
A message says what happened, where, what was expected and what to do next.

    CnnlabError                 exit 1: the work failed
    ├── DataError               a file of examples that cannot be used
    │   └── DownloadError       a data set that cannot be fetched
    ├── RunError                a run folder that cannot be read or written
    ├── TrainingError           training that cannot continue
    │   ├── Diverged            a loss that is no longer a number
    │   └── Pruned              a trial of a sweep that others are ahead of
    ├── ExportError             a network that another runtime does not take, or computes differently
    ├── Interrupted             exit 130: Ctrl-C
    │   └── Terminated          exit 143: SIGTERM
    └── RequestError            exit 2: the request was wrong
        └── ConfigError         an experiment that is not one; every problem of it at once
"""

from collections.abc import Sequence


class CnnlabError(Exception):
    """What a user can understand and mend; its text is a single line."""

    exit_code = 1


class DataError(CnnlabError):
    """A file of examples that is missing, damaged or not what it should be."""

    def __init__(self, message: str) -> None:
        """One line, whatever a file is called."""
        super().__init__(printable(message))


class DownloadError(DataError):
    """A data set that cannot be fetched: no network, no mirror, or not the genuine bytes."""


class RunError(CnnlabError):
    """A run folder that is missing, incomplete, damaged or cannot be written."""

    def __init__(self, message: str) -> None:
        """One line, whatever stands in a file."""
        super().__init__(printable(message))


class TrainingError(CnnlabError):
    """Training that cannot continue, such as for lack of memory."""


class Diverged(TrainingError):
    """Training whose loss is no longer a number."""


class Pruned(TrainingError):
    """A trial of a sweep that was ended early, since others are ahead of it."""


class ExportError(CnnlabError):
    """A network that another runtime cannot run, or whose results differ there."""

    def __init__(self, message: str) -> None:
        """One line, whatever a converter prints."""
        super().__init__(printable(message))


class Interrupted(CnnlabError):
    """Training that the user ended."""

    exit_code = 130


class Terminated(Interrupted):
    """Training that the system ended, as schedulers do."""

    exit_code = 143


class RequestError(CnnlabError):
    """A request that cannot be served as it stands: an option, an argument, a path."""

    exit_code = 2


class ConfigError(RequestError):
    """An experiment file or option that does not describe an experiment."""

    def __init__(self, *problems: str) -> None:
        """One line a problem, each `place: key: what was got, what was expected`."""
        self.problems: Sequence[str] = [printable(problem) for problem in problems]
        super().__init__("\n".join(self.problems))


def printable(text: str) -> str:
    """`text` as a single line that no terminal can mistake: what cannot be printed as its escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
