"""A checklist of reproducibility, filled in from what is recorded.

Its points are those of the NeurIPS paper checklist (2024: 4 experimental result reproducibility, 5 open access, 6
experimental setting, 7 statistical significance, 8 compute resources, 12 licences) and of the ACL's Responsible NLP
checklist (B data, C computational experiments) that apply to an experiment; what only its author knows stays open.
"""

from collections import Counter
from collections.abc import Sequence

from cnnlab.analysis.compare import Comparison
from cnnlab.analysis.labels import replicates_of
from cnnlab.report.blocks import Checklist, Item, Section
from cnnlab.report.source import Source
from cnnlab.report.words import counted, duration

FEW_SEEDS = 3  # below which a spread is hardly known
MOST_NAMED = 10


def section(
    sources: Sequence[Source], comparison: Comparison | None = None, *, has_sections: bool = True, search: str = ""
) -> Section:
    """The checklist of runs, and of their comparison where the page has one; nothing is ticked that it does not show.

    `has_sections` is whether each run has a section on the page, `search` how the finalists of a sweep were chosen.
    """
    items = [
        *_experiments(sources, len(comparison.rows) if comparison else 1, search),
        *_statistics(sources, comparison, has_sections=has_sections),
        *_data(sources),
        *_compute(sources),
        Item("Limits, intended use and possible harm", None, "Cannot be known here: say what the results do not show."),
    ]
    return Section("Reproducibility checklist", "checklist", [Checklist(items)])


def _experiments(sources: Sequence[Source], configurations: int, search: str) -> list[Item]:
    faulty = [source for source in sources if source.config_fault]
    fault = f"config.yaml {faulty[0].config_fault}" if faulty else ""
    if len(sources) > 1 and faulty:
        fault += f" in {faulty[0].name}" + (f" and {counted(len(faulty) - 1, 'other run')}" if len(faulty) > 1 else "")
    deterministic = all(source.record.experiment.train.get("deterministic", True) for source in sources)
    versions = all(source.record.raw.get("versions") for source in sources)
    searched = f"{configurations} configurations are compared here. " if configurations > 1 else ""
    return [
        Item(
            "Architecture and all hyperparameters",
            not fault,
            fault or "in the experiment file of each run, every default written out",
        ),
        Item(
            "How the hyperparameters were chosen: bounds of the search, number of trials",
            True if search else None,
            search or f"{searched}Trials that are not in this folder cannot be known here: name them, and the bounds.",
        ),
        Item(
            "Code and the command that repeats it",
            not fault,
            fault or "`cnnlab train` of the experiment file, `cnnlab verify` of the run",
        ),
        Item(
            "Deterministic",
            deterministic,
            "the same seed gives the same bits on such a machine" if deterministic else "`train.deterministic` is off",
        ),
        Item("Versions of the software", versions, "recorded" if versions else "not recorded in every run"),
    ]


def _statistics(sources: Sequence[Source], comparison: Comparison | None, *, has_sections: bool) -> list[Item]:
    finished = [source for source in sources if source.status == "finished"]
    most = max(len(source.record.test_uses) for source in sources)
    return [
        _seeds(sources, comparison),
        _intervals(finished, comparison, has_sections=has_sections),
        _both_figures(finished, is_one=len(sources) == 1),
        Item(
            "The test set was used once",
            most <= 1,
            ("it was not used", "once for each run, after training")[most]
            if most <= 1
            else f"up to {most:,} times for one run",
        ),
    ]


def _seeds(sources: Sequence[Source], comparison: Comparison | None) -> Item:
    """How many runs the figures are of; not those that did not finish, or repeat a seed."""
    finished = [source.record for source in sources if source.status == "finished"]
    groups = [row.group.members for row in comparison.rows] if comparison else [finished] if finished else []
    used = [record for members in groups for record in members]
    seeds = sorted({record.experiment.seed for record in used})
    names = ", ".join(map(str, seeds[:MOST_NAMED])) + (" …" if len(seeds) > MOST_NAMED else "")
    enough = min(map(len, groups), default=0) >= FEW_SEEDS
    others = Counter(source.status for source in sources if source.status != "finished")
    others["with the seed of another one"] = len(finished) - len(used)
    what = f"{counted(len(used), 'run')} of {counted(len(groups), 'configuration')}" if used else "no finished run"
    what += f", {'seed' if len(seeds) == 1 else 'seeds'} {names}" if used else ""
    left_out = ", ".join(f"{count} {status}" for status, count in others.items() if count)
    what += f"; not among them: {left_out}" if left_out else ""
    what += "" if enough else f"; fewer than {FEW_SEEDS} of each say little about the spread"
    return Item("Number of runs, and their seeds", enough, what)


