"""How long experiments will take, measured in a process of its own."""

from collections.abc import Sequence
from dataclasses import dataclass

from cnnlab.config.load import to_dict
from cnnlab.experiment.schema import Experiment
from cnnlab.jobs.cores import Shares
from cnnlab.jobs.processes import Processes, interruption


@dataclass(frozen=True)
class Speed:
    """Seconds until the first step has ended, and seconds per epoch."""

    start: float
    epoch: float


def measure(experiments: Sequence[Experiment], shares: Shares) -> list[Speed]:
    """Of each, with the share of one process; fewer where one cannot be trained, which its training will say."""
    found: list[Speed] = []
    with Processes(shares.variables[:1]) as processes:
        process = processes.start(0)
        for experiment in experiments:
            if not process.write({"measure": True, "experiment": to_dict(shares.limited(experiment))}):
                break
            _, event = processes.events.get()
            if event is None or event["event"] != "measured":
                break
            found.append(Speed(event["start"], event["epoch"]))
        process.write(None)
    if processes.signals:
        raise interruption(processes.signals, "interrupted")
    return found
