"""Texts of strangers made fit to be shown: none hides, runs over its line, or turns the line around."""

import re

LONGEST_WORD = 200  # characters: more of a word than anybody reads
LONGEST_NAME = 200
UNSHOWN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"  # control characters, but tabs and line ends
    "\u202a-\u202e\u2066-\u2069"  # overrides and isolates of the direction of writing
    "\u2028\u2029\ufeff\ufff9-\ufffb\ufffe\uffff\ud800-\udfff]"  # separators, marks and halves of characters
)
LONG_WORD = re.compile(rf"\S{{{LONGEST_WORD + 1},}}")
CODE = re.compile(r"`([^`]+)`")


def visible(text: str) -> str:
    """`text` with an escape in place of each character that cannot be seen or changes how others are seen."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    return UNSHOWN.sub(lambda found: f"\\u{ord(found[0]):04x}", plain)


def prose(text: str) -> str:
    """`text` as it is shown, its words of at most LONGEST_WORD characters."""
    return LONG_WORD.sub(lambda found: f"{found[0][: LONGEST_WORD - 1]}…", visible(text))


def name(text: str, most: int = LONGEST_NAME) -> str:
    """`text` as it is shown on one line, at most so many characters of it."""
    shown = " ".join(visible(text[: 4 * most]).split())
    return shown if len(shown) <= most and len(text) <= 4 * most else f"{shown[: most - 1]}…"


def anchor(key: str) -> str:
    """A key as an id and a link to it have it."""
    return re.sub(r"[^\w.-]", "-", key[:LONGEST_NAME], flags=re.ASCII) or "section"


def spans(text: str) -> list[tuple[bool, str]]:
    """The parts of `text` and whether each is code, which is between backticks."""
    parts = CODE.split(text)
    return [(index % 2 == 1, part) for index, part in enumerate(parts) if part]
