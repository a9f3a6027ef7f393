"""What runs and groups of them are called on a page of several, so that each name means one thing."""

from collections import Counter
from collections.abc import Callable, Sequence

from cnnlab.analysis.groups import Group
from cnnlab.report.source import Source
from cnnlab.runs.record import RunRecord


def sources(records: Sequence[RunRecord]) -> list[Source]:
    """The runs; those of several folders that have the same name are called by their paths."""
    found = [Source(record) for record in records]
    counts = Counter(source.name for source in found)
    return [source if counts[source.name] == 1 else Source(source.record, str(source.run.path)) for source in found]


def group_name(records: Sequence[RunRecord]) -> Callable[[Group], str]:
    """What a group of these runs is called: as its experiment, with its first run where others are called so too."""
    names = {str(source.run.path): source.name for source in sources(records)}

    def name(group: Group) -> str:
        experiment, first, is_several = group.experiment.name, group.runs[0], len(group.runs) > 1
        others = {name for path, name in names.items() if path not in group.runs}
        if group.name == experiment and experiment not in others:
            return experiment
        return f"{experiment} ({names[first]}{', …' if is_several else ''})"

    return name
