"""Work that is handed out to processes one piece at a time."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Empty
from typing import Any, Protocol

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cnnlab.config.load import to_dict
from cnnlab.experiment.schema import Experiment
from cnnlab.jobs.processes import Process, Processes
from cnnlab.runs import Run
from cnnlab.terminal import stderr, warn

POLL_SECONDS = 2.0
MOST_UNBEGUN = 3  # ends of a process before it has begun anything, after which no other takes its place


@dataclass(frozen=True)
class Assignment:
    """What a process trains: a new run of that name in `folder`, one that is resumed, or one that is verified.

    `key` is what the work knows it by. After every epoch `Work.goes_on` is asked where `asks`.
    """

    key: int
    experiment: Experiment
    folder: Path
    name: str | None = None
    resumes: Run | None = None
    verifies: Run | None = None
    asks: bool = False
    label: str = ""

    @property
    def message(self) -> dict[str, Any]:
        """What a process reads."""
        runs = {"resume": self.resumes, "verify": self.verifies}
        what = {key: str(run.path) for key, run in runs.items() if run}
        return {
            **what,
            "experiment": to_dict(self.experiment),
            "name": self.name,
            "runs": str(self.folder),
            "asks": self.asks,
        }


class Later:
    """There is nothing to do now, and there may be later."""


class Work(Protocol):
    """What the pool asks for, and tells."""

    @property
    def total(self) -> int:
        """The number of pieces."""

    @property
    def done(self) -> int:
        """The number of those that have ended."""

    def take(self) -> Assignment | Later | None:
        """The next piece; None where nothing is left."""

    def give_back(self, assignment: Assignment) -> None:
        """It was not begun."""

    def goes_on(self, assignment: Assignment, row: Mapping[str, Any]) -> bool:
        """Whether it is worth another epoch after this `row` of metrics.csv."""

    def ended(self, assignment: Assignment, event: Mapping[str, Any]) -> None:
        """The event `finished`, `pruned`, `failed` or `interrupted` of a process."""

    def lost(self, assignment: Assignment, number: int, run: Run, how: str) -> bool:
        """The process of this number ended within this run; whether another one takes its place."""

    @property
    def stops(self) -> bool:
        """Whether nothing more is to be begun."""


class Listed:
    """The part of work that is a list, each piece of which is done to its end."""

    def __init__(self, assignments: Iterable[Assignment]) -> None:
        self._waiting = list(assignments)

    def take(self) -> Assignment | None:
        """The next."""
        return self._waiting.pop(0) if self._waiting else None

    def give_back(self, assignment: Assignment) -> None:
        """As the next again."""
        self._waiting.insert(0, assignment)

    def goes_on(self, assignment: Assignment, row: Mapping[str, Any]) -> bool:
        """To the end."""
        return True


@dataclass
class _Slot:
    """A process, what it trains, and its line on the terminal."""

    number: int
    process: Process
    bar: Any
    assignment: Assignment | None = None
    run: Run | None = None
    """The folder of what it trains, once there is one."""
    is_waiting: bool = False
    is_replaced: bool = False


class Pool:
    """Processes that get their work one piece at a time until nothing is left."""

    def __init__(self, work: Work, processes: Processes, count: int, progress: Progress) -> None:
        self._work, self._processes, self._progress = work, processes, progress
        self._total = progress.add_task("", total=work.total, what="runs", completed=work.done)
        self._slots = [
            _Slot(number, processes.start(number), progress.add_task("", total=1, what=f"{number + 1}: starting"))
            for number in range(count)
        ]
        self._ended_before_begun = 0
        self.peak = 0
        """The largest peak memory of a process, in bytes."""

    def serve(self) -> None:
        """Until all processes have ended."""
        for slot in self._slots:
            self._give(slot)
        running = len(self._slots)
        while running:
            try:
                number, event = self._processes.events.get(timeout=POLL_SECONDS if self._are_waiting else None)
            except Empty:
                self._give_waiting()
                continue
            slot = self._slots[number]
            if event is None:
                if self._is_replaced(slot):
                    slot.process = self._processes.start(number)
                    self._give(slot)
                else:
                    running -= 1
            else:
                self._handle(slot, event)

    def _handle(self, slot: _Slot, event: Mapping[str, Any]) -> None:
        if slot.assignment is None:
            return
        if event["event"] == "begun":
            slot.run = Run(Path(event["run"]))
            return
        if event["event"] == "epoch":
            row = event["row"]
            self._progress.update(slot.bar, completed=row["epoch"])
            if slot.assignment.asks:
                slot.process.write({"go_on": self._work.goes_on(slot.assignment, row) or self._is_stopping})
            return
        if event["event"] == "interrupted" and not self._processes.signals:  # it alone: it ends, and others do not
            slot.is_replaced = self._lose(slot, "was interrupted")
            return
        assignment, slot.assignment, slot.run = slot.assignment, None, None
        self.peak = max(self.peak, event.get("peak", 0))
        self._work.ended(assignment, event)
        self._progress.update(self._total, total=self._work.total, completed=self._work.done)
        if event["event"] != "interrupted":
            self._give(slot)
        self._give_waiting()

    @property
    def _is_stopping(self) -> bool:
        return bool(self._processes.signals) or self._work.stops

    @property
    def _are_waiting(self) -> bool:
        return any(slot.is_waiting for slot in self._slots)

    def _give_waiting(self) -> None:
        for slot in self._slots:
            if slot.is_waiting:
                self._give(slot)

    def _give(self, slot: _Slot) -> None:
        """The next piece of work, or none: then the process ends."""
        taken = None if self._is_stopping else self._work.take()
        slot.is_waiting = isinstance(taken, Later)
        if isinstance(taken, Later):
            self._progress.update(slot.bar, total=1, completed=0, what=f"{slot.number + 1}: waiting")
            return
        slot.assignment = taken
        if taken is not None:
            what = f"{slot.number + 1}: {taken.label}"
            self._progress.update(slot.bar, total=taken.experiment.train.epochs, completed=0, what=what)
        if not slot.process.write(taken.message if taken else None) and taken is not None:
            self._work.give_back(taken)  # the process has ended, without having begun it
            slot.assignment = None

    def _is_replaced(self, slot: _Slot) -> bool:
        """Whether another process takes the place of one that has ended."""
        how = slot.process.how_it_ended()
        is_replaced = slot.is_waiting or slot.is_replaced
        slot.is_waiting = slot.is_replaced = False
        if slot.assignment is not None:
            is_replaced = self._lose(slot, how)
        return is_replaced and not self._is_stopping

    def _lose(self, slot: _Slot, how: str) -> bool:
        """Note that a process ends within its work; whether another one takes its place."""
        assignment, run = slot.assignment, slot.run
        slot.assignment = slot.run = None
        if assignment is None:
            return False
        if run is None:
            self._work.give_back(assignment)
            self._ended_before_begun += 1
            if not self._processes.signals:
                warn(f"process {slot.number + 1} {how} before it had begun {assignment.label}")
            return self._ended_before_begun < MOST_UNBEGUN * len(self._slots)
        if self._processes.signals:
            self._work.ended(assignment, {"event": "interrupted", "run": str(run.path)})
            return False
        return self._work.lost(assignment, slot.number + 1, run, how)


@contextmanager
def shown(quiet: bool) -> Iterator[Progress]:
    """A line for each process, and one for all runs with the time that is left; on a terminal only."""
    console = stderr()
    what = TextColumn("{task.fields[what]}", markup=False)
    columns = (what, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as progress:
        yield progress
