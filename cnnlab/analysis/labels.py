"""Labels of groups of runs in a figure."""

from collections.abc import Sequence

from cnnlab.analysis.groups import Group
from cnnlab.config.differences import brief, differing_keys, short
from cnnlab.plots.figure import shortened

MAX_LENGTH = 45  # characters of a name or of what differs in a label


def display_names(groups: Sequence[Group], ignored: str = "") -> list[str]:
    """The name of each group, with the settings in which it differs if they are short; without keys like `ignored`."""
    differing = differing_keys([group.experiment.shared() for group in groups])
    differing = {key: values for key, values in differing.items() if not (ignored and key.startswith(ignored))}
    values_by_key = [brief(key, values) for key, values in differing.items()]
    names = []
    for index, group in enumerate(groups):
        pairs = zip(short(list(differing)), values_by_key, strict=True)
        differences = ", ".join(f"{key} {values[index]}" for key, values in pairs)
        name = shortened(group.name, MAX_LENGTH)
        names.append(f"{name}: {differences}" if 0 < len(differences) <= MAX_LENGTH else name)
    return names


def replicates_of(groups: Sequence[Group]) -> str:
    """What a mean of such groups is over: `seeds`, `folds`, or `seeds or folds`."""
    return " or ".join(dict.fromkeys("folds" if group.folds else "seeds" for group in groups))


def visible(label: str) -> str:
    """Matplotlib hides a label that begins with an underscore."""
    return f" {label}" if label.startswith("_") else label
