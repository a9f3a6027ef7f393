"""`python -m cnnlab.cli.job`: a process that trains one task after another for `cnnlab train --jobs`.

Each line of standard input is a task, `{"experiment": …, "name": …, "runs": …}`; lines of standard output say what
happens: `begun`, `epoch`, `finished`, `failed`, and `interrupted` before it ends. Where its input ends, so does it, at
once: whoever gave the tasks is gone.
"""

import contextlib
import json
import os
import resource
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from cnnlab.errors import CnnlabError, Interrupted


def main() -> int:
    """Serve tasks; the exit code."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)  # what a library prints is no answer
    tasks = _tasks()
    first = next(tasks, None)
    if first is None:
        return 0
    from cnnlab.cli.tensorflow import import_tensorflow
    from cnnlab.experiment.schema import Experiment

    experiment = Experiment.model_validate(first["experiment"], strict=False)
    import_tensorflow(experiment.train.devices, experiment.train.threads)
    from cnnlab.training.tasks import NewRun
    from cnnlab.training.train import Trainers, train

    trainers = Trainers()

    def tell(event: str, **more: Any) -> bool:
        with contextlib.suppress(OSError):  # whoever listened is gone, which the thread below notices
            print(json.dumps({"event": event, **more}), file=answers)
        return False

    task: Mapping[str, Any] | None = first
    while task is not None:
        experiment = Experiment.model_validate(task["experiment"], strict=False)
        tell("begun")
        try:
            (trained,) = train(
                [NewRun(experiment, task["name"])],
                Path(task["runs"]),
                after_epoch=lambda row: tell("epoch", epoch=row["epoch"]),
                trainers=trainers,
            )
        except Interrupted as error:
            tell("interrupted", message=str(error))
            return error.exit_code
        except CnnlabError as error:
            tell("failed", message=str(error), error=type(error).__name__)
        else:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
            tell("finished", run=str(trained.run.path), evaluation=trained.evaluation, peak=peak)
        task = next(tasks, None)
    return 0


def _tasks() -> Iterator[dict[str, Any]]:
    """The lines of standard input as they come; a thread waits for them, so that their end is noticed at once."""
    lines: SimpleQueue[str | None] = SimpleQueue()

    def read() -> None:
        for line in sys.stdin:
            if line.strip() == "end":
                lines.put(None)
                return
            lines.put(line)
        os.kill(os.getpid(), signal.SIGTERM)  # saves the run, and ends
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    while (line := lines.get()) is not None:
        yield json.loads(line)


if __name__ == "__main__":
    sys.exit(main())
