"""Time to accuracy: `python -m benchmarks.races` writes the tables of docs/race.md, also of Keras and PyTorch.

Every record is measured by `cnnlab race` in a process of its own. With `--only NAME`, the other records stay as they
are; with `--torch PYTHON`, Keras and PyTorch train the first experiment too.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import page
from benchmarks.contestants.racing import Attempt
from cnnlab import data
from cnnlab.analysis.results import recipe_of
from cnnlab.analysis.significance import estimate
from cnnlab.cli.tables import Format, render
from cnnlab.config.load import load, to_dict
from cnnlab.data.statistics import pixel_statistics
from cnnlab.experiment.test_time import TestTime
from cnnlab.jobs.cores import available_cores

PAGE = page.DOCS / "race.md"
RESULTS = page.DOCS / "race.json"
RECORDS = ("<!-- records: begin -->\n", "<!-- records: end -->\n")
PEERS = ("<!-- peers: begin -->\n", "<!-- peers: end -->\n")


@dataclass(frozen=True)
class Goal:
    """A validation accuracy, and the shipped experiment that reaches it."""

    data: str
    target: float
    experiment: str
    seeds: int = 5


GOALS = (
    Goal("MNIST", 0.99, "race-mnist-99"),
    Goal("MNIST", 0.994, "race-mnist-994"),
    Goal("CIFAR-10", 0.70, "race-cifar-70"),
    Goal("CIFAR-10", 0.80, "race-cifar-80"),
    Goal("CIFAR-10", 0.90, "race-cifar-90", seeds=2),  # 20 minutes each
)
COMPARED = GOALS[0]


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.races")
    parser.add_argument("--only", action="append", metavar="NAME", help="measure these experiments only")
    parser.add_argument("--torch", metavar="PYTHON", help="a Python with PyTorch: measure the peers too")
    options = parser.parse_args()
    results = _results()
    for goal in GOALS:
        if options.only is None or goal.experiment in options.only:
            results["records"][goal.experiment] = _record(goal)
            _write(results)
    if options.torch:
        results["peers"] = _peers(COMPARED, options.torch)
        _write(results)


def record_of(name: str) -> str:
    """The record of an experiment in one line, for its heading; empty if there is none."""
    record = records().get(name)
    if record is None:
        return ""
    epochs = f"{record['epochs']} {'epoch' if record['epochs'] == '1' else 'epochs'}"
    return (
        f"validation accuracy of at least {record['target']} after {epochs} with each of {record['seeds']} seeds, in "
        f"{record['seconds']} s of training on {record['cores']} cores (mean); test accuracy then "
        f"{record['test_accuracy']}; docs/race.md has the interval"
    )


def records() -> dict[str, dict[str, Any]]:
    """The records that were measured, by experiment."""
    found: dict[str, dict[str, Any]] = _results()["records"]
    return found


def _results() -> dict[str, Any]:
    """What was measured before."""
    found: dict[str, Any] = {"records": {}, "peers": []}
    return json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else found


def _record(goal: Goal) -> dict[str, Any]:
    """A row of the table of records."""
    found = _race(goal, "--seeds", str(goal.seeds))
    seconds, test = found["seconds"], found["test_accuracy"]
    return {
        "data": goal.data,
        "target": goal.target,
        "experiment": goal.experiment,
        "seeds": len(found["runs"]),
        "epochs": _span([run["epoch"] for run in found["runs"]]),
        "seconds": round(seconds["mean"], 2),
        "interval": f"{seconds['low']:.2f} to {seconds['high']:.2f}",
        "test_accuracy": round(test["mean"], 4),
        "processor": page.processor(),
        "cores": available_cores(),
        "date": page.today(),
        "recipe": recipe_of(load(goal.experiment)),
    }


def _race(goal: Goal, *options: str) -> dict[str, Any]:
    """What `cnnlab race` prints, in a process of its own."""
    with tempfile.TemporaryDirectory() as runs:
        command = [sys.executable, "-m", "cnnlab", "race", goal.experiment, "--target", str(goal.target)]
        command += ["--runs", runs, "--format", "json", *options]
        printed = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
        found: dict[str, Any] = json.loads(printed)
    return found


def _peers(goal: Goal, torch: str) -> list[dict[str, Any]]:
    """One row per contestant; they train from the same seed in turn."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "data.npz"
        _write_data(goal.experiment, path)
        arguments = json.dumps(to_dict(load(goal.experiment))), str(path), str(goal.target)
        peers = {
            "Keras's fit, tuned": Peer(sys.executable, "race_keras", *arguments),
            "PyTorch, channels_last": Peer(torch, "race_pytorch", *arguments),
            "PyTorch, channels_last, compiled": Peer(torch, "race_pytorch", *arguments, "--compiled"),
        }
        attempts: dict[str, list[Attempt]] = {name: [] for name in ("cnnlab", *peers)}
        for seed in range(goal.seeds):
            (run,) = _race(goal, "--seeds", "1", "--set", f"seed={seed}")["runs"]
            attempts["cnnlab"].append(Attempt(run["seconds"], run["epoch"], run["val_accuracy"]))
            for name, peer in peers.items():
                attempts[name].append(peer.run(seed))
        for peer in peers.values():
            peer.end()
    return [_peer_row(name, found, goal) for name, found in attempts.items()]


