"""A checklist of reproducibility, filled in from what is recorded.

Its points are those of the NeurIPS paper checklist (2024: 4 experimental result reproducibility, 5 open access, 6
experimental setting, 7 statistical significance, 8 compute resources, 12 licences) and of the ACL's Responsible NLP
checklist (B data, C computational experiments) that apply to an experiment; what only its author knows stays open.
"""

from collections.abc import Sequence

from cnnlab.report.blocks import Checklist, Item, Section
from cnnlab.report.source import Source
from cnnlab.report.words import counted, duration

FEW_SEEDS = 3  # below which a spread is hardly known
MOST_NAMED = 10


def section(sources: Sequence[Source], sizes: Sequence[int] = (1,)) -> Section:
    """The checklist of runs; `sizes` are the numbers of finished ones of each configuration."""
    items = [
        *_experiments(sources, len(sizes)),
        *_statistics(sources, sizes),
        *_data(sources),
        *_compute(sources),
        Item("Limits, intended use and possible harm", None, "Cannot be known here: say what the results do not show."),
    ]
    return Section("Reproducibility checklist", "checklist", [Checklist(items)])


def _experiments(sources: Sequence[Source], configurations: int) -> list[Item]:
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
            None,
            f"{searched}Trials that are not in this folder cannot be known here: name them, and the bounds.",
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


def _statistics(sources: Sequence[Source], sizes: Sequence[int]) -> list[Item]:
    finished = [source for source in sources if source.status == "finished"]
    seeds = sorted({source.record.experiment.seed for source in sources})
    names = ", ".join(map(str, seeds[:MOST_NAMED])) + (" …" if len(seeds) > MOST_NAMED else "")
    enough = min(sizes) >= FEW_SEEDS
    evaluated = bool(finished) and all("test_accuracy" in source.record.results for source in finished)
    validated = any("validation" in source.record.data.splits for source in sources)
    both = evaluated and all(source.record.results.get("val_accuracy") is not None for source in finished)
    most = max(len(source.record.test_uses) for source in sources)
    return [
        Item(
            "Number of runs, and their seeds",
            enough,
            f"{counted(len(sources), 'run')} of {counted(len(sizes), 'configuration')}, "
            f"{'seed' if len(seeds) == 1 else 'seeds'} {names}"
            + ("" if enough else f"; fewer than {FEW_SEEDS} of each say little about the spread"),
        ),
        Item(
            "Intervals, and what they are over",
            evaluated,
            "95 %: by the bootstrap over test examples for one run; of the mean over seeds (Student's t) for several"
            if evaluated
            else "not every run has measured the test set",
        ),
        Item(
            "Validation figures beside test figures",
            both,
            "in the tables" if both else "no validation examples" if not validated else "not every run has both",
        ),
        Item(
            "The test set was used once",
            most <= 1,
            ("it was not used", "once for each run, after training")[most]
            if most <= 1
            else f"up to {most:,} times for one run",
        ),
    ]


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
    sizes = next(iter(specs.values())).record.data.splits
    counts = ", ".join(f"{split.examples:,} {name}" for name, split in sizes.items())
    return [
        Item("Source and size of the data, splits", True, counts if len(specs) == 1 else f"{len(specs)} data sets"),
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
    what = f"{duration(sum(known))} for {counted(len(known), 'run')}" if known else "the time was not recorded"
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