def _intervals(finished: Sequence[Source], comparison: Comparison | None, *, has_sections: bool) -> Item:
    """Whether the page has an interval of every figure: of a mean over seeds, or of one run, which its section has."""
    alone = {
        run
        for row in (comparison.rows if comparison else [])
        if row.estimate is None or row.estimate.low is None
        for run in row.group.runs
    }
    single = [source for source in finished if comparison is None or str(source.run.path) in alone]
    lacking = [source for source in single if not has_sections or source.measured("test") is None]
    replicates = replicates_of([row.group for row in comparison.rows]) if comparison else "seeds"
    several = f"of the mean over {replicates} (Student's t) for several"
    what = f"95 %: by the bootstrap over test examples for one run; {several}"
    if not finished:
        what = "no run is finished"
    elif any("test_accuracy" not in source.record.results for source in lacking):
        what = "not every run has measured the test set"
    elif lacking and has_sections:
        what = f"none of {lacking[0].name}, whose evaluation/test.json is missing or damaged"
    elif lacking:
        what = f"none of {lacking[0].name}, which is one run and has no section here"
    return Item("Intervals, and what they are over", bool(finished) and not lacking, what)


def _both_figures(finished: Sequence[Source], *, is_one: bool) -> Item:
    """Whether both are shown: of one run from its files, of several in the table of all runs."""
    results = [source.record.results for source in finished]
    validated = any("validation" in source.record.data.splits for source in finished)
    both = bool(finished) and all(
        one.get(key) is not None for one in results for key in ("val_accuracy", "test_accuracy")
    )
    lacking = [
        name
        for source in (finished if is_one else [])
        for name, is_shown in (
            ("evaluation/test.json", source.measured("test") is not None),
            ("metrics.csv", "val_accuracy" in source.epochs or source.measured("validation") is not None),
        )
        if not is_shown
    ]
    what = "in the tables"
    if not finished:
        what = "no run is finished"
    elif not both:
        what = "not every run has both" if validated else "no validation examples"
    elif lacking:
        what = f"not on this page: {' and '.join(lacking)} missing or damaged"
    return Item("Validation figures beside test figures", both and not lacking, what)


def _data(sources: Sequence[Source]) -> list[Item]:
    specs = {source.record.data.fingerprint: source for source in sources}
    licences = {
        str(source.record.experiment.data["name"]): getattr(source.experiment.data, "licence", "")
        if source.experiment
        else ""
        for source in specs.values()
    }
    unknown = [name for name, licence in licences.items() if not licence or licence.startswith("none")]
    named = "; ".join(f"{name}: {licence}" for name, licence in licences.items() if licence)
    counts = [
        ", ".join(f"{split.examples:,} {name}" for name, split in source.record.data.splits.items())
        for source in specs.values()
    ]
    if len(specs) > 1:
        names = [str(source.record.experiment.data["name"]) for source in specs.values()]
        counts = [f"{name}: {count}" for name, count in zip(names, counts, strict=True)]
    several = f"{len(specs)} data sets: " if len(specs) > 1 else ""
    more = f"; and {len(specs) - MOST_NAMED} more" if len(specs) > MOST_NAMED else ""
    return [
        Item("Source and size of the data, splits", True, f"{several}{'; '.join(counts[:MOST_NAMED])}{more}"),
        Item(
            "Licence of the data",
            None if unknown else True,
            "; ".join(filter(None, [named, f"state that of {', '.join(unknown)}" if unknown else ""])),
        ),
        Item(
            "Consent, and people in the data",
            None,
            "Cannot be known here: say where the images come from, and what they show.",
        ),
    ]


def _compute(sources: Sequence[Source]) -> list[Item]:
    seconds = [source.record.seconds for source in sources]
    known = [value for value in seconds if value is not None]
    machines = {source.record.environment.cpu for source in sources} - {""}
    runs = counted(len(known), "run") if len(known) == len(seconds) else f"{len(known):,} of {len(seconds):,} runs"
    what = f"{duration(sum(known))} for {runs}" if known else "the time was not recorded"
    return [
        Item(
            "Compute time and hardware",
            len(known) == len(seconds) and bool(machines),
            what + (f", on {', '.join(sorted(machines))}" if machines else "; the processor was not recorded"),
        ),
        Item(
            "Compute of all experiments, failed ones too",
            None,
            "Runs that were removed, or are elsewhere, cannot be known here.",
        ),
    ]
