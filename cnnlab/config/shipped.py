"""The shipped experiments: next to the package in a checkout, inside it when installed."""

from collections.abc import Iterator
from pathlib import Path

import cnnlab


def folder() -> Path:
    """Where the shipped experiment files are."""
    package = Path(cnnlab.__file__).parent
    installed = package / "configs"
    return installed if installed.is_dir() else package.parent / "configs"


def paths() -> dict[str, Path]:
    """Name to file, sorted by name."""
    return {path.stem: path for path in sorted(folder().glob("*.yaml"), key=lambda path: path.stem)}


def titles() -> Iterator[tuple[str, str]]:
    """Every shipped name with the first line of its file."""
    for name, path in paths().items():
        yield name, path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ").rstrip()
