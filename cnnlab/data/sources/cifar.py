"""The binary version of CIFAR-10 and CIFAR-100: records of label bytes, then the red, green and blue plane."""

import gzip
import hashlib
import os
import stat
import tarfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnlab.data.dataset import Examples, Loader, Origin, Source
from cnnlab.data.download import fetch
from cnnlab.data.locate import SUBSTITUTE, data_folders, places
from cnnlab.data.remote import Remote, file_sha256, mirrors
from cnnlab.data.sources import checks
from cnnlab.errors import DataError, DownloadError
from cnnlab.experiment.data import Cifar10, Cifar100
from cnnlab.terminal import warn

PLANES = (3, 32, 32)  # red, green, blue, row by row
PIXELS = 3 * 32 * 32
MAX_FILE = 1 << 28  # bytes of one file of records; the largest has 153,700,000
MAX_ARCHIVE = 1 << 29  # bytes of an unpacked archive; the genuine ones have 184,400,000
MIRROR = "https://www.cs.toronto.edu/~kriz/"


@dataclass(frozen=True)
class Published:
    """The files, with the SHA-256 of each genuine one and of the archive that contains them."""

    title: str
    folder: str
    archive: str
    archive_sha256: str
    archive_bytes: int
    train_files: Mapping[str, str]
    test_files: Mapping[str, str]
    label_bytes: int

    @property
    def files(self) -> dict[str, str]:
        """Every file of records and its SHA-256."""
        return {**self.train_files, **self.test_files}


def loader(published: Published, label_byte: Callable[[Any], int]) -> Loader[Cifar10 | Cifar100]:
    """Of a data set in this format; `label_byte` gives the index of the label in a record."""

    def place(data: Cifar10 | Cifar100) -> str | None:
        found = locate(data, published)
        return str(found) if found else None

    return Loader(
        load=lambda data: load(data, published, label_byte(data)),
        place=place,
        fetch=lambda data: [locate(data, published) or fetch_archive(data, published)],
        digests={name: f"sha256:{digest}" for name, digest in published.files.items()},
    )


def load(data: Cifar10 | Cifar100, published: Published, label_byte: int) -> Source:
    """50,000 training and 10,000 test images (n, 32, 32, 3) uint8 in [0, 255]; labels (n,) int32.

    Local files first, else the archive is downloaded.
    Raises DataError where a file is damaged, DownloadError where it is missing and cannot be downloaded.
    """
    place = locate(data, published) or fetch_archive(data, published)
    if place.is_dir():
        contents = checks.read_all({name: partial(_read, place / name) for name in published.files})
    else:
        contents = _from_archive(place, published)
    variants = [
        name for name, sha256 in published.files.items() if hashlib.sha256(contents[name]).hexdigest() != sha256
    ]
    if variants:
        warn(
            f"{place}: a variant, not the genuine {published.title}: {len(variants)} of its {len(published.files)} "
            "files differ; used unchanged"
        )

    def examples(names: Mapping[str, str]) -> Examples:
        parts = [_records(data, published, place, name, contents[name], label_byte) for name in names]
        records = np.concatenate(parts) if len(parts) > 1 else parts[0]
        images = records[:, published.label_bytes :].reshape(-1, *PLANES).transpose(0, 2, 3, 1)
        return Examples(np.ascontiguousarray(images), records[:, label_byte].astype(np.int32))

    train, test = examples(published.train_files), examples(published.test_files)
    return Source(train, test, data.class_names or (), genuine=not variants, origin=Origin(str(place)))


def locate(data: Cifar10 | Cifar100, published: Published) -> Path | None:
    """The folder of files or the archive; None where neither exists."""

    def holds_data(place: Path) -> bool:
        # Of os.path, which returns False where access is denied.
        is_folder = any(os.path.exists(place / name) for name in published.files)
        return is_folder or (place.name == published.archive and os.path.isfile(place))

    return next(filter(holds_data, places(data.dir, (published.folder, published.archive))), None)


def fetch_archive(data: Cifar10 | Cifar100, published: Published) -> Path:
    """The archive, downloaded to where data sets are. Raises DownloadError."""
    destination = data_folders()[0] / published.archive
    remote = Remote(
        published.archive,
        tuple(url + published.archive for url in mirrors(MIRROR)),
        published.archive_bytes,
        lambda path: file_sha256(path) == published.archive_sha256,
    )
    try:
        fetch(remote, destination)
    except DownloadError as error:
        raise DownloadError(
            f"{data.name}: {error}; put it, or its folder {published.folder}, into {destination.parent}, "
            f"or, {SUBSTITUTE}"
        ) from None
    return destination


def _read(path: Path) -> bytes:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise DataError(f"{path}: not a file")
        if status.st_size > MAX_FILE:
            raise DataError(f"{path}: {status.st_size:,} bytes; expected at most {MAX_FILE:,}")
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None


def _from_archive(path: Path, published: Published) -> dict[str, bytes]:
    """The files inside the archive; nothing is unpacked to disk, so nothing can be written where it should not."""
    contents = {}
    try:
        with gzip.open(path) as unzipped:
            bounded = _Bounded(path, unzipped)
            with tarfile.open(fileobj=bounded, mode="r|") as archive:  # type: ignore[call-overload]
                for member in archive:
                    inside = PurePosixPath(member.name)
                    if inside.is_absolute() or ".." in inside.parts:
                        raise DataError(f"{path}: has a member {member.name} outside of its folder")
                    if inside.name in published.files and member.isfile():
                        contents[inside.name] = _member(path, archive, member)
            while bounded.read(1 << 20):  # to the end, where gzip's checksum is
                pass
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, ValueError, zlib.error) as error:
        raise DataError(f"{path}: truncated or damaged ({error}); delete it and download it again") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    missing = [name for name in published.files if name not in contents]
    if missing:
        raise DataError(f"{path}: has no {missing[0]}; expected the binary version of {published.title}")
    return contents


def _member(path: Path, archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    if member.size > MAX_FILE:  # also what a sparse file claims to be
        raise DataError(f"{path}: {member.name}: {member.size:,} bytes; expected at most {MAX_FILE:,}")
    file = archive.extractfile(member)
    return file.read() if file else b""


class _Bounded:
    """A file that refuses to give more than an archive of CIFAR can have: a gzip bomb ends here."""

    def __init__(self, path: Path, file: gzip.GzipFile) -> None:
        self._path, self._file, self._left, self._ends = path, file, MAX_ARCHIVE, 0

    def read(self, size: int) -> bytes:
        content = self._file.read(size)
        self._left -= len(content)
        self._ends += not content
        if self._ends > 2:  # tarfile skips a member of any size by reading it
            raise EOFError("ends within a member")
        if self._left < 0:
            raise DataError(f"{self._path}: unpacks to more than {MAX_ARCHIVE:,} bytes")
        return content


def _records(
    data: Cifar10 | Cifar100, published: Published, place: Path, name: str, content: bytes, label_byte: int
) -> NDArray[np.uint8]:
    """(n, label bytes + 3,072) uint8, one row per image."""
    path = place / name
    size = published.label_bytes + PIXELS
    if not content or len(content) % size:
        raise DataError(f"{path}: damaged: {len(content):,} bytes, expected a multiple of {size:,}")
    records = np.frombuffer(content, np.uint8).reshape(-1, size)
    highest = records[:, label_byte].max()
    if highest >= data.num_classes:
        raise DataError(f"{path}: damaged: has a label {highest}; {published.title}'s are 0 to {data.num_classes - 1}")
    return records
