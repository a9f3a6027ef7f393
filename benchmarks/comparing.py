"""Speed of `cnnlab compare`: `python -m benchmarks.comparing [--rounds 9]` writes docs/benchmarks-compare.md."""

import argparse
import copy
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.durable_runs import race
from cnnlab.cli.tables import Format, render

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks-compare.md"
RUNS, SEEDS = 1_000, 5
SCRIPT = """
import csv, json, pathlib, statistics
groups = {}
for path in sorted(pathlib.Path("runs").glob("*/run.json")):
    record = json.loads(path.read_text())
    rows = list(csv.DictReader(path.with_name("metrics.csv").open()))
    key = json.dumps({**record["experiment"], "seed": None}, sort_keys=True)
    groups.setdefault(key, []).append((record["results"]["test_accuracy"], max(row["val_accuracy"] for row in rows)))
for key, values in groups.items():
    accuracies = [accuracy for accuracy, _ in values]
    print(len(values), statistics.mean(accuracies), statistics.stdev(accuracies) if len(values) > 1 else None)
"""
TEXT = """\
# Cost of comparing runs

`python -m benchmarks.comparing` wrote this page, on {when}, on {machine}: {runs:,} finished runs, first as {groups}
experiments with {seeds} seeds each, then as {runs:,} experiments with one seed each, whose saved predictions are
compared. The minimal script reads run.json and metrics.csv of the first set and prints means and standard deviations,
without tests and settings.

{table}
"""


def main() -> None:
    """Run both comparisons and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.comparing")
    parser.add_argument("--rounds", type=int, default=9, help="measured repetitions of each (default 9)")
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(dir=".") as scratch:
        for folder, seeds in (("runs", SEEDS), ("single", 1)):
            _copy_runs(Path(scratch), folder, seeds)
        compare = [sys.executable, "-m", "cnnlab", "compare"]
        rows = race(
            {
                "minimal script reading the same files": [[sys.executable, "-c", SCRIPT]],
                f"cnnlab compare, {SEEDS} seeds each": [[*compare, "runs"]],
                "cnnlab compare, one run each": [[*compare, "single"]],
            },
            rounds,
            Path(scratch),
        )
    PAGE.write_text(
        TEXT.format(
            when=datetime.now(UTC).date(),
            machine=f"{platform.machine()} with {os.cpu_count()} cores, {platform.system()}",
            runs=RUNS,
            groups=RUNS // SEEDS,
            seeds=SEEDS,
            table=render(rows, list(rows[0]), Format.MD),
        ),
        encoding="utf-8",
    )
    print(PAGE.read_text(encoding="utf-8"))


def _copy_runs(scratch: Path, folder: str, seeds: int) -> None:
    """Copy a trained run with other learning rates, seeds and accuracies."""
    command = [sys.executable, "-m", "cnnlab", "train", "digits", "--epochs", "12", "--quiet", "--runs", f"of-{folder}"]
    subprocess.run([*command, "--name", "one"], cwd=scratch, capture_output=True, check=True)
    one, draw = scratch / f"of-{folder}/one", random.Random(0)
    record = json.loads((one / "run.json").read_text(encoding="utf-8"))
    for number in range(RUNS):
        run = scratch / folder / f"copy-{number}"
        (run / "evaluation").mkdir(parents=True)
        changed = copy.deepcopy(record)
        changed["experiment"]["train"]["optimizer"]["adam"]["learning_rate"] = (number // seeds + 1) / 1e5
        changed["experiment"]["seed"] = number % seeds
        changed["results"]["test_accuracy"] = draw.uniform(0.95, 0.99)
        (run / "run.json").write_text(json.dumps(changed, indent=2), encoding="utf-8")
        (run / "metrics.csv").write_bytes((one / "metrics.csv").read_bytes())
        correct = Path("evaluation/test-correct.bin")
        (run / correct).write_bytes(draw.randbytes((one / correct).stat().st_size))


if __name__ == "__main__":
    main()
