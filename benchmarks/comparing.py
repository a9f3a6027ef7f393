"""How fast `cnnlab compare` is: `python -m benchmarks.comparing [--rounds 9]` writes docs/benchmarks-compare.md."""

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
PLAIN = """
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
# What it costs to compare

`python -m benchmarks.comparing` wrote this page, on {when}, on {machine}: {runs:,} finished runs, once as {groups}
experiments with {seeds} seeds each, once as so many experiments with one, whose saved predictions are compared. The
peer reads the same run.json and metrics.csv of the first and prints means and standard deviations; it tests nothing and
shows no settings.

{table}
"""


def main() -> None:
    """Run both, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.comparing")
    parser.add_argument("--rounds", type=int, default=9, help="repetitions that count, of each (default 9)")
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(dir=".") as scratch:
        for folder, seeds in (("runs", SEEDS), ("single", 1)):
            _make(Path(scratch), folder, seeds)
        compare = [sys.executable, "-m", "cnnlab", "compare"]
        rows = race(
            {
                "the plainest script that reads as much": [[sys.executable, "-c", PLAIN]],
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


def _make(scratch: Path, folder: str, seeds: int) -> None:
    """Copies of a run that was trained, with other learning rates, seeds and accuracies."""
    command = [sys.executable, "-m", "cnnlab", "train", "digits", "--epochs", "12", "--quiet", "--runs", f"of-{folder}"]
    subprocess.run([*command, "--name", "one"], cwd=scratch, capture_output=True, check=True)
    one, draw = scratch / f"of-{folder}/one", random.Random(0)
    record = json.loads((one / "run.json").read_text(encoding="utf-8"))
    for number in range(RUNS):
        run = scratch / folder / f"copy-{number}"
        (run / "evaluation").mkdir(parents=True)
        said = copy.deepcopy(record)
        said["experiment"]["train"]["optimizer"]["adam"]["learning_rate"] = (number // seeds + 1) / 1e5
        said["experiment"]["seed"] = number % seeds
        said["results"]["test_accuracy"] = draw.uniform(0.95, 0.99)
        (run / "run.json").write_text(json.dumps(said, indent=2), encoding="utf-8")
        (run / "metrics.csv").write_bytes((one / "metrics.csv").read_bytes())
        correct = Path("evaluation/test-correct.bin")
        (run / correct).write_bytes(draw.randbytes((one / correct).stat().st_size))


if __name__ == "__main__":
    main()
