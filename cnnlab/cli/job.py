"""`python -m cnnlab.cli.job`: a process that trains one run after another for `cnnlab.jobs`.

Each line of standard input is a run to train, `{"experiment": …, "name": …, "runs": …, "asks": …}`, with `resume` where
it is one to go on with, `verify` where it is one to train again and compare, or `measure` where only its speed is asked
for. Lines of standard output say what happens: `begun`; `epoch`, which is answered by `{"go_on": …}` where the run
`asks`; `measured`, `verified`, `finished`, `pruned`, `failed`; and `interrupted` before it ends. Where its input ends,
so does it, at once: whoever gave the runs is gone.
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
from typing import TYPE_CHECKING, Any, TextIO

from cnnlab.errors import CnnlabError, Interrupted, Pruned

if TYPE_CHECKING:
    from cnnlab.runs import Run
    from cnnlab.training.tasks import Task
    from cnnlab.training.train import Trainers

Message = Mapping[str, Any]


def main() -> int:
    """Train what comes; the exit code."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)  # what a library prints is no answer
    stopping = (signal.SIGINT, signal.SIGTERM)
    for number in stopping:  # while nothing is trained
        signal.signal(number, lambda number, frame: os._exit(128 + number))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, stopping)  # whoever started us blocked them
    return _Job(answers, _receiver()).serve()


class _Job:
    """Trains what it receives, and tells what happens."""

    def __init__(self, answers: TextIO, receive: Callable[[], Message | None]) -> None:
        self._answers, self._receive = answers, receive
        self._run: str | None = None
        self._asks = False

    def serve(self) -> int:
        """Until there is nothing more; the exit code."""
        message = self._receive()
        if message is None:
            return 0
        try:
            _import(message)
        except CnnlabError as error:
            return self._fail(error)
        from cnnlab.training.train import Trainers

        trainers = Trainers()
        while message is not None:
            if message.get("measure"):
                self._measure(message)
            elif "verify" in message:
                if (code := self._verify(message, trainers)) is not None:
                    return code
            elif (code := self._train(message, trainers)) is not None:
                return code
            message = self._receive()
        return 0

    def _train(self, message: Message, trainers: "Trainers") -> int | None:
        """Train a run; the exit code where that was interrupted."""
        from cnnlab.training.train import train

        self._run, self._asks = None, message["asks"]
        folder = Path(message["runs"])
        try:
            task = _task(message)
            (trained,) = train(
                [task], folder, on_begun=self._on_begun, after_epoch=self._after_epoch, trainers=trainers
            )
        except Interrupted as error:
            self._tell("interrupted", run=self._run)
            return error.exit_code
        except Pruned as error:
            self._tell("pruned", message=str(error))
        except CnnlabError as error:
            self._fail(error)
        else:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
            self._tell("finished", run=str(trained.run.path), evaluation=trained.evaluation, peak=peak)
        return None

    def _measure(self, message: Message) -> None:
        try:
            self._tell("measured", **_speed(message))
        except CnnlabError as error:
            self._fail(error)

    def _verify(self, message: Message, trainers: "Trainers") -> int | None:
        """Train a run again, and compare; the exit code where that was interrupted."""
        from cnnlab.analysis.verify import verify
        from cnnlab.runs import Run

        self._asks = False
        run = Run(Path(message["verify"]))
        self._on_begun(run)
        try:
            verdict = verify(run, after_epoch=self._after_epoch, trainers=trainers)
        except Interrupted as error:
            self._tell("interrupted", run=self._run)
            return error.exit_code
        except CnnlabError as error:
            self._fail(error)
        else:
            self._tell("verified", verdict=verdict.as_dict())
        return None

    def _on_begun(self, run: "Run") -> None:
        self._run = str(run.path)
        self._tell("begun", run=self._run)

    def _after_epoch(self, row: Message) -> bool:
        self._tell("epoch", row=row)
        answer = self._receive() if self._asks else None
        if answer is not None and not answer["go_on"]:
            raise Pruned(f"pruned after epoch {row['epoch']}: other trials are ahead of it")
        return False

    def _fail(self, error: CnnlabError) -> int:
        self._tell("failed", message=str(error), error=type(error).__name__)
        return error.exit_code

    def _tell(self, event: str, **more: Any) -> None:
        with contextlib.suppress(OSError):  # whoever listened is gone, which the thread below notices
            print(json.dumps({"event": event, **more}), file=self._answers)


def _import(message: Message) -> None:
    from cnnlab.cli.tensorflow import import_tensorflow
    from cnnlab.experiment.schema import Experiment

    settings = Experiment.model_validate(message["experiment"], strict=False).train
    import_tensorflow(settings.devices, settings.threads)


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
