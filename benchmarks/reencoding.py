"""What re-encoding the pictures of CIFAR-10 as JPEG costs: `python -m benchmarks.reencoding [--seeds 3]`.

Needs CIFAR-10 where `cnnlab data show cifar10` finds it; writes docs/reencoding.md.
"""

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cnnlab import data
from cnnlab.analysis.significance import estimate, paired
from cnnlab.cli.compare import with_deviation
from cnnlab.cli.tables import Format, render
from cnnlab.config.load import load
from cnnlab.experiment.schema import Experiment

PAGE = Path(__file__).parents[1] / "docs" / "reencoding.md"
TIMES = (0, 1, 2)
QUALITY, SHIFT = 75, 4  # Pillow's usual quality; half a block of JPEG, so that no block is one that was encoded before
BATCHES = 5
TEXT = """\
# What re-encoding CIFAR-10 as JPEG costs

`python -m benchmarks.reencoding --seeds {n}` wrote this page: `cnnlab train cifar` on the copy of CIFAR-10 at hand,
which had been encoded as JPEG of quality 75 before, and on the same encoded once and twice more, training and test
pictures alike (quality {quality}, colours at half the resolution, the grid of blocks moved by {shift} pixels each
time).

{table}

The source prints {printed}. {words}
"""


def main() -> None:
    """Train on each, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reencoding")
    parser.add_argument("--seeds", type=int, default=3)
    seeds = parser.parse_args().seeds
    experiment = load("cifar")
    dataset = data.load(experiment.data.model_copy(update={"validation": 0}))
    splits = (dataset.train, dataset.test)
    pixels = [np.asarray(split.images) for split in splits]
    labels = [np.asarray(split.labels, np.uint8) for split in splits]
    accuracies: dict[int, list[float]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for times in TIMES:
            if times:
                pixels = [encoded(images) for images in pixels]
            folder = Path(scratch) / str(times)
            write(folder / "cifar-10-batches-bin", pixels, labels)
            accuracies[times] = _train(folder, seeds)
            print(times, accuracies[times], flush=True)
    PAGE.write_text(_page(accuracies, experiment), encoding="utf-8")
    print(PAGE.read_text(encoding="utf-8"))


def _page(accuracies: dict[int, list[float]], experiment: Experiment) -> str:
    rows, costs = [], []
    for times, found in accuracies.items():
        row: dict[str, object] = {"encoded again": times, "accuracy": with_deviation(estimate(found))}
        if times:
            before = accuracies[times - 1]
            costs.append(100 * (estimate(before).mean - estimate(found).mean))
            row |= {"points lost": f"{costs[-1]:.2f}", "p": round(paired(found, before).p, 4)}
        rows.append(row)
    printed = experiment.published.accuracy if experiment.published else None
    gap = 100 * (printed - estimate(accuracies[0]).mean) if printed else 0.0
    words = (
        f"Ours is {gap:.2f} points below on the copy at hand. Encoding that once more costs {costs[0]:.2f} points, the "
        f"time after that {costs[1]:.2f}."
    )
    return TEXT.format(
        n=len(accuracies[0]),
        quality=QUALITY,
        shift=SHIFT,
        table=render(rows, ["encoded again", "accuracy", "points lost", "p"], Format.MD),
        printed=printed,
        words=words,
    )


def encoded(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Each of the pictures (n, height, width, 3) through JPEG, its blocks shifted against its own grid."""
    wide = np.pad(images, ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT), (0, 0)), mode="edge")
    decoded = np.empty_like(images)
    for index, picture in enumerate(wide):
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "JPEG", quality=QUALITY)
        decoded[index] = np.asarray(Image.open(file))[SHIFT:-SHIFT, SHIFT:-SHIFT]
    return decoded


def write(folder: Path, pixels: list[NDArray[np.uint8]], labels: list[NDArray[np.uint8]]) -> None:
    """CIFAR-10's binary files: a byte of label, then the pixels, channel by channel."""
    folder.mkdir(parents=True)
    train, test = (
        np.concatenate([own[:, None], _channels_first(images)], axis=1)
        for images, own in zip(pixels, labels, strict=True)
    )
    for number, rows in enumerate(np.split(train, BATCHES), start=1):
        rows.tofile(folder / f"data_batch_{number}.bin")
    test.tofile(folder / "test_batch.bin")


def _channels_first(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return images.transpose(0, 3, 1, 2).reshape(len(images), -1)


def _train(folder: Path, seeds: int) -> list[float]:
    """The test accuracy of every seed."""
    command = [sys.executable, "-m", "cnnlab", "train", "cifar", "--seeds", str(seeds), "--quiet"]
    environment = {**os.environ, "CNNLAB_DATA_DIR": str(folder)}
    subprocess.run([*command, "--runs", str(folder / "runs")], env=environment, check=True, capture_output=True)
    records = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("runs/*/run.json"))]
    records.sort(key=lambda record: record["experiment"]["seed"])
    return [record["results"]["test_accuracy"] for record in records]


if __name__ == "__main__":
    main()
