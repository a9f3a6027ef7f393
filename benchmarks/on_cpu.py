"""What cnnlab chooses on a CPU, measured: XLA for dense networks, and faster kernels for two kinds of layers.

`python -m benchmarks.on_cpu [--only xla|batch-norm|filter-gradient]` writes the tables of docs/devices.md. Rules as in
`engine_vs_peers`: processes of their own, which train one epoch each in turn; `ratio` is to the first of a network. All
of cnnlab train with the number of threads that it chooses.
"""

import argparse
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks import filter_gradients, page
from benchmarks.engine_vs_peers import NETWORKS, Contestant, race
from cnnlab.cli.tables import Format, render

ROUNDS = 7
FILTER_GRADIENT = "filter-gradient"
PAGE = page.DOCS / "devices.md"
BFLOAT16 = {"precision": "mixed_bfloat16"}


@dataclass(frozen=True)
class Comparison:
    """Networks, with the shape of their images, and who trains them."""

    networks: Mapping[str, tuple[int, ...]]
    contestants: tuple[Contestant, ...]


COMPARISONS = {
    "xla": Comparison(
        dict.fromkeys(("mlp-ce", "mlp-five-sigmoid", "mlp-1200"), NETWORKS["fc"]),
        (
            Contestant("without XLA", "engine", settings={"jit": "off"}),
            Contestant("with XLA", "engine"),  # which `jit: auto` chooses for these
        ),
    ),
    "batch-norm": Comparison(
        {"resnet20": (1_000, 32, 32, 3), "race-cifar-80": (4_000, 32, 32, 3), "race-mnist-99": (10_000, 28, 28, 1)},
        (
            Contestant("fit, tuned", "keras_fit", options=("--tuned",)),  # by Keras's operations
            Contestant("cnnlab", "engine"),
            Contestant("fit, tuned, mixed_bfloat16", "keras_fit", options=("--tuned",), settings=BFLOAT16),
            Contestant("cnnlab, mixed_bfloat16", "engine", settings=BFLOAT16),
        ),
    ),
}


def main() -> None:
    """Measure, and write the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.on_cpu")
    parser.add_argument("--only", choices=[*COMPARISONS, FILTER_GRADIENT], help="measure this alone")
    only = parser.parse_args().only
    for name, comparison in COMPARISONS.items():
        if only in (None, name):
            _write(name, _table(comparison))
    if only in (None, FILTER_GRADIENT):
        rows = filter_gradients.rows()
        _write(FILTER_GRADIENT, render(rows, list(rows[0]), Format.MD))


def _table(comparison: Comparison) -> str:
    with tempfile.TemporaryDirectory() as scratch:
        rows = race(comparison.contestants, ROUNDS, Path(scratch), comparison.networks)
    shown = [
        {
            "network": row["network"],
            "training": row["contestant"],
            "seconds_per_epoch": row["seconds_per_epoch"],
            "range": row["range"],
            "ratio": row["to_fit"],
            "peak_memory": row["peak_memory"],
        }
        for row in rows
    ]
    return render(shown, list(shown[0]), Format.MD)


def _write(name: str, table: str) -> None:
    """Put a table between its marks in the page."""
    start, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->\n"
    before, begin, rest = PAGE.read_text(encoding="utf-8").partition(start)
    if not begin:
        sys.exit(f"{PAGE}: expected {start.strip()}")
    after = rest.partition(end)[2]
    machine = f"Measured on {page.today()} on {page.machine()}."
    PAGE.write_text(f"{before}{begin}\n{table}\n\n{machine}\n\n{end}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
