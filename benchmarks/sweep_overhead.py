"""What a trial of a sweep costs beside the same training in a loop: `python -m benchmarks.sweep_overhead`.

`cnnlab sweep --jobs 1` of a grid of learning rates against a process that trains the same experiments one after another
with cnnlab's own recipe. Both with few and with many trials: the difference, divided by the number of trials more, is
the time of one, without imports. Alternating; medians.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FEW, MANY = 4, 16
SPACE = """\
extends: digits
name: overhead
train: {{epochs: 20, optimizer: {{adam: {{learning_rate: 0.002}}}}, test: never, threads: 2}}
search:
  sampler: grid
  finalists: 0
  space:
    train.optimizer.adam.learning_rate: {rates}
"""
LOOP = """\
import sys
from pathlib import Path
from cnnlab.cli.tensorflow import import_tensorflow
import_tensorflow("auto", 2)
from cnnlab.config.space import read_space
from cnnlab.sweep.experiments import trial_experiment
from cnnlab.sweep.points import fixed_points
from cnnlab.training.tasks import NewRun
from cnnlab.training.train import train
space = read_space("space.yaml")
for point in fixed_points(space):
    train([NewRun(trial_experiment(space, point))], Path("loop"))
"""


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sweep_overhead")
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    seconds: dict[str, list[float]] = {"loop": [], "sweep": []}
    for _ in range(rounds):
        for kind in seconds:
            few, many = (_run(kind, trials) for trials in (FEW, MANY))
            seconds[kind].append((many - few) / (MANY - FEW))
            print(kind, f"{seconds[kind][-1]:.3f} s per trial", file=sys.stderr, flush=True)
    loop, sweep = (statistics.median(some) for some in seconds.values())
    print(f"loop {loop:.3f} s per trial, sweep {sweep:.3f} s per trial, ratio {sweep / loop:.3f}")


def _run(kind: str, trials: int) -> float:
    """Seconds of a command with so many trials."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rates = [round(0.001 * 1.05**index, 6) for index in range(trials)]
        (folder / "space.yaml").write_text(SPACE.format(rates=rates), encoding="utf-8")
        command = ["-c", LOOP] if kind == "loop" else ["-m", "cnnlab", "sweep", "space.yaml", "--jobs", "1", "--quiet"]
        started = time.perf_counter()
        subprocess.run([sys.executable, *command], cwd=folder, check=True, capture_output=True)
        return time.perf_counter() - started


if __name__ == "__main__":
    main()
