"""docs/reproduction.md with its picture, and the "Expected" line of every shipped experiment, from configs/results.

`python -m benchmarks.reproduction`, a part of `make docs`; trains nothing. The results are those of
`cnnlab reproduce NAME --seeds N --save configs/results`, three to ten seeds each.
"""

import re
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

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
EARLY = 12  # epochs that the first slides stop at
DOCS = Path(__file__).parents[1] / "docs"
PICTURE = "reproduction.png"
BETTER = "-better"
TEST_EXAMPLES = 10_000  # of MNIST, which all of these are measured on
INTRODUCTION = """\
# What the courses print, and what cnnlab gives

Every shipped experiment that a lecture prints figures of was trained to its full length with several seeds; this page
is made from their results in [configs/results](../configs/results) by `make docs`, without training. To train them
again: `cnnlab reproduce`, or one of them: `cnnlab reproduce fc --seeds 5`.

`published` is what the source prints of its one training. Ours is mean ± standard deviation over n seeds, on the same
test set. A figure is *reproduced within noise* where one more seed of ours could well give it: where it is inside our
95 % prediction interval; where that hides more than half a point, it is called wide. `points` is how far our mean is
above, in hundredths of accuracy. The epochs of one experiment are of the same trainings, so what is above in one is
often above in all. Why conv and conv-pool spread so far has a page of its own: [how many of four filters
work](working-filters.md).
"""

BETTER_TEXT = """
## Better, within the same epochs and parameters

What was learnt since the slides, with nothing more to train: all chosen on held-out training pictures, nothing by the
test set. The test is the one that `cnnlab compare` makes: paired over the seeds where both have the same, else Welch's;
p corrected for the table by Holm's method.
"""


def main() -> None:
    """Write everything anew."""
    experiments = reproduction.select_experiments([])
    lines = {name: reproduction.shipped_comparisons(name, experiment) for name, experiment in experiments.items()}
    (DOCS / "reproduction.md").write_text(page(), encoding="utf-8")
    _draw({name: own for name, own in lines.items() if len(own) > 1 and _is_measured(own)}, DOCS / PICTURE)
    for path in shipped.paths().values():
        path.write_text(up_to_date(path), encoding="utf-8")


def page() -> str:
    """docs/reproduction.md."""
    experiments = reproduction.select_experiments([])
    lines = {name: reproduction.shipped_comparisons(name, experiment) for name, experiment in experiments.items()}
    return "\n".join(_page(lines)) + "\n"


def up_to_date(path: Path) -> str:
    """The text of a shipped experiment with what it gave."""
    return with_expectation(path.read_text(encoding="utf-8"), expectation(path.stem, load_file(path)))


def expectation(name: str, experiment: Experiment) -> str:
    """What the heading of a shipped experiment says to expect."""
    usual = results.results_for(experiment)
    early = [row.accuracy for row in results.epochs(name) if row.epoch == EARLY] if usual else []
    after = [(EARLY, early)] if early and experiment.train.epochs > EARLY else []
    return describe_expected(usual, after)


def with_expectation(text: str, said: str) -> str:
    """An experiment file with that as the `Expected` part of its heading, after the `Command`."""
    without = re.sub(r"(?m)^# Expected:.*\n(?:#   .*\n)*", "", text)
    wrapped = textwrap.fill(
        f"# Expected: {said}.", WIDTH, subsequent_indent="#   ", break_long_words=False, break_on_hyphens=False
    )
    return re.sub(r"(?m)^(# Command:.*\n)", lambda found: f"{found[1]}{wrapped}\n", without, count=1)


def _page(lines: dict[str, list[EpochComparison]]) -> Iterator[str]:
    yield INTRODUCTION
    yield "## At the end of training\n"
    yield _table([_last(own) for own in lines.values() if _is_measured(own)], final=True)
    left = [name for name, own in lines.items() if not _is_measured(own)]
    if left:
        yield f"\nNot trained to the end: {', '.join(left)}."
    if said := list(_training_losses()):
        yield f"\nTraining losses, ours the mean over the last epoch: {'; '.join(said)}."
    tables = {name: own for name, own in lines.items() if len(own) > 1 and _is_measured(own)}
    if tables:
        yield f"\n![Accuracy and loss by epoch: the slides' points on our mean and its spread]({PICTURE})"
    if rows := _better():
        yield BETTER_TEXT
        yield render(rows, list(rows[0]), Format.MD)
    for name, own in lines.items():
        if _is_measured(own):
            yield f"\n## {name}\n\n{deviations(shipped.paths()[name].read_text(encoding='utf-8'))}"
        if name in tables:
            yield "\n" + _table(own, final=False)


def _training_losses() -> Iterator[str]:
    for name, experiment in reproduction.select_experiments([]).items():
        printed, usual = experiment.published, results.results_for(experiment)
        if printed and printed.training_loss is not None and usual:
            ours = estimate([result.train_loss for result in usual])
            yield f"{name}, published {printed.training_loss}, ours {format_mean_std(ours)}"


def _better() -> list[dict[str, object]]:
    """What the experiments come to that are to beat another, tested as `cnnlab compare` does."""
    pairs = {
        name: (own, other)
        for name, path in sorted(shipped.paths().items())
        if name.endswith(BETTER)
        and len(own := results.results_for(load_file(path))) > 1
        and len(other := results.results_for(load_file(shipped.paths()[name.removesuffix(BETTER)]))) > 1
    }
    tests = [compare_by_seed(_by_seed(own), _by_seed(other), 1 / TEST_EXAMPLES) for own, other in pairs.values()]
    corrected = significance.holm([test.p for test in tests])
    return [_row_of_better(name, *pair, p) for (name, pair), p in zip(pairs.items(), corrected, strict=True)]


def _row_of_better(name: str, own: Sequence[Result], other: Sequence[Result], p: float) -> dict[str, object]:
    mine, theirs = (estimate([result.accuracy for result in rows]) for rows in (own, other))
    printed = load_file(shipped.paths()[name.removesuffix(BETTER)]).published
    points = 100 * (mine.mean - theirs.mean)
    verdict = "no detectable difference" if p >= ALPHA else f"detectably {'better' if points > 0 else 'worse'}"
    return {
        "experiment": f"[{name}](../configs/{name}.yaml)",
        "epochs": own[0].epochs,
        "parameters": own[0].parameters,
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
    """What an experiment file's heading says of where it differs from its source, one paragraph."""
    found = re.search(r"(?m)^# Deviations: (.*\n(?:#   .*\n)*)", text)
    said = "Deviations: " + " ".join(re.sub(r"(?m)^#   ", "", found[1]).split()) if found else ""
    return re.sub(r"\bdocs/([\w-]+\.md)", r"[\1](\1)", said)


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
