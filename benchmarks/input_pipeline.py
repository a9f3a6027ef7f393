"""Images from a folder: the time to decode them, relative to a bare Pillow loop, and the memory to train on them.

The bare loop lists the files, decodes each with Pillow in one of two processes, and discards the pixels. cnnlab also
writes the pixels and their SHA-256 to its cache; later starts read and verify the cache. The two run in turn. Memory is
the peak resident set of a `cnnlab train` process with `resident` images, with `streamed` images, and with streamed
images under the lowest limit on the data segment, of 5, 6, … tenths of the size of the decoded images, under which it
trains. The limit also counts what TensorFlow reserves and does not use.
"""

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from PIL import Image

from cnnlab.data.sources import image_files
from cnnlab.experiment.data import Folder
from cnnlab.quantities import Bytes

SMALL, SMALL_SIDE = 60_000, 32  # as in CIFAR-10
LARGE, LARGE_SIDE = 10_400, 256  # 2 GB decoded
CLASSES = 10
PROCESSES = 2
EXPERIMENT = """\
name: memory
data: {{name: folder, path: {path}, image_size: {side}, num_classes: {classes}, test: 200, validation: 200}}
model:
  layers:
    - conv2d: {{filters: 8, kernel_size: 8, strides: 8, activation: relu}}
    - global_avg_pool2d
    - dense: {classes}
train: {{epochs: 1, batch_size: 32}}
"""


def tables(rounds: int) -> list[list[dict[str, object]]]:
    """The tables of decoding times (medians of `rounds`) and of memory."""
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["XDG_CACHE_HOME"] = str(Path(scratch, "cache"))
        decoding = _decoding(Path(scratch, "small"), rounds)
        memory = _memory(Path(scratch, "large"))
    return [decoding, memory]


def _write_images(root: Path, count: int, side: int, distinct: int) -> None:
    """Write `count` JPEG files of random images, smooth like photographs; `distinct` of them differ."""
    random = np.random.default_rng(0)
    for label in range(CLASSES):
        place = root / f"class{label}"
        place.mkdir(parents=True)
        for number in range(count // CLASSES):
            file = place / f"{number:05}.jpg"
            if number >= distinct // CLASSES:
                os.link(place / f"{number % (distinct // CLASSES):05}.jpg", file)
                continue
            coarse = Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8))
            coarse.resize((side, side), Image.Resampling.BICUBIC).save(file, quality=90)


def _decoding(root: Path, rounds: int) -> list[dict[str, object]]:
    _write_images(root, SMALL, SMALL_SIDE, SMALL)
    spec = Folder(name="folder", path=str(root), image_size=SMALL_SIDE, num_classes=CLASSES)  # type: ignore[arg-type]
    seconds: dict[str, list[float]] = {"Pillow, two processes": [], "first start": [], "later start": []}
    for _ in range(rounds + 1):
        seconds["Pillow, two processes"].append(_timed(lambda: _bare_loop(root)))
        shutil.rmtree(Path(os.environ["XDG_CACHE_HOME"], "cnnlab"), ignore_errors=True)
        seconds["first start"].append(_timed(lambda: image_files.load(spec)))
        seconds["later start"].append(_timed(lambda: image_files.load(spec)))
    peer = statistics.median(seconds["Pillow, two processes"][1:])
    return [
        {
            f"{SMALL:,} JPEG of {SMALL_SIDE}×{SMALL_SIDE}": name,
            "seconds": statistics.median(times[1:]),
            "range": f"{min(times[1:]):.2f}-{max(times[1:]):.2f}",
            "to Pillow": statistics.median(times[1:]) / peer,
        }
        for name, times in seconds.items()
    ]


def _timed(work: object) -> float:
    started = time.perf_counter()
    work()  # type: ignore[operator]
    return time.perf_counter() - started


def _bare_loop(root: Path) -> int:
    files = sorted(str(path) for path in root.glob("*/*.jpg"))
    tasks = [files[first : first + 256] for first in range(0, len(files), 256)]
    with get_context("fork").Pool(PROCESSES) as pool:
        return sum(pool.imap(_open_all, tasks))


def _open_all(files: list[str]) -> int:
    for file in files:
        with Image.open(file) as image:
            np.asarray(image.convert("RGB"))
    return len(files)


def _memory(root: Path) -> list[dict[str, object]]:
    _write_images(root, LARGE, LARGE_SIDE, 10 * CLASSES)
    experiment = root.parent / "memory.yaml"
    experiment.write_text(EXPERIMENT.format(path=root, side=LARGE_SIDE, classes=CLASSES), encoding="utf-8")
    decoded = LARGE * LARGE_SIDE**2 * 3
    rows: list[dict[str, object]] = []
    measured = [(kind, None, _peak(experiment, kind, None)) for kind in ("resident", "streamed")]
    for kind, limit, peak in [*measured, ("streamed", *_lowest(experiment, "streamed", decoded))]:
        rows.append(
            {
                f"{LARGE:,} images of {LARGE_SIDE}×{LARGE_SIDE}": kind,
                "decoded": Bytes(decoded),
                "limit": None if limit is None else Bytes(limit),
                "peak": Bytes(peak),
                "to resident": peak / int(rows[0]["peak"] if rows else peak),  # type: ignore[call-overload]
            }
        )
    return rows


def _lowest(experiment: Path, kind: str, decoded: int) -> tuple[int, int]:
    """The lowest limit in tenths of `decoded` bytes under which it trains, and the peak under it."""
    for tenths in range(5, 11):
        limit = decoded * tenths // 10
        with suppress(subprocess.CalledProcessError):
            return limit, _peak(experiment, kind, limit)
    raise RuntimeError(f"{kind} images need as much memory as they are decoded")


def _peak(experiment: Path, kind: str, limit: int | None) -> int:
    """Peak resident set of a training in bytes; `limit` applies to its data segment."""
    measure = (
        "import resource, subprocess, sys; done = subprocess.run(sys.argv[1:]); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024); sys.exit(done.returncode)"
    )
    train = [sys.executable, "-m", "cnnlab", "train", str(experiment), "--quiet", "--runs", str(experiment.parent)]

    def restrict() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))

    done = subprocess.run(
        [sys.executable, "-c", measure, *train, "--set", f"train.input_pipeline={kind}"],
        preexec_fn=restrict,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return int(done.stdout.split()[-1])
