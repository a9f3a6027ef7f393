"""Running an exported network in its own runtime, in a process that has no cnnlab."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnnlab.errors import ExportError
from cnnlab.export.targets import Format, Target

BATCH_SIZE, ALONE = 256, 50  # images at once; images that are timed one at a time
PACKAGES = {
    Format.KERAS: "keras",
    Format.SAVEDMODEL: "tensorflow",
    Format.ONNX: "onnxruntime",
    Format.LITERT: "ai-edge-litert",
}
_RUNNER = """
import json, runpy, sys, time
sys.modules["cnnlab"] = None  # imports of it fail
import numpy as np
script, folder, dtype, batch_size, alone = sys.argv[1:]
predict = runpy.run_path(script)["predict"]
images = np.load(folder + "/images.npy", mmap_mode="r")
def run(first, count):
    part = np.array(images[first : first + count])
    part = part if dtype == "uint8" else part / np.float32(255)
    started = time.perf_counter()
    scores = np.array(predict(part))
    return scores, (time.perf_counter() - started) / len(part)
def run_all(count, total):
    run(0, min(count, total))  # compiles
    scores, seconds = [], []
    for first in range(0, total, count):
        result = run(first, count)
        scores.append(result[0])
        seconds.append(result[1])
        print(min(first + count, total), flush=True)
    return np.concatenate(scores), 1000 * float(np.median(seconds))
alone, ms_alone = run_all(1, min(int(alone), len(images)))
scores, ms_per_image = run_all(int(batch_size), len(images))
np.savez(folder + "/scores.npz", scores=scores, alone=alone)
print(json.dumps([ms_per_image, ms_alone]))
"""


@dataclass(frozen=True)
class Measured:
    """Scores (n, classes) float32 in batches, those of the first images one at a time, and milliseconds per image."""

    scores: NDArray[np.float32]
    alone: NDArray[np.float32]
    ms_per_image: float
    ms_alone: float


def version(target: Target) -> str:
    """The runtime and its version, such as `ONNX Runtime 1.32.0`."""
    return f"{target.info.runtime} {metadata.version(PACKAGES[target.format])}"


def run_script(
    script: Path, target: Target, images: NDArray[np.uint8], folder: Path, advance: Callable[[int], None]
) -> Measured:
    """Have `predict` of the script score images (n, height, width, channels), which `folder` has as images.npy.

    `advance` gets the number of images so far. Raises ExportError where it fails.
    """
    arguments = [str(script.absolute()), str(folder), str(target.input), str(BATCH_SIZE), str(ALONE)]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"}
    with tempfile.TemporaryFile() as errors:
        with subprocess.Popen(
            [sys.executable, "-c", _RUNNER, *arguments],
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=folder,
            env=environment,
            text=True,
        ) as process:
            line = "[]"
            for line in process.stdout or ():
                if line.strip().isdecimal():
                    advance(int(line))
        if process.returncode:
            errors.seek(0)
            reason = (errors.read().decode(errors="replace").strip().splitlines() or [f"exit {process.returncode}"])[-1]
            raise ExportError(f"{target.info.runtime} cannot run the exported network: {reason}")
    ms_per_image, ms_alone = json.loads(line)
    with np.load(folder / "scores.npz") as found:
        return Measured(found["scores"], found["alone"], ms_per_image, ms_alone)
