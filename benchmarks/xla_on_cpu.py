"""Seconds per epoch of dense networks on a CPU, with and without XLA: `python -m benchmarks.xla_on_cpu`.

Rules as in `engine_vs_peers`: processes of their own, which train one epoch each in turn. Writes the table of
docs/devices.md, with `ratio` to the same network without XLA. Both train with the number of threads that cnnlab chooses
for them.
"""

import sys
import tempfile
from pathlib import Path

from benchmarks import page
from benchmarks.engine_vs_peers import NETWORKS, Contestant, race
from cnnlab.cli.tables import Format, render

ROUNDS = 7
PAGE = page.DOCS / "devices.md"
MARKS = ("<!-- xla: begin -->\n", "<!-- xla: end -->\n")
DENSE = ("mlp-ce", "mlp-five-sigmoid", "mlp-1200")
CONTESTANTS = (
    Contestant("without XLA", "engine", settings={"jit": "off"}),
    Contestant("with XLA", "engine"),  # which `jit: auto` chooses for these
)


def main() -> None:
    """Measure, and write the table."""
    networks = dict.fromkeys(DENSE, NETWORKS["fc"])
    with tempfile.TemporaryDirectory() as scratch:
        rows = race(CONTESTANTS, ROUNDS, Path(scratch), networks)
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
    table = render(shown, list(shown[0]), Format.MD)
    before, begin, rest = PAGE.read_text(encoding="utf-8").partition(MARKS[0])
    if not begin:
        sys.exit(f"{PAGE}: expected {MARKS[0].strip()}")
    after = rest.partition(MARKS[1])[2]
    machine = f"Measured on {page.today()} on {page.machine()}."
    PAGE.write_text(f"{before}{begin}\n{table}\n\n{machine}\n\n{MARKS[1]}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
