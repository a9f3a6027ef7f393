"""How many flipped labels `cnnlab data audit` finds: `python -m benchmarks.label_errors` writes docs/audit.md.

One percent of the training labels of MNIST are replaced by another class, drawn by a seed. LeNet-5 audits these, and
the published MNIST, whose test images that it suspects are drawn into docs/audit-test.png.
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from benchmarks.page import DOCS
from cnnlab import data
from cnnlab.cli.tables import Format, render
from cnnlab.experiment.data import Mnist

PAGE, GRID = DOCS / "audit.md", DOCS / "audit-test.png"
BEGIN, END = "<!-- label errors: begin -->", "<!-- label errors: end -->"
RATE, SEED, SHOWN, COMPARED = 0.01, 0, 10, 5
CNNLAB = [sys.executable, "-m", "cnnlab"]
FLIPPED = "data={name: npz, file: flipped.npz, image_shape: [28, 28, 1], num_classes: 10, validation: 5000}"
TEXT = """
`python -m benchmarks.label_errors` wrote this part. {flips:,} of the {examples:,} training labels of MNIST (1 %) were
replaced by another class (NumPy's generator, seed {seed}); `cnnlab data audit lenet --epochs {epochs}`, five folds,
took {seconds:.0f} s of CPU time, the start of Python and TensorFlow included.

{table}

Precision is the fraction of suspects that were flipped, recall that of the flipped labels that are suspects, both for
the {suspects:,} examples that confident learning calls suspicious; `precision_at_{flips}` is for as many as were
flipped, the most suspicious first; average precision is over all cut-offs by the margin. What is not flipped may still
be an error of MNIST's own.

What leaving the suspects out changes (`--retrain {compared}`), on the test set of MNIST:

```
{comparison}
```

The {shown} most suspicious test images of MNIST as it is published, by the mean of five networks, none of which saw a
test image; {test_suspects} of the 10,000 are suspects:

{test_table}

![The most suspicious test images of MNIST](audit-test.png)
"""


def flip(labels: NDArray[np.int32], rate: float, seed: int) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Labels of which the fraction `rate` is replaced by another of ten classes, and which are."""
    random = np.random.default_rng(seed)
    which = random.choice(len(labels), round(rate * len(labels)), replace=False)
    flipped = labels.copy()
    flipped[which] = (labels[which] + random.integers(1, 10, len(which))) % 10
    return flipped, flipped != labels


def audit(folder: Path, *options: str) -> tuple[list[dict[str, Any]], float]:
    """The splits as `cnnlab data audit --format json` prints them, and the seconds of CPU time."""
    command = [*CNNLAB, "data", "audit", "lenet", "--quiet", "--format", "json", *options]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    found: list[dict[str, Any]] = json.loads(done.stdout)["splits"]
    return found, seconds


def measured(found: dict[str, Any], margins: NDArray[np.float64], is_flipped: NDArray[np.bool_]) -> dict[str, Any]:
    """Precision and recall of the suspects of the training split, and of as many as were flipped."""
    suspects, flips = [row["index"] for row in found["suspects"]], int(is_flipped.sum())
    hits = int(is_flipped[suspects].sum())
    first = np.argsort(margins, kind="stable")[:flips]
    return {
        "suspects": len(suspects),
        "flipped_among_them": hits,
        "precision": round(hits / len(suspects), 4),
        "recall": round(hits / flips, 4),
        f"precision_at_{flips}": round(float(is_flipped[first].mean()), 4),
        "average_precision": round(float(average_precision_score(is_flipped, -margins)), 4),
        "estimated_noise": f"{100 * found['estimated_noise']:.2f} %",
    }


def main() -> None:
    """Flip labels, audit, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.label_errors")
    parser.add_argument("--epochs", type=int, default=4, help="of each training (default 4)")
    epochs = str(parser.parse_args().epochs)
    source = data.read(Mnist(name="mnist"))
    labels, is_flipped = flip(source.train.labels, RATE, SEED)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        np.savez(
            folder / "flipped.npz",
            x_train=source.train.images[:],
            y_train=labels,
            x_test=source.test.images[:],
            y_test=source.test.labels,
        )
        flipped = ("--set", FLIPPED, "--epochs", epochs, "--out", "flipped")
        (train, _), seconds = audit(folder, *flipped)
        subprocess.run(
            [*CNNLAB, "data", "audit", "lenet", "--quiet", *flipped, "--retrain", str(COMPARED)],
            cwd=folder,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        comparison = subprocess.run(
            [*CNNLAB, "compare", "flipped/compared"], cwd=folder, check=True, stdout=subprocess.PIPE, text=True
        ).stdout.replace(f"{folder}/", "")
        (_, test), _ = audit(folder, "--epochs", epochs, "--out", "published", "--top", str(SHOWN))
        shutil.copy(folder / "published" / "test-suspects.png", GRID)
    margins = np.array(train["margins"])
    row = measured(train, margins, is_flipped)
    columns = ["index", "label", "suggested", "probability_of_label", "probability_of_suggested", "suspect"]
    block = TEXT.format(
        flips=int(is_flipped.sum()),
        examples=len(labels),
        seed=SEED,
        epochs=epochs,
        seconds=seconds,
        table=render([row], list(row), Format.MD),
        suspects=row["suspects"],
        compared=COMPARED,
        comparison=comparison.strip(),
        shown=SHOWN,
        test_suspects=len(test["suspects"]),
        test_table=render(test["most_suspicious"], columns, Format.MD),
    )
    text = PAGE.read_text(encoding="utf-8")
    begin, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    PAGE.write_text(f"{text[:begin]}\n{block}\n{text[end:]}", encoding="utf-8")
    print(block)


if __name__ == "__main__":
    main()
