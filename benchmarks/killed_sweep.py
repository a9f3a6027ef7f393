"""A sweep whose workers are killed at random, against one that nobody disturbs: `python -m benchmarks.killed_sweep`.

Several processes work on one sweep of digits by a grid. Each is killed by SIGKILL, with the processes that it started,
and started again, some times. In the end there must be one finished run per trial, and the numbers of every trial must
be those of the other sweep.
"""

import argparse
import contextlib
import csv
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

SPACE = """\
extends: fc
name: killed
data: {{name: digits, validation: 0.2}}
train: {{epochs: 3, threads: 1}}
search:
  sampler: grid
  finalists: 1
  seeds: 1
  space:
    train.optimizer.sgd.learning_rate: {rates}
    train.batch_size: [16, 32, 64]
"""


def main() -> None:
    """Compare, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=60, help="a multiple of 3")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--kills", type=int, default=5, help="per worker")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rates = [round(0.004 * 1.15**index, 5) for index in range(chosen.trials // 3)]
        (folder / "space.yaml").write_text(SPACE.format(rates=rates), encoding="utf-8")
        started = time.perf_counter()
        killed = disturbed(folder, chosen.workers, chosen.kills, random.Random(chosen.seed))
        print(f"{killed} kills, {time.perf_counter() - started:.0f} s")
        sweep(folder, "quiet").wait()
        found, expected = (table(folder / name / "trials.csv") for name in ("killed", "quiet"))
        runs = sorted(path.name for path in (folder / "killed").glob("trial-*"))
        print(
            f"{len(found)} trials, {sum(row['state'] == 'complete' for row in found)} complete, {len(runs)} run folders"
        )
        keys = [key for key in found[0] if key not in ("seconds", "reason")]  # a reason names the folder
        differing = [row for row, other in zip(found, expected, strict=True) if any(row[k] != other[k] for k in keys)]
        print(f"trials that differ from the sweep without kills: {len(differing)}", *differing, sep="\n")
        winners = [(folder / name / "winner.yaml").read_text(encoding="utf-8") for name in ("killed", "quiet")]
        print(f"the same winner: {winners[0] == winners[1]}")
        if differing or winners[0] != winners[1] or len(runs) != chosen.trials:
            sys.exit(1)


def sweep(folder: Path, name: str) -> subprocess.Popen[bytes]:
    """A worker in a session of its own, so that it can be killed with its children."""
    command = [sys.executable, "-m", "cnnlab", "sweep", "space.yaml", "--join", name, "--jobs", "1", "--quiet"]
    return subprocess.Popen(command, cwd=folder, start_new_session=True, stdout=subprocess.DEVNULL)


def disturbed(folder: Path, workers: int, kills: int, chance: random.Random) -> int:
    """Workers that are killed so often; the number of kills that hit one that was alive."""
    hits = [0] * workers

    def worker(number: int, pauses: list[float]) -> None:
        for pause in pauses:
            process = sweep(folder, "killed")
            time.sleep(pause)
            if process.poll() is None:
                hits[number] += 1
                found = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=False)
                for pid in [process.pid, *map(int, found.stdout.split())]:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            process.wait()
        sweep(folder, "killed").wait()

    threads = [
        threading.Thread(target=worker, args=(number, [chance.uniform(2, 16) for _ in range(kills)]))
        for number in range(workers)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(hits)


def table(path: Path) -> list[dict[str, str]]:
    """The rows of a table of trials."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


if __name__ == "__main__":
    main()
