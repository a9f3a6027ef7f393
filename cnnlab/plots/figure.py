"""What all figures have in common: the endings of their files, their texts and fonts, how they are written."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cnnlab.errors import RequestError
from cnnlab.plots import fonts
from cnnlab.runs import files

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ENDINGS = (".png", ".svg", ".pdf")
SOFTWARE = "Matplotlib"  # also of files that Pillow writes, for MARK
MARK = b"atplotlib"  # in every file that Matplotlib writes, which names itself in it
DPI = 200  # of PNG: sharp in print
MOST_ESCAPED = 3  # characters of a name, of which each takes six
TRUETYPE = 42  # in PDF, fonts as they are: their text can be searched


def check_target(path: Path, option: str) -> None:
    """Raise RequestError where `path`, which `option` names, is none of a figure, or something else is there.

    An earlier figure may be replaced.
    """
    if path.suffix.lower() not in ENDINGS:
        raise RequestError(f"{option} {path}: expected a file name that ends in .png, .svg or .pdf")
    try:
        if path.is_dir():
            raise RequestError(f"{option} {path}: is a folder; expected a file")
        if MARK not in files.read(path):
            raise RequestError(f"{option} {path}: exists, and is no figure of cnnlab; name another file")
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "exists, and is no file"
        raise RequestError(f"{option} {path}: {reason}; name another file") from None


@contextmanager
def drawing(texts: Iterable[str] = ()) -> Iterator[Callable[[str], str]]:
    """Matplotlib made ready to draw into files, in fonts that have the characters of `texts`.

    What is given makes of each text one that is drawn as it is; characters that no font has are escaped.
    """
    import matplotlib as mpl

    mpl.use("agg")  # files only: needs no screen
    found = fonts.covering("".join(texts))
    with mpl.rc_context({"font.family": found.families, "pdf.fonttype": TRUETYPE}):
        yield partial(_plain, missing=found.missing)


def class_labels(names: Sequence[str]) -> list[str]:
    """What classes are called in a figure: where no font has a name's characters, its number and their escapes.

    Those are reported once.
    """
    from cnnlab.terminal import warn

    missing = fonts.covering("".join(names)).missing
    labels = [
        f"{index} ({_plain(shortened(name, MOST_ESCAPED), missing)})" if missing & set(name) else name
        for index, name in enumerate(names)
    ]
    changed = {name: label for name, label in zip(names, labels, strict=True) if name != label}
    if changed:
        name, label = next(iter(changed.items()))
        more = f", and {len(changed) - 1} more" if len(changed) > 1 else ""
        warn(
            f"no font here has the characters of class {name}{more}: drawn as {label}; install a font that has them, "
            "such as Noto Sans"
        )
    return labels


def shortened(text: str, most: int) -> str:
    """At most so many characters of it."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def write(figure: "Figure", path: Path) -> Path:
    """Write a figure as its file's ending says, and close it. Raises RunError where it cannot be written."""
    from matplotlib import pyplot as plt

    kind = path.suffix.lower().removeprefix(".")
    try:
        files.write(path, lambda temporary: figure.savefig(temporary, dpi=DPI, format=kind))
    finally:
        plt.close(figure)
    return path


def _plain(text: str, missing: frozenset[str]) -> str:
    """`text` as Matplotlib takes it as it is: no TeX between dollars, no half characters, none that no font has."""
    shown = "".join(c.encode("unicode_escape").decode() if c in missing else c for c in text)
    return shown.encode("utf-8", "replace").decode().replace("$", r"\$")
