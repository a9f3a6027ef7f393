"""Trainings with known problems, before and after the change that their hint proposes.

`python -m benchmarks.failing_trainings [--seeds 3] [--only TEXT]` trains each case, applies the change in its hint with
`--set`, and trains again with the same seeds. Without `--only` it writes the tables to docs/results.md.
"""

import argparse
import re
import shlex
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.failing_cases import BASE, CASES, HEALTHY, Case
from cnnlab.cli.tables import Format, render
from cnnlab.config.load import load_complete, read_file
from cnnlab.config.overrides import parse_set, parse_sets
from cnnlab.errors import Diverged, TrainingError
from cnnlab.experiment.schema import Experiment
from cnnlab.runs import Run
from cnnlab.runs.record import RunRecord
from cnnlab.training.tasks import NewRun
from cnnlab.training.train import train

DOCS = Path(__file__).parents[1] / "docs" / "results.md"
BEGIN, END = "<!-- failing trainings: begin -->", "<!-- failing trainings: end -->"


@dataclass(frozen=True)
class Trial:
    """A case with one seed: its result, its hint, and its result after the change."""

    case: Case
    seed: int
    before: float | None
    hint: str
    after: float | None

    @property
    def diagnosis(self) -> str:
        """The name of the diagnosis."""
        return self.hint.partition(":")[0]

    @property
    def helped(self) -> bool:
        """Whether the change improved the result; a diverged training has none, and any is better."""
        return self.after is not None and (self.before is None or self.after > self.before)


def changes_in(hint: str) -> list[str]:
    """The values of the `--set` options in a hint."""
    options = shlex.split(hint.partition("; try ")[2])
    return [value for option, value in pairwise(options) if option == "--set"]


def experiment_of(case: Case, scratch: Path) -> Experiment:
    """The experiment of a case; its files are written to `scratch`."""
    base = scratch / "failing.yaml"
    base.write_text(BASE, encoding="utf-8")
    data = [case.data(scratch / f"{case.data.__name__}.npz")] if case.data else []
    return read_file(base, [parse_set(change) for change in [*data, *case.changes]]).experiment


def trained(experiments: Sequence[Experiment], runs: Path) -> list[Run]:
    """Train the experiments; their runs in the same order, including diverged ones."""
    names = [f"run-{number}" for number in range(len(experiments))]
    with suppress(Diverged, TrainingError):
        train([NewRun(*one) for one in zip(experiments, names, strict=True)], runs)
    return [Run(runs / name) for name in names]


def trials(case: Case, seeds: int, scratch: Path) -> Iterator[Trial]:
    """The case with each seed, before and after the change."""
    experiment = experiment_of(case, scratch)
    before = trained([experiment.model_copy(update={"seed": seed}) for seed in range(seeds)], scratch / "before")
    hints = [hint_of(run.record()) for run in before]
    again = {seed: changes for seed, hint in enumerate(hints) if (changes := changes_in(hint))}
    changed = [load_complete(before[seed].config, parse_sets(changes)) for seed, changes in again.items()]
    after = dict(zip(again, trained(changed, scratch / "after"), strict=True)) if again else {}
    for seed, run in enumerate(before):
        result = after[seed].record().results.get(case.metric) if seed in after else None
        yield Trial(case, seed, run.record().results.get(case.metric), hints[seed], result)


def hint_of(record: RunRecord) -> str:
    """The hint of a run, empty if there is none."""
    (hint,) = record.findings or [""]
    return record.error or hint


def rows(found: Sequence[Trial]) -> list[dict[str, Any]]:
    """One row per case, over the seeds with a hint."""
    table = []
    for name in dict.fromkeys(trial.case.name for trial in found):
        selected = [trial for trial in found if trial.case.name == name]
        hinted = [trial for trial in selected if trial.hint] or selected
        changes = changes_in(hinted[0].hint)
        table.append(
            {
                "training": name,
                "hint": ", ".join(dict.fromkeys(trial.diagnosis or "none" for trial in hinted)),
                "change": ", ".join(f"`{change}`" for change in changes[:1]) + (", …" if changes[1:] else ""),
                "before": _mean([trial.before for trial in hinted]),
                "after": _mean([trial.after for trial in hinted]),
                "better": f"{sum(trial.helped for trial in hinted)} of {len(hinted)}" if changes else "",
            }
        )
    return table


def _mean(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{statistics.mean(known):.3f}" if known else ""


def summary(found: Sequence[Trial]) -> str:
    """The tables, and the number of hints for healthy trainings."""
    failing = [trial for trial in found if trial.case in CASES]
    healthy = [trial for trial in found if trial.case in HEALTHY]
    tables = [render(table, list(table[0]), Format.MD) for table in (rows(failing), by_diagnosis(failing)) if table]
    hints = f"Of {len(healthy)} healthy trainings, {sum(bool(trial.hint) for trial in healthy)} had a hint: "
    hints += f"{', '.join(dict.fromkeys(trial.case.name for trial in healthy))}."
    return "\n\n".join([*tables, *([hints] if healthy else [])])


def by_diagnosis(found: Sequence[Trial]) -> list[dict[str, Any]]:
    """One row per diagnosis."""
    table = []
    for name in dict.fromkeys(trial.diagnosis for trial in found if changes_in(trial.hint)):
        selected = [trial for trial in found if trial.diagnosis == name and changes_in(trial.hint)]
        table.append({"hint": name, "trainings": len(selected), "better": sum(trial.helped for trial in selected)})
    return table


def main() -> None:
    """Train all cases and write the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.failing_trainings")
    parser.add_argument("--seeds", type=int, default=3, help="seeds per training (default 3)")
    parser.add_argument(
        "--only", default="", metavar="TEXT", help="only cases whose names contain TEXT; writes nothing"
    )
    options = parser.parse_args()
    found: list[Trial] = []
    for case in (*CASES, *HEALTHY):
        if not re.search(options.only, case.name):
            continue
        with tempfile.TemporaryDirectory() as scratch:
            found.extend(trials(case, options.seeds, Path(scratch)))
        for trial in found[-options.seeds :]:
            print(f"{case.name}, seed {trial.seed}: {trial.before} -> {trial.after}: {trial.hint}", flush=True)
    print(summary(found))
    if not options.only:
        write(found)


def write(found: Sequence[Trial]) -> None:
    """Write the tables into docs/results.md."""
    text = DOCS.read_text(encoding="utf-8")
    first, last = text.index(BEGIN) + len(BEGIN), text.index(END)
    DOCS.write_text(f"{text[:first]}\n\n{summary(found)}\n\n{text[last:]}", encoding="utf-8")


if __name__ == "__main__":
    main()
