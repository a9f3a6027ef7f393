"""Time to a table of several seeds: `cnnlab train --jobs auto` against one process, for four of the course's networks.

`python -m benchmarks.parallel_runs [--seeds 10] [--rounds 3] [--networks fc,…]`; the measurements go into
docs/benchmarks-jobs.json, which keeps those of networks that are not measured again, and the page about them into
docs/benchmarks-jobs.md. Both train the same seeds of the shipped experiment, but for fc with fewer epochs than its own,
and the ratio is of whole commands, imports and all, alternating; medians. The peak memory is that of one process.
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

from benchmarks.page import DOCS, machine
from cnnlab.cli.tables import Format, render
from cnnlab.config.load import load
from cnnlab.jobs.cores import available_cores, count_of, parallel_fraction

SHORTER = {
    "fc": [],
    "mlp-ce": ["--epochs", "8"],
    "lenet": ["--epochs", "3"],
    "cnn-32-64": ["--epochs", "1", "--limit", "10000"],
}
"""What makes the experiments short enough to be repeated."""
DATA = DOCS / "benchmarks-jobs.json"
TEXT = """\
# Several seeds at once

`python -m benchmarks.parallel_runs` wrote this page, on {machine}.

`cnnlab train --seeds {seeds} --jobs auto` against the same command without `--jobs`, which trains the seeds one after
another in one process that computes with all {cores} cores. Medians of {rounds}, of whole commands. `jobs` is how many
processes `auto` took.

{table}

## What `auto` chooses

`speedup` is how many times faster an epoch is with two threads alone than with one thread beside another such process,
medians of {rounds}; `table` is what the code takes it to be (`SPEEDUPS` in `cnnlab/jobs/cores.py`). At less than 2, two
processes of one thread finish many seeds first.

{speedups}

From that follow, by Amdahl's law for more than two threads, which were not measured, and with enough memory, these
numbers of processes for 10 and for 60 runs:

{choices}
"""


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.parallel_runs")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--networks", default=",".join(SHORTER))
    options = parser.parse_args()
    names = options.networks.split(",")
    measured = json.loads(DATA.read_text(encoding="utf-8")) if DATA.is_file() else {}
    for name in names:
        measured[name] = {
            "speedup": _speedup(name, options.rounds),
            "comparison": _compare(name, options.seeds, options.rounds),
        }
        DATA.write_text(json.dumps(measured, indent=2) + "\n", encoding="utf-8")
    networks = [name for name in SHORTER if name in measured]
    rows = [measured[name]["comparison"] for name in networks]
    speedups = [{**measured[name]["speedup"], "table": _table_speedup(name)} for name in networks]
    page = TEXT.format(
        machine=machine(),
        seeds=options.seeds,
        rounds=options.rounds,
        cores=available_cores(),
        table=render(rows, list(rows[0]), Format.MD),
        speedups=render(speedups, list(speedups[0]), Format.MD),
        choices=render(choices := [_choices(name) for name in networks], list(choices[0]), Format.MD),
    )
    (DOCS / "benchmarks-jobs.md").write_text(page, encoding="utf-8")
    print(page)


def _speedup(name: str, rounds: int) -> dict[str, Any]:
    """Of two threads alone against one thread beside another process."""
    two = statistics.median(_epochs(name, 2, 1)[0] for _ in range(rounds))
    one = statistics.median(statistics.mean(_epochs(name, 1, 2)) for _ in range(rounds))
    row = {"network": name, "one_thread": one, "two_threads": two, "speedup": one / two}
    print(*row.values(), file=sys.stderr, flush=True)
    return row


def _table_speedup(name: str) -> float:
    """The speedup that the code takes a network to have."""
    return round(1 / (1 - parallel_fraction(load(name)) / 2), 2)


def _epochs(name: str, threads: int, processes: int) -> list[float]:
    """Seconds per epoch of processes at the same time."""
    more = ["--set", f"train.threads={threads}", "--epochs", "5", "--format", "json"]
    limit = SHORTER[name][2:]
    command = [sys.executable, "-m", "cnnlab", "bench", name, *more]
    if limit:
        command += ["--set", f"data.limit={limit[1]}"]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) for _ in range(processes)]
    return [json.loads(process.communicate()[0])["seconds_per_epoch"] for process in started]


def _choices(name: str) -> dict[str, Any]:
    """What `auto` chooses on machines of other numbers of cores."""
    experiment = load(name)
    return {
        "network": name,
        **{
            f"{cores} cores, {runs} runs": count_of("auto", runs, experiment, cores)
            for cores in (2, 8, 16, 64)
            for runs in (10, 60)
        },
    }


def _compare(name: str, seeds: int, rounds: int) -> dict[str, Any]:
    seconds: dict[str, list[float]] = {"one": [], "jobs": []}
    peak, count = "", 1
    for _ in range(rounds):
        for kind, more in (("one", []), ("jobs", ["--jobs", "auto"])):
            with tempfile.TemporaryDirectory() as folder:
                options = [*SHORTER[name], "--seeds", str(seeds), "--runs", folder, *more]
                started = time.perf_counter()
                done = subprocess.run(
                    [sys.executable, "-m", "cnnlab", "train", name, *options],
                    capture_output=True,
                    text=True,
                    check=True,
                )
                seconds[kind].append(time.perf_counter() - started)
                if found := re.search(r"(\d+) processes of", done.stderr):
                    count = int(found[1])
                if found := re.search("peak memory of a process: (.*)", done.stderr):
                    peak = found[1]
    one, jobs = (statistics.median(some) for some in seconds.values())
    row = {"network": " ".join([name, *SHORTER[name]]), "one_process": one, "at_once": jobs, "ratio": jobs / one}
    print(*row.values(), peak, file=sys.stderr, flush=True)
    return {**row, "jobs": count, "memory_of_a_job": peak}


if __name__ == "__main__":
    main()
