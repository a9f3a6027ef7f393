"""How fast and how strong attacks are: `python -m benchmarks.fooling --foolbox FOLDER` writes docs/benchmarks-fool.md.

FOLDER is where `pip install --target FOLDER --no-deps` put foolbox, the independent implementation: `make bench-fool`.
"""

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.page import DOCS
from cnnlab.cli import main as cnnlab
from cnnlab.cli.tables import Format, render
from cnnlab.cli.tensorflow import import_tensorflow
from cnnlab.runs import Run

PAGE = DOCS / "benchmarks-fool.md"
STEPS, ROUNDS, COMPARED = 40, 5, 1000
RADII = {"linf": (13 / 255, 26 / 255, 51 / 255, 77 / 255), "l2": (0.5, 1.0, 2.0)}
TEXT = """\
# What attacks cost, and whether they are as strong as others

`python -m benchmarks.fooling` wrote this page, on {when}, on {machine}: LeNet-5, trained for three epochs on MNIST.

A step of PGD is a forward and a backward pass. On {examples:,} test examples, {steps} steps take {seconds:.1f} s:
{rate:,.0f} examples · steps per second, {ratio:.2f} times the examples/s of the compiled training of the same network
in the same process ({training:,.0f}; medians of {rounds} rounds in turn).

Success is the fraction of the first {compared:,} test examples that are predicted wrong after the attack. foolbox
{version} does not round images to 8 bits; the epsilons of linf are whole steps of a pixel.

{table}
"""


def main() -> None:
    """Train, measure, compare, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fooling")
    parser.add_argument("--foolbox", type=Path, required=True, help="the folder that foolbox is installed in")
    sys.path.append(str(parser.parse_args().foolbox))
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        if cnnlab(["train", "lenet", "--epochs", "3", "--name", "lenet", "--quiet"]):
            raise SystemExit("training failed")
        import_tensorflow()
        speed = _speed(Run(Path("runs/lenet")))
        rows = _strength(Run(Path("runs/lenet")))
    import foolbox

    text = TEXT.format(
        when=datetime.now(UTC).date(),
        machine=f"{platform.machine()} with {os.cpu_count()} cores, {platform.system()}",
        steps=STEPS,
        rounds=ROUNDS,
        compared=COMPARED,
        version=foolbox.__version__,
        table=render(rows, list(rows[0]), Format.MD),
        **speed,
    )
    PAGE.write_text(text, encoding="utf-8")
    print(text)


def _speed(run: Run) -> dict[str, Any]:
    """The rate of PGD, and that of training, in turn."""
    from cnnlab.evaluation.load import load_dataset, load_model
    from cnnlab.robustness.attacker import Attack, Attacker
    from cnnlab.runs.experiment import experiment_of
    from cnnlab.training.trainer import Trainer

    loaded = load_model(run)
    test = load_dataset(loaded.record, loaded.experiment).test
    images, labels = test.images[:], test.labels
    attacker, attack = Attacker(loaded, "linf"), Attack("pgd", steps=STEPS)
    trainer = Trainer.from_experiment(experiment_of(run))
    pgd, training = [], []
    for number in range(ROUNDS + 1):  # the first compiles
        started = time.perf_counter()
        attacker(attack, images, labels, 0.3)
        pgd.append(time.perf_counter() - started)
        started = time.perf_counter()
        for _ in trainer.engine.epoch(number):
            pass
        training.append(time.perf_counter() - started)
    seconds = statistics.median(pgd[1:])
    rate = len(images) * STEPS / seconds
    trained = len(trainer.dataset.train) / statistics.median(training[1:])
    return {"examples": len(images), "seconds": seconds, "rate": rate, "training": trained, "ratio": rate / trained}


def _strength(run: Run) -> list[dict[str, Any]]:
    """The success of our attacks and of foolbox's, one row per attack and epsilon."""
    import foolbox
    import keras
    import tensorflow as tf

    from cnnlab.evaluation.load import load_dataset, load_model
    from cnnlab.experiment.adversarial import RELATIVE_STEP, Norm
    from cnnlab.robustness.attacker import Attack, Attacker

    loaded = load_model(run)
    test = load_dataset(loaded.record, loaded.experiment).test.take(slice(0, COMPARED))
    model = foolbox.TensorFlowModel(keras.models.load_model(run.model), bounds=(0, 1), device="/CPU:0")
    images = tf.constant(test.images[:] / np.float32(255), tf.float32)
    labels = tf.constant(test.labels.astype(np.int64))
    step = RELATIVE_STEP / STEPS
    theirs = {
        ("fgsm", "linf"): foolbox.attacks.LinfFastGradientAttack(random_start=False),
        ("fgsm", "l2"): foolbox.attacks.L2FastGradientAttack(random_start=False),
        ("pgd", "linf"): foolbox.attacks.LinfPGD(rel_stepsize=step, steps=STEPS),
        ("pgd", "l2"): foolbox.attacks.L2PGD(rel_stepsize=step, steps=STEPS),
    }
    norms: Sequence[Norm] = ("linf", "l2")
    rows = []
    for norm in norms:
        attacker = Attacker(loaded, norm)
        for kind, attack in (("fgsm", Attack("fgsm", norm)), ("pgd", Attack("pgd", norm, STEPS))):
            _, _, success = theirs[kind, norm](model, images, labels, epsilons=list(RADII[norm]))
            for epsilon, their in zip(RADII[norm], success.numpy().mean(axis=1), strict=True):
                our = float((attacker(attack, test.images[:], test.labels, epsilon).predictions != test.labels).mean())
                rows.append(
                    {
                        "attack": f"{attack.name} {norm}",
                        "epsilon": epsilon,
                        "cnnlab": our,
                        "foolbox": float(their),
                        "difference": our - float(their),
                    }
                )
    return rows


if __name__ == "__main__":
    main()
