"""What groups of runs are called in a figure."""

from collections.abc import Sequence

from cnnlab.analysis.groups import Group
from cnnlab.config.differences import brief, differing_keys, short
from cnnlab.plots.figure import shortened

MAX_LENGTH = 45  # characters of a name or of what differs in a label


def display_names(groups: Sequence[Group], ignored: str = "") -> list[str]:
    """The name of each group, and what tells it from the others where that is short, but for keys like `ignored`."""
    differing = differing_keys([group.experiment.without("seed") for group in groups])
    differing = {key: values for key, values in differing.items() if not (ignored and key.startswith(ignored))}
    words = [brief(key, values) for key, values in differing.items()]
    names = []
    for index, group in enumerate(groups):
        differences = ", ".join(f"{name} {own[index]}" for name, own in zip(short(list(differing)), words, strict=True))
        name = shortened(group.name, MAX_LENGTH)
        names.append(f"{name}: {differences}" if 0 < len(differences) <= MAX_LENGTH else name)
    return names


def visible(label: str) -> str:
    """Matplotlib hides a label that begins with an underscore."""
    return f" {label}" if label.startswith("_") else label
