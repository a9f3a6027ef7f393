"""Writes docs/reproduction.md, its figure, and the "Expected" line of every shipped experiment, from configs/results.

`python -m benchmarks.reproduction` is part of `make docs` and trains nothing. The results come from
`cnnlab reproduce NAME --seeds N --save configs/results`, with three to ten seeds each.
"""

import re
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks import races
from cnnlab.analysis import reproduction, results, significance
from cnnlab.analysis.expected import describe_expected
from cnnlab.analysis.reproduction import MAX_EQUAL_DIFFERENCE, EpochComparison
from cnnlab.analysis.results import Result
from cnnlab.analysis.significance import ALPHA, estimate, format_mean_std
from cnnlab.analysis.verdicts import compare_by_seed
from cnnlab.cli.tables import Format, render
from cnnlab.config import shipped
from cnnlab.config.load import load_file
from cnnlab.experiment.schema import Experiment

WIDTH = 119
EARLY = 12  # epochs in the first slides
DOCS = Path(__file__).parents[1] / "docs"
FIGURE = "reproduction.png"
BETTER = "-better"
TEST_EXAMPLES = 10_000  # of MNIST, the test set of all these experiments
INTRODUCTION = """\
# Reproduction of published results

Every shipped experiment with results published in a lecture was trained to its full length with several seeds.
`make docs` generates this page from the results in [configs/results](../configs/results), without training. To repeat
the training: `cnnlab reproduce` for all experiments, `cnnlab reproduce fc --seeds 5` for one.

`published` is the result of the single training in the source. Ours are mean ± standard deviation over n seeds, on the
same test set. A published value is *reproduced within noise* if it lies in our 95 % prediction interval for one more
seed; an interval that hides more than half a point is called wide. `points` is the difference of our mean from the
published accuracy, in hundredths of accuracy. The epochs of an experiment come from the same trainings, so their
differences are correlated. Why conv and conv-pool vary so much: [working filters](working-filters.md).
"""

BETTER_TEXT = """
## Better, within the same epochs and parameters

Methods newer than the slides, with the same epochs and no more parameters; all settings were selected on held-out
training images, none on the test set. The test is that of `cnnlab compare`: paired over the seeds if both experiments
have the same seeds, else Welch's; p is corrected for the table by Holm's method.
"""


def main() -> None:
    """Write the page, the figure and the headings."""
    experiments = reproduction.select_experiments([])
    lines = {name: reproduction.shipped_comparisons(name, experiment) for name, experiment in experiments.items()}
    (DOCS / "reproduction.md").write_text(page(), encoding="utf-8")
    _draw({name: rows for name, rows in lines.items() if len(rows) > 1 and _is_measured(rows)}, DOCS / FIGURE)
    for path in shipped.paths().values():
        path.write_text(up_to_date(path), encoding="utf-8")


def page() -> str:
    """The text of docs/reproduction.md."""
    experiments = reproduction.select_experiments([])
    lines = {name: reproduction.shipped_comparisons(name, experiment) for name, experiment in experiments.items()}
    return "\n".join(_page(lines)) + "\n"


def up_to_date(path: Path) -> str:
    """The text of a shipped experiment with its expected results."""
    return with_expectation(path.read_text(encoding="utf-8"), expectation(path.stem, load_file(path)))


def expectation(name: str, experiment: Experiment) -> str:
    """The expected results in the heading of a shipped experiment."""
    if record := races.record_of(name):
        return record
    usual = results.results_for(experiment)
    early = [row.accuracy for row in results.epochs(name) if row.epoch == EARLY] if usual else []
    after = [(EARLY, early)] if early and experiment.train.epochs > EARLY else []
    return describe_expected(usual, after)


def with_expectation(text: str, expected: str) -> str:
    """An experiment file with `expected` in its heading, after the `Command`."""
    without = re.sub(r"(?m)^# Expected:.*\n(?:#   .*\n)*", "", text)
    wrapped = textwrap.fill(
        f"# Expected: {expected}.", WIDTH, subsequent_indent="#   ", break_long_words=False, break_on_hyphens=False
    )
    return re.sub(r"(?m)^(# Command:.*\n)", lambda found: f"{found[1]}{wrapped}\n", without, count=1)


def _page(lines: dict[str, list[EpochComparison]]) -> Iterator[str]:
    yield INTRODUCTION
    yield "## At the end of training\n"
    yield _table([_last(rows) for rows in lines.values() if _is_measured(rows)], final=True)
    left = [name for name, rows in lines.items() if not _is_measured(rows)]
    if left:
        yield f"\nNot trained to the end: {', '.join(left)}."
    if losses := list(_training_losses()):
        yield f"\nTraining losses, ours the mean over the last epoch: {'; '.join(losses)}."
    tables = {name: rows for name, rows in lines.items() if len(rows) > 1 and _is_measured(rows)}
    if tables:
        yield f"\n![Accuracy and loss by epoch: the slides' points on our mean ± std]({FIGURE})"
    if better := _better():
        yield BETTER_TEXT
        yield render(better, list(better[0]), Format.MD)
    for name, rows in lines.items():
        if _is_measured(rows):
            yield f"\n## {name}\n\n{deviations(shipped.paths()[name].read_text(encoding='utf-8'))}"
        if name in tables:
            yield "\n" + _table(rows, final=False)


