"""Which of the installed fonts have the characters of a text."""

from dataclasses import dataclass
from functools import cache
from itertools import groupby

DEFAULT = "DejaVu Sans"  # comes with Matplotlib: Latin, Greek, Cyrillic, Hebrew, Arabic and more
UNFIT = ("Last Resort", "cm", "STIX", "DejaVu")  # have boxes for all characters, are for formulas, or are the default


@dataclass(frozen=True)
class Fonts:
    """Families to draw a text with, the first that has a character counts; and the characters that none has."""

    families: list[str]
    missing: frozenset[str]


def covering(text: str) -> Fonts:
    """The default font and as few others as have the rest of `text`, those that have most first."""
    wanted = {c for c in text if c.isprintable() and not c.isspace()}
    missing = wanted - _characters(_file_of(DEFAULT))
    families = [DEFAULT]
    while missing:
        family, file = max(_others(), key=lambda font: len(missing & _characters(font[1])), default=("", ""))
        found = missing & _characters(file) if file else set()
        if not found:
            break
        families.append(family)
        missing -= found
    return Fonts(families, frozenset(missing))


def _file_of(family: str) -> str:
    from matplotlib.font_manager import FontProperties, findfont

    return str(findfont(FontProperties(family=[family])))


def _others() -> list[tuple[str, str]]:
    """Every other family with the file of its upright regular face."""
    from matplotlib.font_manager import fontManager

    upright = sorted(
        (entry.name, abs(int(entry.weight) - 400) if str(entry.weight).isdigit() else 0, entry.fname)
        for entry in fontManager.ttflist
        if entry.style == "normal" and not entry.name.startswith(UNFIT)
    )
    return [(name, next(faces)[2]) for name, faces in groupby(upright, key=lambda face: face[0])]


@cache
def _characters(file: str) -> frozenset[str]:
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(map(chr, FT2Font(file).get_charmap()))
    except (OSError, RuntimeError, ValueError):  # a font that Matplotlib lists and FreeType cannot read
        return frozenset()
