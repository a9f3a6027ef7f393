"""Why the networks with one small convolution end so far apart: `python -m benchmarks.working_filters [RUNS]`.

Of the trained runs of `conv` and `conv-pool` in RUNS (runs/reproduction; `cnnlab reproduce conv conv-pool --seeds 10`
makes them) it counts the filters that work, and writes docs/working-filters.md.
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
# Four filters, and how many of them work

`python -m benchmarks.working_filters` wrote this page from the runs of `cnnlab reproduce conv conv-pool --seeds {n}`.

`conv` and `conv-pool` have a single convolution of four 3×3 filters with ReLU. What a seed comes to after 100 epochs
spreads over points, while networks with more units spread over tenths of a point. One reason can be counted. ReLU
makes a filter of use where it is above zero in some places and not in others. One that is above zero hardly anywhere is
dead; one that is above zero nearly everywhere is linear, and the dense layer behind it could do its work alone. A
filter *works* here if it is above zero in {seldom:.0%} to {often:.0%} of all places of {images:,} test pictures.

{tables}

The slides trained each network once, from a start that is not printed.
"""


@dataclass(frozen=True)
class Count:
    """The filters of one run; `above_zero` is in what share of all places each is."""

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
    """Count, and write the page."""
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
            tables="\n".join(_table(name, own) for name, own in runs.items() if own),
        ),
        encoding="utf-8",
    )
    print(PAGE.read_text(encoding="utf-8"))


def _table(name: str, runs: Sequence[Run]) -> str:
    source = experiment_of(runs[0]).published
    return table(name, source.accuracy if source else None, [_count(run) for run in runs])


def table(name: str, printed: float | None, counts: Sequence[Count]) -> str:
    """What was counted of an experiment's runs, beside the accuracy that its source has `printed`."""
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
        of_these = [count.accuracy for count in counts if count.working == number]
        yield f"{number} of 4, {np.mean(of_these):.4f} ({len(of_these)} seed{'s' * (len(of_these) > 1)})"


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
    """In what share of all places of the pictures each filter of the first convolution is above zero, (filters,)."""
    loaded = load_model(run)
    model, dataset = loaded.model, load_dataset(loaded.record, loaded.experiment)
    layer = next(layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D))
    outputs = keras.Model(model.inputs, layer.output)(to_input(dataset.test.images[:IMAGES]))
    shares: NDArray[np.float64] = (np.asarray(outputs) > 0).mean(axis=(0, 1, 2))
    return shares


if __name__ == "__main__":
    main()
