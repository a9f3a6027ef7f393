"""Why networks with one small convolution vary between seeds: `python -m benchmarks.working_filters [RUNS]`.

Counts the working filters in the runs of `conv` and `conv-pool` in RUNS (default runs/reproduction, trained with
`cnnlab reproduce conv conv-pool --seeds 10`), and writes docs/working-filters.md.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from cnnlab.analysis.significance import ALPHA
from cnnlab.cli.tables import Format, render
from cnnlab.evaluation.load import load_dataset, load_model
from cnnlab.models.inference import to_input
from cnnlab.runs import Run
from cnnlab.runs.experiment import experiment_of
from cnnlab.runs.find import find

PAGE = Path(__file__).parents[1] / "docs" / "working-filters.md"
EXPERIMENTS = ("conv", "conv-pool")
IMAGES = 1_000  # of the test set
SELDOM = 0.05
TEXT = """\
# Working filters in networks with four filters

`python -m benchmarks.working_filters` wrote this page from the runs of `cnnlab reproduce conv conv-pool --seeds {n}`.

`conv` and `conv-pool` have a single convolution of four 3×3 filters with ReLU. Their accuracy after 100 epochs varies
by several points between seeds, while that of larger networks varies by tenths of a point. One reason can be counted.
With ReLU a filter is useful if its output is positive at some positions and zero at others. A filter that is hardly
ever positive is dead; one that is positive nearly everywhere is linear, and the following dense layer could replace it.
A filter *works* here if it is positive at {seldom:.0%} to {often:.0%} of all positions in {images:,} test images.

{tables}

The slides trained each network once, from unpublished initial weights.
"""


@dataclass(frozen=True)
class Count:
    """The filters of one run; `above_zero` is the share of positions at which each is positive."""

    seed: int
    accuracy: float
    working: int
    dead: int
    linear: int
    above_zero: str


TABLE = """\
## {name}

The slides print {printed}. {words}

{rows}
"""


def main() -> None:
    """Count the working filters and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.working_filters")
    parser.add_argument("runs", type=Path, nargs="?", default=Path("runs/reproduction"))
    runs: dict[str, list[Run]] = {name: [] for name in EXPERIMENTS}
    for run in find([parser.parse_args().runs]):
        record = run.record()
        if record.experiment.name in runs and record.status == "finished":
            runs[record.experiment.name].append(run)
    PAGE.write_text(
        TEXT.format(
            n=max(map(len, runs.values())),
            seldom=SELDOM,
            often=1 - SELDOM,
            images=IMAGES,
            tables="\n".join(_table(name, found) for name, found in runs.items() if found),
        ),
        encoding="utf-8",
    )
    print(PAGE.read_text(encoding="utf-8"))


def _table(name: str, runs: Sequence[Run]) -> str:
    source = experiment_of(runs[0]).published
    return table(name, source.accuracy if source else None, [_count(run) for run in runs])


def table(name: str, printed: float | None, counts: Sequence[Count]) -> str:
    """The section of an experiment: its counts, and the accuracy `printed` in its source."""
    counts = sorted(counts, key=lambda count: (-count.working, -count.accuracy))
    correlation = spearmanr([count.working for count in counts], [count.accuracy for count in counts])
    words = (
        f"Mean accuracy by the number of working filters: {'; '.join(_means(counts))}.\nSpearman's rank correlation of "
        f"the two over the {len(counts)} seeds is {correlation.statistic:.2f} (p = {correlation.pvalue:.2g})"
        f"{', which so few seeds do not prove' if correlation.pvalue >= ALPHA else ''}."
    )
    rows = [asdict(count) for count in counts]
    return TABLE.format(name=name, printed=printed, words=words, rows=render(rows, list(rows[0]), Format.MD))


def _means(counts: Sequence[Count]) -> Iterator[str]:
    for number in sorted({count.working for count in counts}, reverse=True):
        accuracies = [count.accuracy for count in counts if count.working == number]
        yield f"{number} of 4, {np.mean(accuracies):.4f} ({len(accuracies)} seed{'s' * (len(accuracies) > 1)})"


def _count(run: Run) -> Count:
    shares = np.sort(_above_zero(run))
    record = run.record()
    return Count(
        seed=record.experiment.seed,
        accuracy=record.result("test_accuracy"),
        working=int(((shares >= SELDOM) & (shares <= 1 - SELDOM)).sum()),
        dead=int((shares < SELDOM).sum()),
        linear=int((shares > 1 - SELDOM).sum()),
        above_zero=" ".join(f"{share:.2f}" for share in shares),
    )


def _above_zero(run: Run) -> NDArray[np.float64]:
    """The share of positions at which each filter of the first convolution is positive, (filters,)."""
    loaded = load_model(run)
    model, dataset = loaded.model, load_dataset(loaded.record, loaded.experiment)
    layer = next(layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D))
    outputs = keras.Model(model.inputs, layer.output)(to_input(dataset.test.images[:IMAGES]))
    shares: NDArray[np.float64] = (np.asarray(outputs) > 0).mean(axis=(0, 1, 2))
    return shares


if __name__ == "__main__":
    main()
