"""Examples per second on a GPU: cnnlab beside Keras's `fit`, PyTorch and JAX, where these are installed.

`python -m benchmarks.gpu.speed OUT [--torch PYTHON] [--jax PYTHON]`. As in benchmarks/engine_vs_peers.py, each
contestant is a process, and they train one epoch each in turn; epochs have as many images as MNIST or CIFAR-10. What is
not counted (start, tracing, compilation, the first two epochs) all contestants of a network do at the same time.
"""

import argparse
import json
import statistics
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.engine_vs_peers import Contestant, Process, random_data
from cnnlab.config.load import load, to_dict

NETWORKS = {
    "fc": (60_000, 28, 28, 1),
    "mlp-ce": (60_000, 28, 28, 1),
    "lenet": (60_000, 28, 28, 1),
    "cnn-32-64": (60_000, 28, 28, 1),
    "cifar": (50_000, 32, 32, 3),
}
WARM_UP = 2


def contestants(torch: str | None, jax: str | None) -> list[Contestant]:
    """All of them that can run here, cnnlab's with its settings of XLA and of determinism."""
    bfloat16 = {"precision": "mixed_bfloat16"}
    found = [
        Contestant("cnnlab", "engine"),
        Contestant("cnnlab, jit: on", "engine", settings={"jit": "on", "deterministic": False}),
        Contestant("cnnlab, deterministic: false", "engine", settings={"deterministic": False}),
        Contestant("cnnlab, mixed_bfloat16", "engine", settings=bfloat16),
        Contestant("fit", "keras_fit"),
        Contestant("fit, tuned", "keras_fit", options=("--tuned",)),
    ]
    if torch:
        compiled = ("--compiled",)
        found += [
            Contestant("PyTorch", "pytorch", torch),
            Contestant("PyTorch, compiled", "pytorch", torch, compiled),
            Contestant("PyTorch, compiled, bfloat16", "pytorch", torch, compiled, bfloat16),
        ]
    if jax:
        found += [Contestant("JAX", "jax_scan", jax), Contestant("JAX, bfloat16", "jax_scan", jax, (), bfloat16)]
    return found


def race(name: str, entries: list[Contestant], rounds: int, scratch: Path) -> list[dict[str, Any]]:
    """One row per contestant that could train the network."""
    shape = NETWORKS[name]
    experiment, data = to_dict(load(name)), random_data(shape, scratch)
    running = {entry: Process(entry, experiment, data) for entry in entries}

    def warm_up(process: Process) -> bool:
        try:
            for _ in range(WARM_UP):
                process.run_epoch()
        except (ValueError, OSError):
            return False
        return True

    with ThreadPoolExecutor(len(running)) as pool:
        warm = dict(zip(running, pool.map(warm_up, running.values()), strict=True))
    for entry in running:
        if not warm[entry]:
            print(f"{name}: {entry.name} failed", file=sys.stderr, flush=True)
    for _ in range(rounds):
        for entry, process in running.items():
            if warm[entry]:
                process.run_epoch()
    rows = []
    for entry, process in running.items():
        if warm[entry]:
            seconds = process.seconds[WARM_UP:]
            median = statistics.median(seconds)
            rows.append(
                {
                    "network": name,
                    "contestant": entry.name,
                    "seconds": median,
                    "fastest": min(seconds),
                    "slowest": max(seconds),
                    "examples_per_second": shape[0] / median,
                }
            )
            process.end()
    return rows


def main() -> None:
    """Race on all networks, and write what is measured after each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu.speed")
    parser.add_argument("out", type=Path)
    parser.add_argument("--torch", metavar="PYTHON")
    parser.add_argument("--jax", metavar="PYTHON")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--networks", default=",".join(NETWORKS))
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for name in options.networks.split(","):
            rows += race(name, contestants(options.torch, options.jax), options.rounds, Path(scratch))
            (options.out / "speed.json").write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
