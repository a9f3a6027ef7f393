"""`python -m cnnlab.cli.job`: a process that trains one run after another for `cnnlab.jobs`.

Each line of standard input is a run to train, `{"experiment": …, "name": …, "runs": …, "asks": …}`, with `resume` where
it is one to go on with, or `measure` where only its speed is asked for. Lines of standard output say what happens:
`epoch`, which is answered by `{"go_on": …}` where the run `asks`; `measured`, `finished`, `pruned`, `failed`; and
`interrupted` before it ends. Where its input ends, so does it, at once: whoever gave the runs is gone.
"""

import contextlib
import json
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from cnnlab.errors import CnnlabError, Interrupted, Pruned

if TYPE_CHECKING:
    from cnnlab.training.tasks import Task

Message = Mapping[str, Any]


def main() -> int:
    """Train what comes; the exit code."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)  # what a library prints is no answer
    receive = _receiver()
    message = receive()
    if message is None:
        return 0
    from cnnlab.cli.tensorflow import import_tensorflow
    from cnnlab.experiment.schema import Experiment

    experiment = Experiment.model_validate(message["experiment"], strict=False)
    import_tensorflow(experiment.train.devices, experiment.train.threads)
    from cnnlab.training.train import Trainers, train

    trainers = Trainers()

    def tell(event: str, **more: Any) -> None:
        with contextlib.suppress(OSError):  # whoever listened is gone, which the thread below notices
            print(json.dumps({"event": event, **more}), file=answers)

    def after_epoch(row: Message) -> bool:
        tell("epoch", row=row)
        answer = receive() if asks else None
        if answer is not None and not answer["go_on"]:
            raise Pruned(f"pruned after epoch {row['epoch']}: other trials are ahead of it")
        return False

    while message is not None:
        if message.get("measure"):
            tell("measured", **_speed(message))
            message = receive()
            continue
        asks = message["asks"]
        try:
            task = _task(message)
            (trained,) = train([task], Path(message["runs"]), after_epoch=after_epoch, trainers=trainers)
        except Interrupted as error:
            tell("interrupted", message=str(error))
            return error.exit_code
        except Pruned as error:
            tell("pruned", message=str(error))
        except CnnlabError as error:
            tell("failed", message=str(error), error=type(error).__name__)
        else:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
            tell("finished", run=str(trained.run.path), evaluation=trained.evaluation, peak=peak)
        message = receive()
    return 0


def _task(message: Message) -> "Task":
    from cnnlab.experiment.schema import Experiment
    from cnnlab.runs import Run
    from cnnlab.training.resume.plan import plan
    from cnnlab.training.tasks import NewRun

    if "resume" in message:
        return plan(Run(Path(message["resume"])), trust=True)  # its experiment is that of whoever gave it
    return NewRun(Experiment.model_validate(message["experiment"], strict=False), message["name"])


def _speed(message: Message) -> dict[str, float]:
    from cnnlab.experiment.schema import Experiment
    from cnnlab.training.estimate import measure

    start, epoch = measure(Experiment.model_validate(message["experiment"], strict=False))
    return {"start": start, "epoch": epoch}


def _receiver() -> Callable[[], Message | None]:
    """What waits for the next line of standard input; None for `end`.

    A thread reads them, so that their end is noticed at once.
    """
    lines: SimpleQueue[Message | None] = SimpleQueue()

    def read() -> None:
        for line in sys.stdin:
            if line.strip() == "end":
                lines.put(None)
                return
            lines.put(json.loads(line))
        os.kill(os.getpid(), signal.SIGTERM)  # saves the run, and ends
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    return lines.get


if __name__ == "__main__":
    sys.exit(main())
