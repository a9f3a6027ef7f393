"""`python -m benchmarks [--only SECTION] [--torch PYTHON] [--jax PYTHON]`: measure, and write docs/benchmarks.md."""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import engine_vs_peers, input_pipeline, page, stages, start_up
from benchmarks.engine_vs_peers import Contestant

SLOW = dict.fromkeys(("lenet", "cnn-32-64", "cifar"), 1000)
"""The images of an epoch where XLA computes convolutions on a CPU, of which a whole epoch takes minutes."""
EXAMPLES = 20_000  # to measure the share of peak performance
SHARES = ("experiment", "examples_per_second", "gflops", "matmul_gflops", "share_of_matmul", "seconds_to_first_step")


def main() -> None:
    """Measure the sections of the page, and write each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--rounds", type=int, default=5, help="measured epochs or starts of each (default 5)")
    parser.add_argument("--torch", metavar="PYTHON", help="a Python with PyTorch; without it, PyTorch is omitted")
    parser.add_argument("--jax", metavar="PYTHON", help="a Python with JAX and optax; without it, JAX is omitted")
    parser.add_argument("--only", action="append", choices=page.HEADINGS, help="measure this section alone; repeatable")
    options = parser.parse_args()
    for section in page.HEADINGS:
        if section in (options.only or page.HEADINGS):
            print(_measure(section, options))


def _measure(section: str, options: argparse.Namespace) -> Path:
    """Measure and write a section; the path of the page."""
    with tempfile.TemporaryDirectory() as scratch:
        match section:
            case "engine":
                contestants = _contestants(options)
                race = engine_vs_peers.race(contestants, options.rounds, Path(scratch))
                return page.write_section(section, page.engine(race, contestants), contestants)
            case "start-up":
                found = [start_up.race(options.rounds, Path(scratch))]
                about = start_up.__doc__
            case "stages":
                found = stages.tables(options.rounds, start_up.write_data(Path(scratch)), options.torch)
                about = stages.__doc__
            case "shares":
                found, about = [[_share(name) for name in engine_vs_peers.NETWORKS]], page.SHARES
            case _:
                found, about = input_pipeline.tables(options.rounds), input_pipeline.__doc__
    return page.write_section(section, f"{page.body(about)}\n{page.tables(*found)}")


def _contestants(options: argparse.Namespace) -> list[Contestant]:
    """Who trains beside cnnlab: the peers whose environments are there."""
    bfloat16 = {"precision": "mixed_bfloat16"}
    return [
        Contestant("fit", "keras_fit"),
        Contestant("fit, tuned", "keras_fit", options=("--tuned",)),
        Contestant("cnnlab", "engine"),
        *([Contestant("PyTorch", "pytorch", options.torch)] if options.torch else []),
        *([Contestant("PyTorch, compiled", "pytorch", options.torch, ("--compiled",))] if options.torch else []),
        *([Contestant("JAX", "jax_scan", options.jax, images=SLOW)] if options.jax else []),
        *([Contestant("fit on JAX", "keras_jax", options.jax, images=SLOW)] if options.jax else []),
        Contestant("fit, mixed_bfloat16", "keras_fit", settings=bfloat16),
        Contestant("cnnlab, mixed_bfloat16", "engine", settings=bfloat16),
    ]


def _share(network: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "cnnlab", "bench", network, "--epochs", "3", "--format", "json"]
    command += ["--set", f"data.limit={EXAMPLES}"]
    measured = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return {key: measured[key] for key in SHARES}


if __name__ == "__main__":
    main()
