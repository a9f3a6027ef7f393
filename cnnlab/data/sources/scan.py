"""The entries of folders: which are hidden, which are folders, which are images."""

import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cnnlab.errors import DataError
from cnnlab.images.decode import SUFFIXES

PHOTOGRAPHS = frozenset(
    {".heic", ".heif", ".hif", ".avci", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2"}
)
VIDEOS = frozenset({".mov", ".mp4", ".m4v", ".avi", ".3gp", ".mkv", ".webm", ".mpg", ".mts"})
TABLES = frozenset({".csv", ".tsv", ".tab", ".parquet", ".pq"})
SYSTEM_FILES = frozenset({".ds_store", "thumbs.db", "desktop.ini"})
Places = dict[str, list[Path]]
"""The folders of each class, by its name in Unicode's NFC: names that look the same are one class."""


@contextmanager
def scan(folder: Path) -> Iterator[list[os.DirEntry[str]]]:
    """The entries of a folder, sorted by name. Raises DataError where it or an entry cannot be read in the `with`."""
    try:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        yield found
    except OSError as error:
        raise DataError(f"{error.filename or folder}: cannot be read: {error.strerror}") from None


def subfolders(folder: Path) -> Iterator[Path]:
    """The folders in `folder` by name, hidden ones left out."""
    with scan(folder) as entries:
        yield from [Path(entry.path) for entry in entries if entry.is_dir() and not is_hidden(entry.name)]


def by_name(folders: Iterable[Path]) -> Places:
    """Folders by their names in NFC."""
    places: Places = defaultdict(list)
    for folder in folders:
        places[unicodedata.normalize("NFC", folder.name)].append(folder)
    return dict(places)


def has_images(folder: Path) -> bool:
    """Whether a folder has images outside of its subfolders."""
    with scan(folder) as entries:
        return any(entry.is_file() and is_image(entry.name) for entry in entries)


def is_hidden(name: str) -> bool:
    """Whether it is hidden, or the metadata of an archive made on a Mac."""
    return name.startswith(".") or name == "__MACOSX"


def is_table(name: str) -> bool:
    """Whether the suffix is that of a table."""
    return os.path.splitext(name)[1].lower() in TABLES


def is_system_file(name: str) -> bool:
    """Whether a file manager wrote it."""
    return name.lower() in SYSTEM_FILES


def reason_unread(name: str) -> str:
    """Why a file that is no image by its name is not read."""
    suffix = os.path.splitext(name)[1].lower()
    if suffix in PHOTOGRAPHS:
        return "photographs in HEIC or a raw format, to be converted to JPEG"
    if suffix in VIDEOS:
        return "videos"
    return "files of the operating system" if is_system_file(name) else "files that are no images by their names"


def is_image(name: str) -> bool:
    """Whether the suffix is that of an image format."""
    return os.path.splitext(name)[1].lower() in SUFFIXES
