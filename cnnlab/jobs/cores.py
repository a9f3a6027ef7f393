"""How many processes, and how much of the machine each gets."""

import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from cnnlab import memory
from cnnlab.errors import RequestError
from cnnlab.experiment.network import LayerError
from cnnlab.experiment.schema import THREAD_VARIABLES, Experiment
from cnnlab.experiment.summary import gains_from_xla, summarize_experiment
from cnnlab.messages import pluralize

MOST = 256  # processes
MEMORY = 1_500_000_000  # bytes of a process: LeNet on MNIST takes 0.8 GB
SPEEDUPS = {7_840: 1.0, 315_218: 1.0, 416_520: 1.36, 13_883_904: 1.83}
"""How many times faster two threads train a network of so many multiplications than one thread that has a core beside
another such process: fc, mlp-ce, lenet and cnn-32-64, measured by `python -m benchmarks.parallel_runs`
(docs/benchmarks-jobs.md). The first two are slower with two threads, 0.76 and 0.86, which counts as 1."""
MEASURED_BATCH_SIZE = 128  # of these experiments


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


def count_of(text: str, tasks: int, experiment: Experiment, cores: int | None = None) -> int:
    """How many processes `--jobs TEXT` means for so many runs like this one. Raises RequestError.

    `auto`: as many as finish first by the table SPEEDUPS, and as have room in memory; `cores` are those of another
    machine, with room for all.
    """
    if text != "auto":
        if not re.fullmatch("[0-9]{1,9}", text) or not 1 <= int(text) <= MOST:
            raise RequestError(f"--jobs {text}: expected how many processes, 1 to {MOST}, or auto")
        return min(int(text), tasks)
    room = memory.available() if cores is None else None
    cores = cores or available_cores()
    threads = experiment.train.threads
    most = min(tasks, cores // (threads or 1), MOST)
    if room is not None:
        most = min(most, room // MEMORY)
    counts = range(1, max(most, 1) + 1)
    if threads is not None:
        return counts[-1]
    parallel = parallel_fraction(experiment)
    return min(counts, key=lambda count: math.ceil(tasks / count) * _seconds(cores // count, parallel))


def parallel_fraction(experiment: Experiment) -> float:
    """The part of a training that threads share, by the network of SPEEDUPS whose work is nearest."""
    try:
        found = summarize_experiment(experiment)
    except LayerError:
        return 0.0
    work = max(found.cost.multiplications, 1) * experiment.train.batch_size / MEASURED_BATCH_SIZE
    nearest = min(SPEEDUPS, key=lambda multiplications: abs(math.log(multiplications / work)))
    return 2 * (1 - 1 / SPEEDUPS[nearest])


def for_one_process(experiment: Experiment) -> Experiment:
    """With one thread, where others make the training of a small network slower; else as it is.

    On a CPU alone, and where neither the experiment nor TensorFlow's variables say how many threads compute. They are
    set once per process, so not where TensorFlow has started.
    """
    settings = experiment.train
    is_set = settings.threads is not None or any(map(os.environ.get, (*THREAD_VARIABLES, "TF_CONFIG")))
    if is_set or "tensorflow" in sys.modules or available_cores() == 1 or parallel_fraction(experiment) > 0:
        return experiment
    if isinstance(settings.devices, int) or (settings.devices != "cpu" and gpus()):
        return experiment
    if settings.jit == "auto" and gains_from_xla(experiment):  # which uses all cores
        return experiment
    return experiment.model_copy(update={"train": settings.model_copy(update={"threads": 1})})


def _seconds(threads: int, parallel: float) -> float:
    """Of a training with so many threads, as a fraction of that with one; Amdahl 1967."""
    return 1 - parallel + parallel / threads


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
