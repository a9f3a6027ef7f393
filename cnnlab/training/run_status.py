"""How a run ended, told truly in run.json and on the terminal."""

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import tensorflow as tf

from cnnlab.errors import CnnlabError, Diverged, Interrupted, RunError, Terminated, TrainingError
from cnnlab.runs import Run, checkpoints
from cnnlab.runs.folder import now
from cnnlab.terminal import proposed
from cnnlab.training.interrupts import Stopped


@contextmanager
def told_of(run: Run | None, batch_size: int) -> Iterator[None]:
    """Have run.json, where there is a run, tell how the work inside ended, whatever happens."""
    try:
        yield
    except KeyboardInterrupt as error:
        interrupted(run)
        kind = Terminated if isinstance(error, Stopped) and error.number == signal.SIGTERM else Interrupted
        raise kind(f"interrupted; {_how_to_go_on(run)}" if run else "interrupted") from None
    except BaseException as error:
        status = "diverged" if isinstance(error, Diverged) else "failed"
        message = str(error) if isinstance(error, CnnlabError) else repr(error)
        if run:
            with suppress(CnnlabError):  # what went wrong first is told
                run.update({"status": status, "finished": now(), "error": message})
        if isinstance(error, tf.errors.ResourceExhaustedError):
            place = f"{run.path}: " if run else ""
            advice = "try a smaller network"
            if batch_size > 1:
                advice = f"try a smaller batch, such as --set train.batch_size={batch_size // 2}"
            raise TrainingError(f"{place}out of memory; {advice}") from error
        if run and isinstance(error, Diverged):
            raise Diverged(f"{run.path}: {error}") from error
        if run and isinstance(error, RunError):
            raise RunError(f"{error}; when that is mended, {_how_to_go_on(run)}") from error
        raise


def at_once(run: Run | None, all_runs: Sequence[Run | None] = ()) -> None:
    """What is left to do when the process ends in the midst of something."""
    for one in (run, *all_runs):
        interrupted(one)
    if run:
        os.write(2, f"cnnlab: interrupted; {_how_to_go_on(run)}\n".encode())


def interrupted(run: Run | None) -> None:
    """Have run.json say so, where it says that the run goes on."""
    with suppress(CnnlabError):
        if run and run.record().status == "running":
            run.update({"status": "interrupted", "finished": now()})


def _how_to_go_on(run: Run) -> str:
    places = []
    with suppress(OSError):
        places = checkpoints.places(run)
    return f"{proposed('resume', run.path)} " + (f"goes on after {places[0]}" if places else "begins anew")
