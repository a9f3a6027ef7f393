"""Parts of messages: suggestions, lists of names, shortened values."""

import difflib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

PLACE = re.compile(r"(.+?):(\d+):(\d+)(?:: |$)")
MOST_MEANT = 3  # names that begin with a word, of which each is proposed
ABBREVIATIONS = {"lr": "learning_rate", "wd": "weight_decay", "bs": "batch_size", "acc": "accuracy"}


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`did you mean 'filters'?`, or what there is to choose from."""
    known = list(known)
    beginning = [name for name in known if name.startswith(word)] if len(word) > 2 else []
    if 1 < len(beginning) <= MOST_MEANT and word not in known:
        return f"did you mean {join_names(map(repr, beginning), conjunction='or')}?"
    close = closest(word, known)
    return f"did you mean '{close}'?" if close else f"expected one of {', '.join(sorted(known))}"


def closest(word: str, known: Sequence[str]) -> str | None:
    """The known word that is meant, also by one in Keras's spelling such as `MaxPooling2D`."""
    if ABBREVIATIONS.get(word) in known:
        return ABBREVIATIONS[word]
    plain = {name.replace("_", "").lower(): name for name in known}
    wanted = word.replace("_", "").lower()
    close = difflib.get_close_matches(wanted, plain, n=1, cutoff=0.65) or [name for name in plain if name in wanted]
    return plain[close[0]] if close else None


def folder_name(text: str) -> str:
    """`text` as the name of an experiment or a run: `my file (1)` as `my-file-1`."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9._]+", "-", plain).strip("._-")[:100] or "mine"


def position(line: str) -> tuple[str, int, int]:
    """(file, line, column) of what begins with `file:line:column`, to sort by; else what it begins with."""
    found = PLACE.match(line)
    return (found[1], int(found[2]), int(found[3])) if found else (line.partition(":")[0], 0, 0)


def pluralize(number: float, thing: str) -> str:
    """`1 epoch`, `1,200 epochs`."""
    text = f"{number:,}" if isinstance(number, int) else f"{number:g}"
    return f"{text} {thing}" if number == 1 else f"{text} {thing}s"


def join_names(names: Iterable[str], most: int | None = None, conjunction: str = "and") -> str:
    """`a, b and c`; where there are more than `most`, `a, b, c and 4 more`."""
    listed = list(names)
    if most is not None and len(listed) > most:
        listed = [*listed[:most], f"{len(listed) - most:,} more"]
    return f" {conjunction} ".join([", ".join(listed[:-1]), listed[-1]] if len(listed) > 1 else listed)


def shorten(value: Any) -> str:
    """A value as a message shows it: at most 60 characters."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    text = f"'{value}'" if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
