"""One epoch on MNIST including start-up: `cnnlab train` and a minimal Keras script, of LeNet-5 and of one dense layer.

Both load the arrays of MNIST, train on 55,000 images (the dense layer on 60,000), evaluate on validation and test
images, and save the model. They run in turn.
"""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from cnnlab.quantities import Bytes


def race(rounds: int, scratch: Path) -> list[dict[str, Any]]:
    """One row per command: the median and range of `rounds` starts, and the peak memory."""
    data = write_data(scratch) / "mnist" / "mnist.npz"
    script = Path(__file__).parent / "contestants" / "plain_script.py"
    commands: dict[str, list[str]] = {}
    references: dict[str, str] = {}
    for name in ("lenet", "fc"):
        plain, ours = f"minimal Keras script, {name}", f"cnnlab train {name} --epochs 1"
        references |= {plain: plain, ours: plain}
        commands[plain] = [sys.executable, str(script), name, str(data), str(scratch / "plain.keras")]
        commands[ours] = [sys.executable, "-m", "cnnlab", "train", name, "--epochs", "1", "--quiet"]
        commands[ours] += ["--runs", str(scratch / "runs")]
    times: dict[str, list[float]] = {name: [] for name in commands}
    peaks = dict.fromkeys(commands, 0)
    for _ in range(rounds + 1):  # the first round fills the disk cache
        for name, command in commands.items():
            started = time.perf_counter()
            peaks[name] = max(peaks[name], _peak_of(command, data.parents[1]))
            times[name].append(time.perf_counter() - started)
    rows = []
    for name, seconds in times.items():
        rows.append(
            {
                "command": name,
                "seconds": statistics.median(seconds[1:]),
                "range": f"{min(seconds[1:]):.3g} to {max(seconds[1:]):.3g}",
                "to_script": statistics.median(seconds[1:]) / statistics.median(times[references[name]][1:]),
                "peak_memory": Bytes(peaks[name]),
            }
        )
        print(*rows[-1].values(), file=sys.stderr, flush=True)
    return rows


def write_data(scratch: Path) -> Path:
    """Write random images of MNIST's size; the folder that is `CNNLAB_DATA_DIR`."""
    data = scratch / "data" / "mnist" / "mnist.npz"
    data.parent.mkdir(parents=True)
    random = np.random.default_rng(0)
    arrays = {}
    for split, size in (("train", 60_000), ("test", 10_000)):
        arrays[f"x_{split}"] = random.integers(0, 256, (size, 28, 28), dtype=np.uint8)
        arrays[f"y_{split}"] = random.integers(0, 10, size, dtype=np.uint8)
    np.savez(data, **arrays)  # type: ignore[arg-type]
    return data.parents[1]


def _peak_of(command: list[str], data_dir: Path) -> int:
    """Run a command; its peak memory in bytes."""
    environment = {**os.environ, "CNNLAB_DATA_DIR": str(data_dir), "TF_CPP_MIN_LOG_LEVEL": "3"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return usage.ru_maxrss * 1024