class Peer:
    """The process of a contestant, which trains from a seed on request; `racing.py` is its side."""

    def __init__(self, python: str, module: str, *arguments: str) -> None:
        command = [python, "-m", f"benchmarks.contestants.{module}", *arguments]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._process.stdout.readline()  # type: ignore[union-attr]  # it has warmed up

    def run(self, seed: int) -> Attempt:
        """Train from this seed."""
        self._process.stdin.write(f"{seed}\n")  # type: ignore[union-attr]
        self._process.stdin.flush()  # type: ignore[union-attr]
        seconds, epochs, accuracy = self._process.stdout.readline().split()  # type: ignore[union-attr]
        return Attempt(float(seconds), int(epochs), float(accuracy))

    def end(self) -> None:
        """End the process."""
        self._process.communicate()


def _peer_row(name: str, attempts: Sequence[Attempt], goal: Goal) -> dict[str, Any]:
    """Seconds are means over the seeds that reached the target; where some did not, their number is said."""
    reached = [attempt for attempt in attempts if attempt.accuracy >= goal.target]
    all_reached = len(reached) == len(attempts)
    seconds = estimate([attempt.seconds for attempt in reached], (0.0, np.inf)) if all_reached else None
    return {
        "contestant": name,
        "reached": f"{len(reached)} of {len(attempts)}",
        "epochs": _span([attempt.epochs for attempt in attempts]),
        "seconds": None if seconds is None else round(seconds.mean, 2),
        "interval": None if seconds is None else f"{seconds.low:.2f} to {seconds.high:.2f}",
        "seconds_per_epoch": round(statistics.median(attempt.seconds / attempt.epochs for attempt in attempts), 2),
        "val_accuracy": round(statistics.mean(attempt.accuracy for attempt in attempts), 4),
    }


def _write_data(name: str, path: Path) -> None:
    """The standardized images and labels of an experiment, and its learning rates, for processes without cnnlab."""
    experiment = load(name)
    dataset = data.load(experiment.data)
    statistics_of = pixel_statistics(dataset.train)
    arrays: dict[str, Any] = {}
    views = _views(experiment.test_time)
    arrays["views"] = np.array([weight for _, weight in views], np.float32)
    for split, examples in dataset.splits().items():
        images: NDArray[np.floating] = examples.images[:].astype(np.float32) / 255
        if split == "validation":
            images = np.stack([_shifted(images, shift) for shift, _ in views])
        arrays[f"{split}_images"] = ((images - statistics_of.mean) / statistics_of.std).astype(np.float32)
        arrays[f"{split}_labels"] = examples.labels.astype(np.int64)
    settings = experiment.train
    steps = -(-len(dataset.train) // settings.batch_size)
    peak, schedule = settings.optimizer.learning_rate, settings.schedule
    progress = [step / steps for step in range(settings.epochs * steps)]
    arrays["rates"] = np.array([peak * schedule.at(share, settings.epochs) for share in progress], np.float32)
    np.savez(path, **arrays)


def _views(test_time: TestTime | None) -> list[tuple[int, float]]:
    """Shift and weight of each view, as in `cnnlab.models.views`."""
    if test_time is None or not test_time.translate:
        return [(0, 1.0)]
    return [(0, 0.5), (-test_time.translate, 0.25), (test_time.translate, 0.25)]


def _shifted(images: NDArray[np.floating], shift: int) -> NDArray[np.floating]:
    """Images (n, height, width, channels), `shift` pixels down and to the right; exposed pixels are black."""
    distance = abs(shift)
    padded = np.pad(images, [(0, 0), (distance, distance), (distance, distance), (0, 0)])
    first, (height, width) = distance - shift, images.shape[1:3]
    return padded[:, first : first + height, first : first + width]


def _span(numbers: Sequence[int]) -> str:
    """`2`, or `2 to 4`."""
    low, high = min(numbers), max(numbers)
    return str(low) if low == high else f"{low} to {high}"


def _write(results: dict[str, Any]) -> None:
    """The results, and their tables in the page."""
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    text = PAGE.read_text(encoding="utf-8")
    known = results["records"]
    shown = [
        {key: value for key, value in known[goal.experiment].items() if key != "recipe"}
        for goal in GOALS
        if goal.experiment in known
    ]
    for (begin, end), rows in ((RECORDS, shown), (PEERS, results["peers"])):
        if rows:
            before, _, rest = text.partition(begin)
            text = f"{before}{begin}\n{render(rows, list(rows[0]), Format.MD)}\n\n{end}{rest.partition(end)[2]}"
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
