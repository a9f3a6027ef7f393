"""Time to a table of several seeds: `cnnlab train --jobs auto` against one process, for four of the course's networks.

`python -m benchmarks.parallel_runs [--seeds 10] [--rounds 3] [--networks fc,…]`, and the table goes into
docs/benchmarks-jobs.md. Both train the same seeds of the shipped experiment, with fewer epochs than its own,
and the ratio is of whole commands, imports and all, alternating; medians. The peak memory is that of one process.
"""

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

from benchmarks.page import DOCS, machine
from cnnlab.cli.tables import Format, render
from cnnlab.jobs.cores import available_cores

SHORTER = {
    "fc": ["--epochs", "20"],
    "mlp-ce": ["--epochs", "8"],
    "lenet": ["--epochs", "3"],
    "cnn-32-64": ["--epochs", "1", "--limit", "10000"],
}
"""What makes the experiments short enough to be repeated."""
TEXT = """\
# Several seeds at once

`python -m benchmarks.parallel_runs` wrote this page, on {machine}.

`cnnlab train --seeds {seeds} --jobs auto`, a process for each of the {cores} cores, against the same command without
`--jobs`, which trains the seeds one after another in one process that computes with all cores. Medians of {rounds}, of
whole commands.

{table}
"""


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.parallel_runs")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--networks", default=",".join(SHORTER))
    options = parser.parse_args()
    rows = [_compare(name, options.seeds, options.rounds) for name in options.networks.split(",")]
    page = TEXT.format(
        machine=machine(),
        seeds=options.seeds,
        rounds=options.rounds,
        cores=available_cores(),
        table=render(rows, list(rows[0]), Format.MD),
    )
    (DOCS / "benchmarks-jobs.md").write_text(page, encoding="utf-8")
    print(page)


def _compare(name: str, seeds: int, rounds: int) -> dict[str, Any]:
    seconds: dict[str, list[float]] = {"one": [], "jobs": []}
    peak = ""
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
                if found := re.search("peak memory of a process: (.*)", done.stderr):
                    peak = found[1]
    one, jobs = (statistics.median(some) for some in seconds.values())
    row = {"network": f"{name} {' '.join(SHORTER[name])}", "one_process": one, "jobs": jobs, "ratio": jobs / one}
    print(*row.values(), peak, file=sys.stderr, flush=True)
    return {**row, "memory_of_a_job": peak}


if __name__ == "__main__":
    main()
