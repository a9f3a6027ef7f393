"""How fast `cnnlab predict` is: `python -m benchmarks.predicting [--rounds 5]` writes docs/benchmarks-predict.md."""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from PIL import Image

from benchmarks.page import DOCS
from cnnlab import data
from cnnlab.cli.tables import Format, render
from cnnlab.config.load import load

PAGE = DOCS / "benchmarks-predict.md"
IMAGES, MANY = 10_000, 100_000
PILLOW = """
import sys
from pathlib import Path
import numpy as np
from PIL import Image
for path in sorted(Path(sys.argv[1]).rglob("*.png")):
    with Image.open(path) as image:
        np.asarray(image.convert("L"))
"""
KERAS = """
import sys
from pathlib import Path
import keras
import numpy as np
from PIL import Image
model = keras.models.load_model("network.keras")
paths = sorted(Path(sys.argv[1]).rglob("*.png"))
for first in range(0, len(paths), 256):
    part = paths[first : first + 256]
    images = np.stack([np.asarray(Image.open(path).convert("L"))[..., None] for path in part])
    for path, scores in zip(part, model.predict(images / np.float32(255), verbose=0)):
        print(path, scores.argmax(), scores.max(), sep=",")
"""
MEASURED = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
NETWORK = """
import keras
layers = [keras.Input((28, 28, 1)), keras.layers.ZeroPadding2D(2)]
layers += [keras.layers.Conv2D(6, 5, activation="relu"), keras.layers.MaxPooling2D()]
layers += [keras.layers.Conv2D(16, 5, activation="relu"), keras.layers.MaxPooling2D(), keras.layers.Flatten()]
layers += [keras.layers.Dense(units, activation="relu") for units in (120, 84)]
keras.Sequential([*layers, keras.layers.Dense(10, activation="softmax")]).save("network.keras")
"""
TEXT = """\
# What it costs to predict

`python -m benchmarks.predicting` wrote this page, on {when}, on {machine}: {images:,} PNG files of 28×28 pixels in
ten folders, by LeNet-5. Medians of {rounds} rounds in which the commands take turns, each in a process of its own.
`start_up` is the time of the same command for one image, `beyond` what it takes longer for all, and `to_first` the
ratio of that to the first. Decoding begins while TensorFlow is imported. The peers do less: the Pillow loop only
decodes, and the script with Keras checks and reports nothing.

{table}

Peak memory of `cnnlab predict` is {small:,.0f} MB for {images:,} files and {large:,.0f} MB for {many:,}, a ratio of
{ratio:.2f}.
"""


def main() -> None:
    """Run all, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.predicting")
    parser.add_argument("--rounds", type=int, default=5, help="repetitions that count, of each (default 5)")
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for name, count in (("one", 1), ("images", IMAGES), ("many", MANY)):
            _write_images(folder / name, count)
        cnnlab = [sys.executable, "-m", "cnnlab"]
        train = [*cnnlab, "train", "digits", "--epochs", "1", "--quiet", "--name", "lenet"]
        subprocess.run(train, cwd=folder, capture_output=True, check=True)
        subprocess.run([sys.executable, "-c", NETWORK], cwd=folder, capture_output=True, check=True)
        predict = [*cnnlab, "predict", "runs/lenet", "--format", "csv"]
        contestants = {
            "a loop of Pillow's, which only decodes": [sys.executable, "-c", PILLOW],
            "cnnlab predict": predict,
            "the plainest script with Keras": [sys.executable, "-c", KERAS],
        }
        rows = _race(contestants, rounds, folder)
        small, large = (_peak_memory([*predict, name], folder) for name in ("images", "many"))
    PAGE.write_text(
        TEXT.format(
            when=datetime.now(UTC).date(),
            machine=f"{platform.machine()} with {os.cpu_count()} cores, {platform.system()}",
            images=IMAGES,
            many=MANY,
            rounds=rounds,
            table=render(rows, list(rows[0]), Format.MD),
            small=small,
            large=large,
            ratio=large / small,
        ),
        encoding="utf-8",
    )
    print(PAGE.read_text(encoding="utf-8"))


def _write_images(folder: Path, count: int) -> None:
    """So many files, in folders of their classes."""
    test = data.load(load("digits").data, quiet=True).test
    images = test.images[:]
    for number in range(count):
        label, index = int(test.labels[number % len(test)]), number % len(test)
        path = folder / str(label) / f"{number:06}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(images[index, ..., 0]).save(path)


def _race(contestants: dict[str, list[str]], rounds: int, folder: Path) -> list[dict[str, object]]:
    seconds: dict[tuple[str, str], list[float]] = {}
    for _ in range(rounds + 1):  # the first fills the disk's cache
        for name, command in contestants.items():
            for images in ("one", "images"):
                started = time.perf_counter()
                subprocess.run([*command, images], cwd=folder, capture_output=True, check=True)
                seconds.setdefault((name, images), []).append(time.perf_counter() - started)
    medians = {key: statistics.median(values[1:]) for key, values in seconds.items()}
    beyond = {name: medians[name, "images"] - medians[name, "one"] for name in contestants}
    first = next(iter(beyond.values()))
    return [
        {
            "command": name,
            "start_up": medians[name, "one"],
            "beyond": beyond[name],
            "images_per_second": round((IMAGES - 1) / beyond[name]),
            "to_first": beyond[name] / first,
        }
        for name in contestants
    ]


def _peak_memory(command: Sequence[str], folder: Path) -> float:
    """Of its largest process, in MB."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *command], cwd=folder, capture_output=True, text=True, check=True
    )
    return int(done.stdout) / 1e3


if __name__ == "__main__":
    main()
