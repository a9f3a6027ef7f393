"""Writes docs/benchmarks.md: the tables of all benchmarks, with machine, versions and a plot."""

import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import engine_vs_peers
from benchmarks.engine_vs_peers import Contestant, geometric_mean
from cnnlab.cli.tables import Format, render

DOCS = Path(__file__).parents[1] / "docs"
PLOT = "benchmarks.png"
WIDEST = 2.5  # times as long as `fit`; longer bars end there, their labels say how long they are
WHY_JAX = """ There, XLA compiles the
whole epoch into one loop in JAX; in TensorFlow 2.21, matrix products inside XLA's loop are several times slower, so
that cnnlab compiles one step and loops outside of it."""
INTRODUCTION = """\
# Benchmarks

`make bench` measures what is on this page, `python -m benchmarks --only SECTION` a section alone.
"""
HEADINGS = {
    "engine": "Training speed compared with Keras and PyTorch",
    "start-up": "One epoch including start-up",
    "stages": "Where a start goes",
    "shares": "Share of peak performance",
    "folder": "Images from a folder",
}
"""The sections of the page, in order."""
SHARES = """\
`cnnlab bench` on 20,000 images, float32: the arithmetic operations per second of training, as a share of those of a
product of two 2048 × 2048 matrices.
"""


def write_section(name: str, text: str, contestants: Sequence[Contestant] = ()) -> Path:
    """Replace the text below the heading of a section, and say when and where it was measured; the path of the page."""
    page = DOCS / "benchmarks.md"
    before = page.read_text(encoding="utf-8") if page.exists() else ""
    _, *parts = f"\n{before}".split("\n## ")
    sections = {heading: rest for heading, _, rest in (part.partition("\n") for part in parts)}
    measured = f"Measured on {today()} on {machine(contestants)}."
    sections[HEADINGS[name]] = f"\n{measured}\n\n{text.strip()}\n"
    known = [f"## {heading}\n{sections[heading]}" for heading in HEADINGS.values() if heading in sections]
    page.write_text("\n".join([INTRODUCTION, *known]), encoding="utf-8")
    return page


def engine(race: Sequence[dict[str, Any]], contestants: Sequence[Contestant]) -> str:
    """The section about training speed; draws its plot."""
    means = [f"{contestant.name} {geometric_mean(race, contestant.name):.2f}" for contestant in contestants[1:]]
    _plot(race, [contestant.name for contestant in contestants])
    return "\n".join(
        [
            f"{body(engine_vs_peers.__doc__)}\n{tables(race)}\n",
            f"Geometric means of the ratios to `fit` over the five networks: {', '.join(means)}.\n",
            f"{_slower(race)}\n",
            f"![Seconds per epoch, relative to Keras's fit in float32]({PLOT})",
        ]
    )


def tables(*found: Sequence[dict[str, Any]]) -> str:
    """Tables of rows, one after the other."""
    return "\n\n".join(render(rows, list(rows[0]), Format.MD) for rows in found)


def _slower(race: Sequence[dict[str, Any]]) -> str:
    """Which float32 contestants are faster than cnnlab, and how much."""
    ours = {row["network"]: row["seconds_per_epoch"] for row in race if row["contestant"] == "cnnlab"}
    faster = [
        f"{row['contestant']} on {row['network']} (cnnlab takes {ours[row['network']] / row['seconds_per_epoch']:.2f} "
        "times as long)"
        for row in race
        if "bfloat16" not in row["contestant"] and row["seconds_per_epoch"] < ours[row["network"]]
    ]
    why = WHY_JAX if any("JAX" in text for text in faster) else ""
    return f"Faster than cnnlab in float32: {', '.join(faster) or 'none'}.{why}"


def today() -> str:
    """The date, in UTC."""
    return str(datetime.now(UTC).date())


def body(docstring: str | None) -> str:
    """The docstring of a module as text of the page."""
    return f"{(docstring or '').strip()}\n"


def machine(contestants: Sequence[Contestant] = ()) -> str:
    """The processor, the number of cores, and the versions of the frameworks."""
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("tensorflow", "keras", "numpy")]
    for python in {contestant.python for contestant in contestants if contestant.module == "pytorch"}:
        asked = [python, "-c", "import torch; print(torch.__version__)"]
        versions.append(f"torch {subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()}")
    return (
        f"{processor()}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}, "
        f"{', '.join(versions)}"
    )


def processor() -> str:
    """The name of the processor and its AVX-512 and half-precision units, if known."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    facts = dict(line.split(":", 1) for line in lines if ":" in line)
    facts = {key.strip(): value.strip() for key, value in facts.items()}
    units = [flag for flag in ("avx512f", "avx512_bf16", "amx_bf16") if flag in facts.get("flags", "").split()]
    return f"{facts.get('model name', platform.machine())} ({', '.join(units) or 'no AVX-512'})"


def _plot(race: Sequence[dict[str, Any]], contestants: Sequence[str]) -> None:
    """Bars of the contestants for each network, relative to the first; shorter is faster."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    networks = list(dict.fromkeys(row["network"] for row in race))
    figure, axes = plt.subplots(figsize=(8, 1 + 0.16 * len(networks) * len(contestants)), layout="constrained")
    height = 0.8 / len(contestants)
    for number, contestant in enumerate(contestants):
        ratios = [row["to_fit"] for row in race if row["contestant"] == contestant]
        places = [place + number * height for place in range(len(networks))]
        bars = axes.barh(places, [min(ratio, WIDEST) for ratio in ratios], height, label=contestant)
        axes.bar_label(bars, [f"{ratio:.2f}" for ratio in ratios], padding=2, fontsize=7)
    axes.set_yticks([place + 0.4 - height / 2 for place in range(len(networks))], networks)
    axes.invert_yaxis()
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xlabel("seconds per epoch, relative to Keras's fit in float32; shorter is faster")
    axes.set_xlim(0, WIDEST * 1.1)
    figure.legend(*axes.get_legend_handles_labels(), fontsize=8, loc="outside lower center", ncols=4)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(DOCS / PLOT, dpi=120)
    plt.close(figure)
