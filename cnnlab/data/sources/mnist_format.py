"""Data sets that are published as MNIST is: four IDX files."""

import functools
import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnnlab.data import download
from cnnlab.data.dataset import Examples, Loader, Origin, Source
from cnnlab.data.locate import data_folders, first_existing, places
from cnnlab.data.remote import Remote, content_sha256, file_sha256, mirrors
from cnnlab.data.sources import checks, idx, npz
from cnnlab.errors import DataError, DownloadError
from cnnlab.experiment.data import FashionMnist, Mnist
from cnnlab.terminal import warn

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
MAX_DOWNLOAD = 64 << 20  # bytes; the largest is 26 MB


@dataclass(frozen=True)
class Published:
    """Where the four files may be, and the digests of the genuine ones.

    `layouts` are folders relative to where data sets may be; `digests` by file are of the decompressed content, IDX
    header and all; `gz_digests` are the SHA-256 of the .gz files as all `urls` serve them, where those are known.
    """

    title: str
    layouts: tuple[str, ...]
    archive: str
    urls: tuple[str, ...]
    algorithm: str
    digests: Mapping[str, str]
    gz_digests: Mapping[str, str] | None = None

    def is_genuine(self, name: str, array: NDArray[np.uint8]) -> bool:
        """Whether `array` is the content of the file `name`, whatever it was wrapped in."""
        digest = hashlib.new(self.algorithm, idx.header(array), usedforsecurity=False)
        digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest() == self.digests[name]


def loader(published: Published) -> Loader[Mnist | FashionMnist]:
    """Of a data set in this format."""

    def place(data: Mnist | FashionMnist) -> str | None:
        found = locate(data, published)
        return str(_place(found)) if found else None

    def fetch(data: Mnist | FashionMnist) -> list[Path]:
        found = locate(data, published) or fetch_files(data, published)
        return [found] if isinstance(found, Path) else list(found.values())

    return Loader(
        load=lambda data: load(data, published),
        place=place,
        fetch=fetch,
        digests={name: f"{published.algorithm}:{digest}" for name, digest in published.digests.items()},
    )


def _place(found: dict[str, Path] | Path) -> Path:
    return found if isinstance(found, Path) else found[FILES[0]].parent


def load(data: Mnist | FashionMnist, published: Published) -> Source:
    """The examples: local files first, in any layout that is known, else downloaded.

    Raises DataError where a file is damaged, DownloadError where one is missing and cannot be fetched.
    """
    found = locate(data, published) or fetch_files(data, published)
    origins: dict[str, Path | str]
    if isinstance(found, Path):
        arrays = dict(zip(FILES, npz.arrays(found), strict=True))
        origins = dict.fromkeys(FILES, found)
    else:
        arrays = checks.read_all({name: functools.partial(idx.read, path) for name, path in found.items()})
        origins = dict(found)
    train, test = (_examples(data, arrays, origins, part) for part in ("train", "t10k"))
    variants = [name for name in FILES if not published.is_genuine(name, arrays[name])]
    if variants:
        count = "" if len(variants) == len(FILES) else f", {len(variants)} of its four files differ"
        warn(f"{origins[variants[0]]}: a variant, not the genuine {published.title}{count}; used unchanged")
    return Source(train, test, data.class_names or (), genuine=not variants, origin=Origin(str(_place(found))))


def locate(data: Mnist | FashionMnist, published: Published) -> dict[str, Path] | Path | None:
    """The four files, or the one archive of NumPy arrays that has them all; None where neither exists."""
    # The last is for the archive: loose files are in a separate folder.
    for folder in places(data.dir, (*published.layouts, "")):
        files = {name: first_existing(_spellings(folder, name)) for name in FILES}
        found = {name: path for name, path in files.items() if path is not None}
        if len(found) == len(FILES):
            return found
        if os.path.isfile(folder / published.archive):
            return folder / published.archive
    return None


def fetch_files(data: Mnist | FashionMnist, published: Published) -> dict[str, Path]:
    """The four files, those that are missing downloaded to where data sets are. Raises DownloadError."""
    folder = data_folders()[0] / published.layouts[0]
    files = {}
    for name in FILES:
        gz_name = f"{name}.gz"
        files[name] = first_existing(_spellings(folder, name)) or folder / gz_name
        if files[name].exists():
            continue
        local = tuple(f"{mirror}{published.layouts[0]}/{gz_name}" for mirror in mirrors())
        urls = (*local, *(url + gz_name for url in published.urls))
        remote = Remote(gz_name, urls, MAX_DOWNLOAD, functools.partial(_is_genuine_file, published, name))
        try:
            download.fetch(remote, files[name])
        except DownloadError as error:
            raise DownloadError(
                f"{data.name}: {error}; put the four .gz files into {folder}, or use other data: "
                "`cnnlab train … --data digits`"
            ) from None
    return files


def _spellings(folder: Path, name: str) -> Iterator[Path]:
    """The file gzipped or not, as LeCun named it or with a dot, as copies of it are called."""
    for spelling in (name, name.replace("-idx", ".idx")):
        yield folder / f"{spelling}.gz"
        yield folder / spelling


def _examples(
    data: Mnist | FashionMnist, arrays: Mapping[str, NDArray[np.uint8]], origins: Mapping[str, Path | str], part: str
) -> Examples:
    images, labels = f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"
    if arrays[images].dtype != np.uint8 or arrays[images].ndim != 3:
        got = f"{arrays[images].ndim} dimensions of {arrays[images].dtype.name}"
        raise DataError(f"{origins[images]}: {got}; expected 3 of uint8")
    where = origins[images], origins[labels]
    return checks.examples(arrays[images], arrays[labels], data.image_shape, data.num_classes, where)


def _is_genuine_file(published: Published, name: str, path: Path) -> bool:
    """Whether a file that was downloaded is the one that was asked for; checked by SHA-256 either way."""
    if published.gz_digests is not None:
        return file_sha256(path) == published.gz_digests[name]
    return content_sha256(path) == published.digests[name]
