"""Where the seconds and the memory of a start go: the stages of `cnnlab train` up to the end of the first epoch.

Medians of several starts, one after the other. Memory is what is resident after a stage: the process's own, and pages
of files, which are libraries. The last row is a Python that has imported PyTorch only, for comparison.
"""

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from cnnlab.quantities import Bytes

EXPERIMENTS = ("fc", "lenet")
PYTORCH = """
import time; started = time.perf_counter()
import json, resource, torch
from benchmarks.contestants.stages import memory
usage = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps([{"stage": "import PyTorch", "seconds": time.perf_counter() - started,
                   "processor_seconds": usage.ru_utime + usage.ru_stime, **memory()}]))
"""


def tables(rounds: int, data_dir: Path, torch: str | None) -> list[list[dict[str, Any]]]:
    """One table per experiment of EXPERIMENTS, whose MNIST is in `data_dir`; `torch` is a Python with PyTorch."""
    environment = {**os.environ, "CNNLAB_DATA_DIR": str(data_dir), "TF_CPP_MIN_LOG_LEVEL": "3"}
    commands = {name: [sys.executable, "-m", "benchmarks.contestants.stages", name] for name in EXPERIMENTS}
    found = [_medians(rounds, command, environment) for command in commands.values()]
    if torch:
        found[0] += _medians(rounds, [torch, "-c", PYTORCH], environment)
    return [[{"experiment": name, **row} for row in rows] for name, rows in zip(EXPERIMENTS, found, strict=True)]


def _medians(rounds: int, command: list[str], environment: dict[str, str]) -> list[dict[str, Any]]:
    starts = []
    for _ in range(rounds + 1):  # the first fills the disk cache
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        starts.append(json.loads(done.stdout.splitlines()[-1]))
    rows = []
    for stages in zip(*starts[1:], strict=True):
        middle = {key: statistics.median(stage[key] for stage in stages) for key in stages[0] if key != "stage"}
        rows.append(
            {
                "stage": stages[0]["stage"],
                "seconds": middle["seconds"],
                "processor_seconds": middle["processor_seconds"],
                "own_memory": Bytes(middle["own_memory"]),
                "file_memory": Bytes(middle["file_memory"]),
            }
        )
        print(*rows[-1].values(), file=sys.stderr, flush=True)
    return rows
