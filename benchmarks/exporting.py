"""Exports of seven networks to every format: `python -m benchmarks.exporting` writes the table in docs/export.md."""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.page import DOCS
from cnnlab.cli.tables import Format, render
from cnnlab.quantities import Bytes

PAGE, HEADING = DOCS / "export.md", "## Measured"
EXPORTS = (["keras"], ["savedmodel"], ["onnx"], ["litert"], ["litert", "--int8"])
MNIST = {"extends": "lenet", "train": {"epochs": 2, "optimizer": {"adam": {"learning_rate": 0.002}}}}
LAYERS: dict[str, list[Any]] = {
    "channel-max-pool": [
        {"conv2d": {"filters": 32, "kernel_size": 5, "padding": "same", "activation": "relu"}},
        {"channel_max_pool": 2},
        {"max_pool2d": 2},
        {"conv2d": {"filters": 32, "kernel_size": 5, "activation": "relu"}},
        {"channel_max_pool": 4},
        {"max_pool2d": 2},
        "flatten",
        {"dense": 10},
    ],
    "separable": [
        {"conv2d": {"filters": 16, "kernel_size": 3, "activation": "relu"}},
        {"separable_conv2d": {"filters": 32, "kernel_size": 3, "activation": "relu"}},
        {"max_pool2d": 2},
        {"depthwise_conv2d": {"kernel_size": 3, "activation": "relu"}},
        {"separable_conv2d": {"filters": 64, "kernel_size": 3, "activation": "relu"}},
        "global_avg_pool2d",
        {"dense": 10},
    ],
    "parallel": [
        {"conv2d": {"filters": 8, "kernel_size": 3, "strides": 2, "activation": "relu"}},
        {
            "parallel": [
                [{"conv2d": {"filters": 8, "kernel_size": 1, "activation": "relu"}}],
                [{"conv2d": {"filters": 8, "kernel_size": 5, "padding": "same", "activation": "relu"}}],
                [{"max_pool2d": {"pool_size": 3, "strides": 1, "padding": "same"}}],
            ]
        },
        {"max_pool2d": 2},
        "flatten",
        {"dense": 10},
    ],
}
"""Networks for MNIST with layers that the shipped ones lack."""
EXPERIMENTS: dict[str, dict[str, Any]] = {
    "lenet": MNIST,
    "resnet20": {"extends": "resnet20", "data": {"limit": 10_000}, "train": {"epochs": 3}},
    **{name: {**MNIST, "model": {"layers": layers}} for name, layers in LAYERS.items()},
    "standardize": {**MNIST, "preprocessing": {"scale": "standardize", "zero_padding": 2}},
    "bfloat16": {
        "extends": "cnn-32-64",
        "data": {"limit": 10_000},
        "train": {"epochs": 2, "precision": "mixed_bfloat16"},
    },
}
TEXT = """\
{heading}

`python -m benchmarks.exporting` wrote this table, on {when}, on {machine}. The networks are small ones,
trained briefly on MNIST and, resnet20, on CIFAR-10; each export was compared on the run's test images. `difference` is
the largest of a probability to the network in float32, `labels` the fraction of images with the same prediction,
`interval` that of the accuracy less the run's (95 %, paired), `to_cnnlab` the time per image in batches of 256 relative
to cnnlab's in the same command, and `alone_to_cnnlab` that of one image at a time.

{table}
"""


def main() -> None:
    """Train, export, and write the table."""
    argparse.ArgumentParser(prog="python -m benchmarks.exporting", description=__doc__).parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        rows = [row for name, settings in EXPERIMENTS.items() for row in _rows(name, settings, Path(scratch))]
    text = TEXT.format(
        heading=HEADING,
        when=datetime.now(UTC).date(),
        machine=f"{platform.machine()} with {os.cpu_count()} cores, {platform.system()}",
        table=render(rows, list(rows[0]), Format.MD),
    )
    before, _, _ = PAGE.read_text(encoding="utf-8").partition(HEADING)
    PAGE.write_text(before + text, encoding="utf-8")
    print(text)


def _rows(name: str, settings: dict[str, Any], folder: Path) -> list[dict[str, Any]]:
    """One row per export of a network, trained first."""
    (folder / f"{name}.yaml").write_text(json.dumps({**settings, "name": name}), encoding="utf-8")  # JSON is YAML
    _cnnlab(folder, "train", f"{name}.yaml", "--name", name, "--quiet")
    return [
        _row(json.loads(_cnnlab(folder, "export", f"runs/{name}", "--format", "json", "--to", *to))) for to in EXPORTS
    ]


def _row(report: dict[str, Any]) -> dict[str, Any]:
    low, high = report["accuracy_interval"]
    return {
        "network": Path(report["run"]).name,
        "export": report["format"] + (", int8" if report["int8"] else ""),
        "difference": f"{report['largest_difference']:.1e}",
        "labels": report["equal_labels"],
        "accuracy": report["accuracy"],
        "interval": f"{low:+.4f} to {high:+.4f}",
        "size": Bytes(report["bytes"]),
        "ms_per_image": report["ms_per_image"],
        "to_cnnlab": report["ms_per_image"] / report["ms_per_image_of_run"],
        "alone_to_cnnlab": report["ms_alone"] / report["ms_alone_of_run"],
    }


def _cnnlab(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "cnnlab", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    print(done.stderr, end="", file=sys.stderr)
    if done.returncode:
        raise SystemExit(f"cnnlab {' '.join(arguments)} failed")
    return done.stdout


if __name__ == "__main__":
    main()
