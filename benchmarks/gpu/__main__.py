"""`python -m benchmarks.gpu OUT [--torch PYTHON] [--jax PYTHON]`: all parts; see the package."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cnnlab.data.locate import data_folders

HERE = Path(__file__).parent
TESTS = [
    "tests/training/engine",
    "tests/training/resume",
    "tests/models",
    "tests/robustness",
    "tests/explain",
    "tests/evaluation",
]
TEST_PROCESSES = 6
PYTEST = ("-v", "-rfE", "--tb=short", "-p", "no:cacheprovider", "-o", "addopts=")
SMOKE = """
import json, tensorflow as tf
gpus = tf.config.list_physical_devices("GPU")
assert gpus, "TensorFlow finds no GPU"
x = tf.random.stateless_normal([64, 32, 32, 16], [0, 0])
kernel = tf.random.stateless_normal([3, 3, 16, 32], [0, 1])
with tf.GradientTape() as tape:
    tape.watch(kernel)
    y = tf.reduce_sum(tf.matmul(tf.reshape(tf.nn.conv2d(x, kernel, 1, "SAME"), [64, -1]), tf.ones([32 * 32 * 32, 10])))
gradient = tape.gradient(y, kernel)
compiled = tf.function(lambda a: tf.reduce_sum(tf.nn.relu(a) * 2), jit_compile=True)
details = {key: str(value) for key, value in tf.config.experimental.get_device_details(gpus[0]).items()}
found = {"tensorflow": tf.__version__, "device": gradient.device, "xla": float(compiled(x))}
print(json.dumps({**found, **details}))
"""


@dataclass
class Part:
    """Processes that run beside each other for `seconds` at most; what they print goes to OUT/NAME-I.log."""

    name: str
    commands: Sequence[Sequence[str]]
    seconds: float
    out: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    started: float = 0.0

    def start(self) -> None:
        """Start all of them."""
        self.started = time.perf_counter()
        for number, command in enumerate(self.commands):
            log = (self.out / f"{self.name}-{number}.log").open("wb")
            self.processes.append(subprocess.Popen(list(command), stdout=log, stderr=subprocess.STDOUT))

    def wait(self) -> list[int | None]:
        """Their exit codes; None where the time was over."""
        codes: list[int | None] = []
        for process in self.processes:
            try:
                codes.append(process.wait(max(0.1, self.started + self.seconds - time.perf_counter())))
            except subprocess.TimeoutExpired:
                process.kill()
                codes.append(None)
        print(f"{self.name}: {time.perf_counter() - self.started:.0f} s, exit codes {codes}", flush=True)
        return codes

    def start_and_wait(self) -> list[int | None]:
        """Both."""
        self.start()
        return self.wait()


class Utilisation(threading.Thread):
    """Samples of what `nvidia-smi` says of the GPU, while the thread runs."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.samples: list[tuple[float, float]] = []
        self._process = subprocess.Popen(
            ["nvidia-smi", "--query-gpu=utilization.gpu,memory.used", "--format=csv,noheader,nounits", "-lms", "250"],
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self) -> None:
        """Read them as they come."""
        for line in self._process.stdout or ():
            used, memory = map(float, line.split(","))
            self.samples.append((used, memory))

    def stop(self) -> dict[str, float]:
        """The median percentage of time in which the GPU computed, and the largest memory in MiB."""
        self._process.kill()
        used, memory = zip(*self.samples or [(0.0, 0.0)], strict=True)
        return {"utilisation": statistics.median(used), "memory_mib": max(memory), "samples": len(used)}


def main() -> None:
    """Run the parts that the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu")
    parser.add_argument("out", type=Path)
    parser.add_argument("--torch", metavar="PYTHON", help="a Python with PyTorch for this GPU")
    parser.add_argument("--jax", metavar="PYTHON", help="a Python with JAX for this GPU, and optax")
    parser.add_argument("--parts", default="words,tests,cifar,speed", help="some of words, tests, cifar, speed")
    parser.add_argument("--seconds", type=float, default=200, help="longest time of a part")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # processes share the GPU
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    os.environ.setdefault("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    python = [sys.executable, "-m"]
    smoke = subprocess.run([sys.executable, "-c", SMOKE], capture_output=True, text=True, check=False)
    print(smoke.stdout or smoke.stderr[-6000:], flush=True)
    if smoke.returncode:
        raise SystemExit("TensorFlow cannot compute on a GPU here")
    (options.out / "smoke.json").write_text(smoke.stdout.splitlines()[-1])

    beside = []
    if "words" in options.parts:
        words = [*python, "benchmarks.gpu.words", str(options.out)]
        few = ["--kinds", "words,layers"]
        commands = [[*words, "gpu", "--part", f"{part}/5"] for part in range(5)]
        commands += [[*words, "gpu", *few, "--repeat", "1", "--part", f"{part}/3"] for part in range(3)]
        commands += [[*words, "cpu", *few, "--part", f"{part}/2"] for part in range(2)]
        beside.append(Part("words", commands, options.seconds, options.out))
    if "tests" in options.parts:
        # A file per process, each with a log of its own: what has failed is known also where the time is over.
        files = [file for place in TESTS for file in sorted(Path(place).rglob("test_*.py"))]
        commands = [
            [*python, "pytest", *PYTEST, *map(str, files[part::TEST_PROCESSES])] for part in range(TEST_PROCESSES)
        ]
        beside.append(Part("tests", commands, options.seconds, options.out))
    for part in beside:
        part.start()
    for part in beside:
        part.wait()
    if "words" in options.parts:
        from benchmarks.gpu.words import compare

        report(compare(options.out), options.out)
    if "cifar" in options.parts and any((place / "cifar-10-batches-bin").is_dir() for place in data_folders()):
        to = ["--runs", str(options.out / "cifar"), "--name", "cifar-94", "--devices", "gpu"]
        utilisation = Utilisation()
        utilisation.start()
        train = [*python, "cnnlab", "train", str(HERE / "cifar-94.yaml"), *to]
        Part("cifar", [train], options.seconds, options.out).start_and_wait()
        print(json.dumps(utilisation.stop()), flush=True)
    if "speed" in options.parts:
        peers = [f"--{name}={path}" for name in ("torch", "jax") if (path := getattr(options, name))]
        race = [*python, "benchmarks.gpu.speed", str(options.out), *peers]
        Part("speed", [race], options.seconds, options.out).start_and_wait()


def report(rows: list[dict[str, Any]], out: Path) -> None:
    """Write the rows, and print the counts and what failed."""
    (out / "words.json").write_text(json.dumps(rows, indent=1))
    compared = [row for row in rows if row["equal_bits"] is not None]
    print(f"{len(rows)} experiments, {sum(not row['failed'] for row in rows)} without a failure")
    print(f"{sum(row['equal_bits'] for row in compared)} of {len(compared)} equal to the bit when repeated")
    for row in rows:
        if row["failed"] or row["equal_bits"] is False or (row["difference_from_cpu"] or 0) > 0.02:
            message = row.pop("message").strip().replace("\n", " ")[-300:]
            print(json.dumps(row), message, flush=True)


if __name__ == "__main__":
    main()