def _training_losses() -> Iterator[str]:
    for name, experiment in reproduction.select_experiments([]).items():
        printed, usual = experiment.published, results.results_for(experiment)
        if printed and printed.training_loss is not None and usual:
            ours = estimate([result.train_loss for result in usual])
            yield f"{name}, published {printed.training_loss}, ours {format_mean_std(ours)}"


def _better() -> list[dict[str, object]]:
    """Rows of the improved experiments, tested against their originals as in `cnnlab compare`."""
    pairs = {
        name: (improved, original)
        for name, path in sorted(shipped.paths().items())
        if name.endswith(BETTER)
        and len(improved := results.results_for(load_file(path))) > 1
        and len(original := results.results_for(load_file(shipped.paths()[name.removesuffix(BETTER)]))) > 1
    }
    tests = [
        compare_by_seed(_by_seed(improved), _by_seed(original), 1 / TEST_EXAMPLES)
        for improved, original in pairs.values()
    ]
    corrected = significance.holm([test.p for test in tests])
    return [_better_row(name, *pair, p) for (name, pair), p in zip(pairs.items(), corrected, strict=True)]


def _better_row(name: str, improved: Sequence[Result], original: Sequence[Result], p: float) -> dict[str, object]:
    mine, theirs = (estimate([result.accuracy for result in rows]) for rows in (improved, original))
    printed = load_file(shipped.paths()[name.removesuffix(BETTER)]).published
    points = 100 * (mine.mean - theirs.mean)
    verdict = "no detectable difference" if p >= ALPHA else f"detectably {'better' if points > 0 else 'worse'}"
    return {
        "experiment": f"[{name}](../configs/{name}.yaml)",
        "epochs": improved[0].epochs,
        "parameters": improved[0].parameters,
        "published": printed and printed.accuracy,
        "as published": f"{format_mean_std(theirs)}, n = {theirs.n}",
        "better": f"{format_mean_std(mine)}, n = {mine.n}",
        "points": f"{points:+.2f}",
        "p": f"{p:.2g}",
        "verdict": verdict,
    }


def _by_seed(rows: Sequence[Result]) -> dict[str, float]:
    return {str(result.seed): result.accuracy for result in rows}


def deviations(text: str) -> str:
    """The deviations from the source in the heading of an experiment file, as one paragraph."""
    found = re.search(r"(?m)^# Deviations: (.*\n(?:#   .*\n)*)", text)
    paragraph = "Deviations: " + " ".join(re.sub(r"(?m)^#   ", "", found[1]).split()) if found else ""
    return re.sub(r"\bdocs/([\w-]+\.md)", r"[\1](\1)", paragraph)


def _is_measured(lines: Sequence[EpochComparison]) -> bool:
    return _last(lines).accuracy.ours is not None


def _last(lines: Sequence[EpochComparison]) -> EpochComparison:
    return lines[-1]


def _table(lines: Sequence[EpochComparison], *, final: bool) -> str:
    rows = []
    for line in lines:
        points = line.accuracy.difference
        ours = line.accuracy.ours
        close = points is not None and abs(points) <= MAX_EQUAL_DIFFERENCE and "within" not in line.verdict
        rows.append(
            {
                **({"experiment": f"[{line.experiment}](../configs/{line.experiment}.yaml)"} if final else {}),
                "epoch": line.epoch,
                "published": line.accuracy.published,
                "accuracy": format_mean_std(ours),
                "points": None if points is None else f"{100 * points:+.2f}",
                "published_loss": line.loss.published,
                "loss": format_mean_std(line.loss.ours),
                "n": ours and ours.n,
                "verdict": line.verdict + (" (within 0.5 points)" if final and close else ""),
            }
        )
    return render(rows, list(rows[0]), Format.MD) if rows else "Nothing yet."


def _draw(tables: dict[str, list[EpochComparison]], path: Path) -> None:
    if not tables:
        return
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    figure, grid = plt.subplots(
        2, len(tables), figsize=(3 * len(tables), 5.5), sharex=True, layout="constrained", squeeze=False
    )
    for column, (name, lines) in enumerate(tables.items()):
        for row, what in enumerate(("accuracy", "loss")):
            axes = grid[row][column]
            by_epoch: dict[int, list[float]] = {}
            for epoch in results.epochs(name):
                by_epoch.setdefault(epoch.epoch, []).append(getattr(epoch, what))
            found = [estimate(values) for values in by_epoch.values()]
            means = np.array([one.mean for one in found])
            spread = np.array([one.std or 0.0 for one in found])
            axes.plot(list(by_epoch), means, color="C0", label="cnnlab, mean ± std")
            axes.fill_between(list(by_epoch), means - spread, means + spread, color="C0", alpha=0.25, linewidth=0)
            printed = [(line.epoch, getattr(line, what).published) for line in lines]
            axes.plot(*zip(*printed, strict=True), "k.", markersize=4, label="the slides")
            axes.set_xscale("log")
            axes.grid(alpha=0.3)
            axes.spines[["top", "right"]].set_visible(False)
            if row == 0:
                axes.set_title(name)
            else:
                axes.set_xlabel("epoch")
        grid[0][0].set_ylabel("test accuracy")
        grid[1][0].set_ylabel("test loss")
    grid[0][0].legend(frameon=False)
    figure.savefig(path, dpi=100)
    plt.close(figure)


if __name__ == "__main__":
    main()
