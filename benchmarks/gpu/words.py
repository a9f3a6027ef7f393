"""Train many small experiments on one kind of device: `python -m benchmarks.gpu.words OUT DEVICES`.

Runs go to OUT/DEVICES-REPEAT/NAME, and one JSON line about each to a file beside them. `compare` reads such folders
again: which experiments failed, whether two repeats on the GPU are equal to the bit, and how far their tables are from
those of the CPU.
"""

import argparse
import contextlib
import csv
import io
import itertools
import json
import math
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from cnnlab.config import shipped
from cnnlab.config.load import load_file, to_yaml
from cnnlab.experiment.data import num_outputs
from cnnlab.experiment.data.user import Synthetic
from cnnlab.experiment.schema import Experiment

DATA = {
    "name": "synthetic",
    "image_shape": [8, 8, 2],
    "num_classes": 3,
    "train_examples": 61,
    "test_examples": 20,
    "validation": 12,
}
JITS = ("auto", "on", "off")
AUGMENTATIONS = [
    {"random_crop": 2},
    "horizontal_flip",
    "alternating_flip",
    {"rotation": 15},
    {"translation": 0.2},
    {"cutout": 3},
    {"mixup": 0.4},
    "vertical_flip",
    {"zoom": {"factor": 0.2, "fill": "reflect"}},
    "brightness",
    "contrast",
    "saturation",
    "gaussian_noise",
    "random_erasing",
    {"rand_augment": {"num_ops": 3, "fill": "nearest"}},
    "cutmix",
]


def experiments(kinds: str) -> Iterator[Experiment]:
    """Those of the `kinds`: `words`, whose networks cover the language; `layers`, one each; `shipped`."""
    from tests.training.distribution import every_word

    if "words" in kinds:
        for name in every_word.EXPERIMENTS:
            yield every_word.experiment(name)  # type: ignore[no-untyped-call]
        for step in AUGMENTATIONS:
            sections: dict[str, Any] = {"preprocessing": {"augmentation": [step]}}
            if step == "saturation":
                sections["data"] = {**DATA, "image_shape": [8, 8, 3]}
            yield _small(f"augmentation-{_kind(step)}", [], {}, sections)
        yield _small("frozen-batch-norm", ["batch_norm"], {"adversarial": {"epsilon": 0.1, "steps": 2}})
    if "layers" in kinds:
        layers = [*every_word.EVERY_LAYER[:-1], "batch_norm", {"dropout": 0.3}]
        for number, layer in enumerate(layers):
            for precision in ("float32", "mixed_bfloat16", "mixed_float16"):
                name = f"layer-{number}-{_kind(layer)}-{precision}"
                first = [{"conv2d": {"filters": 4, "kernel_size": 3, "padding": "same"}}]
                yield _small(name, [*first, layer], {"precision": precision})
    if "shipped" in kinds:
        for (name, path), jit in itertools.product(shipped.paths().items(), JITS):
            found = load_file(path)
            shape, classes = found.data.image_shape, num_outputs(found.data)
            examples = Synthetic(
                name="synthetic",
                image_shape=shape,
                num_classes=classes,
                train_examples=2048,
                test_examples=256,
                validation=256,
            )
            train = found.train.model_copy(update={"epochs": 1, "jit": jit, "test": "never"})
            yield found.model_copy(update={"name": f"shipped-{name}-jit-{jit}", "data": examples, "train": train})


def _small(name: str, layers: list[Any], train: dict[str, Any], sections: dict[str, Any] | None = None) -> Experiment:
    model = {"layers": [*layers, "flatten", {"dense": 3}]}
    settings = {"epochs": 2, "batch_size": 16, "schedule": "constant", **train}
    return Experiment.model_validate(
        {"name": name, "data": DATA, "model": model, "train": settings, **(sections or {})}
    )


def _kind(layer: Any) -> str:
    return next(iter(layer)) if isinstance(layer, dict) else str(layer)


def main() -> None:
    """Train the part of the experiments that the command line asks for."""
    from tests.training.distribution import every_word

    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu.words")
    parser.add_argument("out", type=Path)
    parser.add_argument("devices", choices=["cpu", "gpu"])
    parser.add_argument("--kinds", default="words,layers,shipped")
    parser.add_argument("--repeat", type=int, default=0)
    parser.add_argument("--part", default="0/1", metavar="I/N", help="every N-th experiment from the I-th on")
    options = parser.parse_args()
    first, parts = map(int, options.part.split("/"))
    folder = options.out / f"{options.devices}-{options.repeat}"
    folder.mkdir(parents=True, exist_ok=True)
    every_word.write_source(folder)  # type: ignore[no-untyped-call]
    every_word.write_grouped(folder)  # type: ignore[no-untyped-call]
    with (folder / f"results-{first}.jsonl").open("w") as results:
        for experiment in itertools.islice(experiments(options.kinds), first, None, parts):
            print(json.dumps(train(experiment, options.devices, folder)), file=results, flush=True)


def train(experiment: Experiment, devices: str, folder: Path) -> dict[str, Any]:
    """Train with `cnnlab train`; what came of it."""
    from cnnlab.cli import main as cnnlab

    config = folder / f"{experiment.name}.yaml"
    config.write_text(to_yaml(experiment))
    output = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    started = time.perf_counter()
    command = ["train", str(config), "--devices", devices, "--runs", str(folder), "--name", experiment.name, "--quiet"]
    with contextlib.redirect_stderr(output), contextlib.redirect_stdout(output):
        try:
            code: int | str = cnnlab(command)
        except BaseException:
            code = "exception"
            traceback.print_exc(file=output)
    seconds = round(time.perf_counter() - started, 2)
    return {
        "name": experiment.name,
        "code": code,
        "seconds": seconds,
        "output": output.buffer.getvalue().decode()[-1500:],
    }


def compare(out: Path) -> list[dict[str, Any]]:
    """One row per experiment: whether it trained on the GPU, the same to the bit twice, and how far from the CPU."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for file in sorted(out.glob("?pu-?/results-*.jsonl")):
        for line in file.read_text().splitlines():
            result = json.loads(line)
            found.setdefault(result["name"], {})[file.parent.name] = result
    rows = []
    for name, results in found.items():
        first, second, cpu = (out / where / name for where in ("gpu-0", "gpu-1", "cpu-0"))
        failed = [where for where, result in results.items() if result["code"] != 0]
        both = all((run / "weights.safetensors").is_file() for run in (first, second))
        rows.append(
            {
                "experiment": name,
                "trained": ", ".join(sorted(set(results) - set(failed))),
                "failed": ", ".join(failed),
                "equal_bits": _same_weights(first, second) if both else None,
                "difference_from_cpu": _difference(first, cpu),
                "message": next((results[where]["output"] for where in failed), ""),
            }
        )
    return rows


def _same_weights(first: Path, second: Path) -> bool:
    return (first / "weights.safetensors").read_bytes() == (second / "weights.safetensors").read_bytes()


def _difference(first: Path, second: Path) -> float | None:
    """The largest relative difference of the training losses in two metrics.csv; None where one is missing."""
    try:
        tables = [csv.DictReader((run / "metrics.csv").open()) for run in (first, second)]
        losses = [[float(row["loss"]) for row in table] for table in tables]
    except (OSError, KeyError):
        return None
    if not losses[0] or len(losses[0]) != len(losses[1]):
        return math.inf
    one, two = map(np.array, losses)
    return float(np.max(np.abs(one - two) / np.maximum(np.abs(two), 1e-9)))


if __name__ == "__main__":
    main()
