"""Cost of durable runs: `python -m benchmarks.durable_runs [--rounds 5]` writes docs/benchmarks-runs.md."""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cnnlab.cli.tables import Format, render

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks-runs.md"
RUNS = 2_000
SEEDS = 5
NETWORKS = ("lenet", "cnn-32-64", "cifar")
COSTS = (
    *("experiment", "seconds_per_epoch", "seconds_per_checkpoint", "checkpoint_share"),
    *("seconds_per_epoch_of_tensorboard", "tensorboard_share"),
)
LISTING = """
import json, pathlib
for path in sorted(pathlib.Path("runs").glob("*/run.json")):
    record = json.loads(path.read_text())
    epochs = len(path.with_name("metrics.csv").read_text().splitlines()) - 1
    print(path.parent, record["status"], epochs, record.get("results", {}).get("test_accuracy"), record["started"])
"""
TEXT = """\
# Cost of durable runs

`make bench` wrote this page, on {when}, on {machine}.

## Checkpoints and TensorBoard

`cnnlab bench`: the seconds of an epoch on all images of the experiment, of writing its metrics and checkpoint (write,
flush and rename), and of writing TensorBoard events where they are enabled.

{costs}

## {seeds} seeds of LeNet-5, one epoch each

{seeds_table}

## Listing {runs:,} runs

{list_table}
"""


def main() -> None:
    """Run all measurements and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.durable_runs")
    parser.add_argument("--rounds", type=int, default=5, help="measured repetitions of each (default 5)")
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(dir=".") as scratch:
        costs = [_costs(network) for network in NETWORKS]
        seeds = race(_seeds(Path(scratch)), max(1, rounds // 2), Path(scratch))
        listing = race(_listing(Path(scratch)), rounds, Path(scratch))
    PAGE.write_text(
        TEXT.format(
            when=datetime.now(UTC).date(),
            machine=f"{platform.machine()} with {os.cpu_count()} cores, {platform.system()}",
            costs=render(costs, COSTS, Format.MD),
            seeds=SEEDS,
            seeds_table=render(seeds, list(seeds[0]), Format.MD),
            runs=RUNS,
            list_table=render(listing, list(listing[0]), Format.MD),
        ),
        encoding="utf-8",
    )
    print(PAGE.read_text(encoding="utf-8"))


def _costs(network: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "cnnlab", "bench", network, "--epochs", "3", "--format", "json"]
    measured: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return measured


def _seeds(scratch: Path) -> Mapping[str, Sequence[Sequence[str]]]:
    train = [sys.executable, "-m", "cnnlab", "train", "lenet", "--epochs", "1", "--quiet"]
    train += ["--runs", str(scratch / "trained")]
    return {
        f"{SEEDS} times cnnlab train lenet --seed N": [[*train, "--seed", str(seed)] for seed in range(SEEDS)],
        f"cnnlab train lenet --seeds {SEEDS}": [[*train, "--seeds", str(SEEDS)]],
    }


def _listing(scratch: Path) -> Mapping[str, Sequence[Sequence[str]]]:
    """Copies of a trained run without its weights, a tenth of them with status running; the commands that list them."""
    made = subprocess.run(
        [sys.executable, "-m", "cnnlab", "train", "digits", "--epochs", "12", "--quiet", "--name", "one"],
        cwd=scratch,
        capture_output=True,
        text=True,
        check=True,
    )
    one = scratch / made.stdout.splitlines()[-1].removeprefix("run: ")
    record, table = json.loads((one / "run.json").read_text(encoding="utf-8")), (one / "metrics.csv").read_bytes()
    for number in range(RUNS):
        run = scratch / "runs" / f"copy-{number}"
        run.mkdir()
        changed = {**record, "status": "finished" if number % 10 else "running"}
        (run / "run.json").write_text(json.dumps(changed, indent=2), encoding="utf-8")
        (run / "metrics.csv").write_bytes(table)
        (run / ".lock").touch()
    return {
        "minimal script reading the same files": [[sys.executable, "-c", LISTING]],
        "cnnlab runs list": [[sys.executable, "-m", "cnnlab", "runs", "list"]],
    }


def race(contestants: Mapping[str, Sequence[Sequence[str]]], rounds: int, scratch: Path) -> list[dict[str, Any]]:
    """One row per contestant, run in turn: the median and range of the seconds of its commands in sequence."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds + 1):  # the first round fills the disk cache
        for name, commands in contestants.items():
            started = time.perf_counter()
            for command in commands:
                subprocess.run(command, cwd=scratch, capture_output=True, check=True)
            times[name].append(time.perf_counter() - started)
    medians = {name: statistics.median(seconds[1:]) for name, seconds in times.items()}
    first = next(iter(medians.values()))
    return [
        {
            "command": name,
            "seconds": median,
            "range": f"{min(times[name][1:]):.3g} to {max(times[name][1:]):.3g}",
            "to_first": median / first,
        }
        for name, median in medians.items()
    ]


if __name__ == "__main__":
    main()
