"""Finding run folders."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from cnnlab.errors import RequestError, RunError
from cnnlab.runs.folder import Run
from cnnlab.runs.record import RECORD, RunRecord
from cnnlab.terminal import warn


def find(paths: Sequence[Path]) -> Iterator[Run]:
    """The runs at `paths`, run folders or folders of run folders, in natural order of their names.

    Raises RequestError where a path is neither.
    """
    for path in paths:
        if (path / RECORD).is_file():
            yield Run(path)
            continue
        if not path.is_dir():
            raise RequestError(_missing(path))
        inside = in_natural_order(_inside(path))
        if not inside:
            raise RequestError(f"{path}: no runs in this folder; `cnnlab train digits` makes one in runs/")
        yield from map(Run, inside)


def holds_runs(path: Path) -> bool:
    """Whether it is a folder of runs, and no run itself."""
    return path.is_dir() and not (path / RECORD).is_file() and bool(_inside(path))


def read_records(runs: Iterable[Run], damaged: list[Run] | None = None) -> Iterator[RunRecord]:
    """The records of `runs`; those that cannot be read are skipped with a warning, and added to `damaged`."""
    for run in runs:
        try:
            yield run.record()
        except RunError as error:
            warn(f"{error}; skipped")
            if damaged is not None:
                damaged.append(run)


def find_one(path: Path) -> Run:
    """The run at `path`. Raises RequestError if it does not exist."""
    if (path / RECORD).is_file():
        return Run(path)
    if path.is_dir():
        children = _inside(path)
        hint = f"; it contains runs, such as {min(children, key=_natural)}" if children else f": it has no {RECORD}"
        raise RequestError(f"{path}: not a run folder{hint}")
    raise RequestError(_missing(path))


def _inside(folder: Path) -> list[Path]:
    """The run folders in `folder`, except hidden ones: those are being removed."""
    return [child for child in folder.iterdir() if not child.name.startswith(".") and (child / RECORD).is_file()]


def _missing(path: Path) -> str:
    if path.exists():
        return f"{path}: is a file; expected a run folder"
    guess = Path("runs") / path
    return f"{path}: no such folder" + (f"; did you mean {guess}?" if guess.is_dir() else "")


def in_natural_order(paths: Iterable[Path]) -> list[Path]:
    """By their names, lenet-2 before lenet-10."""
    return sorted(paths, key=_natural)


def _natural(path: Path) -> list[tuple[int, str]]:
    """A key that sorts lenet-2 before lenet-10."""
    parts = path.name.replace("_", "-").split("-")
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
