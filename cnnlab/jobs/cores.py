"""How many processes, and how much of the machine each gets."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from cnnlab.errors import RequestError
from cnnlab.experiment.schema import Experiment
from cnnlab.messages import pluralize

MOST = 256  # processes


@dataclass(frozen=True)
class Shares:
    """What each of several processes gets: environment variables, threads, and how that is said."""

    variables: Sequence[Mapping[str, str]]
    threads: int | None
    text: str

    def limited(self, experiment: Experiment) -> Experiment:
        """With the threads that it computes with, which are part of what makes its bits."""
        if self.threads is None or experiment.train.threads is not None:
            return experiment
        return experiment.model_copy(update={"train": experiment.train.model_copy(update={"threads": self.threads})})


def available_cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def count_of(text: str, tasks: int, threads: int | None) -> int:
    """How many processes `--jobs TEXT` means for so many tasks. Raises RequestError.

    `auto`: as many as there are cores, divided by `threads`, that is `train.threads`.
    """
    if text == "auto":
        return max(1, min(tasks, available_cores() // (threads or 1)))
    if not re.fullmatch("[0-9]{1,9}", text) or not 1 <= int(text) <= MOST:
        raise RequestError(f"--jobs {text}: expected how many processes, 1 to {MOST}, or auto")
    return min(int(text), tasks)


def share_out(experiment: Experiment, count: int) -> Shares:
    """The shares of `count` processes in the cores, or in the GPUs where there are some and they are wanted."""
    settings = experiment.train
    threads = settings.threads or max(1, available_cores() // count)
    text = f"{count} processes of {pluralize(threads, 'thread')} each" if count > 1 else ""
    found = gpus() if settings.devices != "cpu" else ()
    if not found:
        return Shares([{} for _ in range(count)], threads if settings.threads is None else None, text)
    # Those that share a GPU must not take all of its memory at once, as TensorFlow does by default.
    variables = [
        {"CUDA_VISIBLE_DEVICES": found[number % len(found)], "TF_FORCE_GPU_ALLOW_GROWTH": "true"}
        for number in range(count)
    ]
    each = "a GPU each" if count <= len(found) else f"which share {pluralize(len(found), 'GPU')}"
    return Shares(variables, None, f"{count} processes, {each}")


@cache
def gpus() -> tuple[str, ...]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them; by nvidia-smi, without TensorFlow."""
    if (visible := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return tuple(name for name in visible.split(",") if name.strip() not in ("", "-1"))
    if not shutil.which("nvidia-smi"):
        return ()
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False).stdout
    return tuple(str(number) for number, line in enumerate(listed.splitlines()) if line.startswith("GPU "))
