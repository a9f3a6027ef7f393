"""Decoded pictures kept on disk, each checked before it is used; the folder of them may be deleted at any time."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

import numpy as np
import PIL
from numpy.typing import NDArray

from cnnlab.data.download import cache_folder
from cnnlab.data.locks import alone
from cnnlab.data.stored import StoredImages
from cnnlab.errors import DataError
from cnnlab.pictures import Fault, Size, decode_into
from cnnlab.terminal import decoding_progress, warn

VERSION = 2  # of what `cnnlab.pictures` makes of a file: a change of it makes every cache anew
LONGEST_NAME = 50  # characters of the folder's; a file system allows 255 bytes
NAMED = 3  # files that cannot be used and are named in one error


class DecodedPictures:
    """The pictures in `files`, of one size, in `~/.cache/cnnlab/decoded/NAME/`.

    `pixels.bin` has nothing but pixels, `index.npz` what they were made of and the SHA-256 of each picture. `state`
    tells whether any file was changed.
    """

    def __init__(self, root: Path, files: Sequence[str], state: str, size: Size) -> None:
        """Of the folder `root`; nothing is read or decoded yet."""
        self._root, self._files, self._size = root.resolve(), files, size
        about = json.dumps([str(self._root), asdict(size)])
        name = f"{self._root.name[:LONGEST_NAME]}-{hashlib.sha256(about.encode()).hexdigest()[:12]}"
        self.folder = cache_folder() / "decoded" / name
        self._pixels, self._index = self.folder / "pixels.bin", self.folder / "index.npz"
        self._made_of = f"{VERSION} {PIL.__version__} {state}"

    def images(self) -> StoredImages:
        """The pictures: those kept from before if they are whole and no file has changed, else decoded now.

        Raises DataError naming the files that cannot be decoded, or the folder that cannot be written.
        """
        # Without the lock first: where everything is there, the folder need not be writable.
        return self._kept() or self._made_alone()

    def _made_alone(self) -> StoredImages:
        with self._locked():
            return self._kept(told=True) or self._made()

    def faults(self) -> list[tuple[str, str]]:
        """Every file that cannot be decoded, and why; nothing is kept."""
        with self._locked(), self._room() as pixels:
            _, found = self._decode(pixels)
        return [(self._files[fault.index], fault.reason) for fault in found]

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """A second process that wants the same waits, and then has it too."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with alone(self.folder / ".lock", f"decodes {self._root.name}"):
                yield
        except OSError as error:
            raise DataError(f"{self.folder}: cannot be written: {error.strerror}; set XDG_CACHE_HOME") from None

    def _kept(self, *, told: bool = False) -> StoredImages | None:
        """The pictures from before, each checked by its SHA-256; None where there are none, others or damaged ones.

        Of damaged ones a warning tells, if `told`.
        """
        try:
            with self._index.open("rb") as file, np.load(file, allow_pickle=False) as index:
                made_of, digests = str(index["made_of"]), index["digests"]
            if made_of != self._made_of:
                return None
            images = self._stored(digests)
            images.check()
        except FileNotFoundError:
            return None
        except Exception:  # whatever a damaged file leads NumPy and zipfile to
            if told:
                warn(f"{self.folder}: damaged; decoding the pictures again")
            return None
        return images

    def _made(self) -> StoredImages:
        with self._room() as pixels:
            digests, found = self._decode(pixels)
            if found:
                raise DataError(self._told(found))
            self._index.unlink(missing_ok=True)
            pixels.replace(self._pixels)
        index = self._index.with_name(".index.part.npz")
        np.savez(index, made_of=np.array(self._made_of), digests=digests)
        index.replace(self._index)
        return self._stored(digests)

    def _stored(self, digests: NDArray[np.uint8]) -> StoredImages:
        shape = self._size.height, self._size.width, self._size.channels
        return StoredImages(self._pixels, shape, np.arange(len(self._files)), digests)

    @contextmanager
    def _room(self) -> Iterator[Path]:
        """A file beside the kept one with room for all pixels; gone afterwards, unless it was given another name."""
        needed = len(self._files) * self._size.bytes
        free = shutil.disk_usage(self.folder).free
        if needed > free:
            raise DataError(
                f"{self.folder}: decoded, the pictures of {self._root} take {needed / 1e9:,.1f} GB, and "
                f"{free / 1e9:,.1f} GB are free; choose a smaller image_size, or set XDG_CACHE_HOME to a larger disk"
            )
        path = self.folder / ".pixels.part"
        try:
            with path.open("wb") as file:
                os.truncate(file.fileno(), needed)
            yield path
        finally:
            with suppress(OSError):
                path.unlink()

    def _decode(self, pixels: Path) -> tuple[NDArray[np.uint8], list[Fault]]:
        digests: list[bytes] = []
        found: list[Fault] = []
        with decoding_progress() as progress:
            task = progress.add_task(f"decoding {self._root.name}", total=len(self._files))
            for decoded in decode_into(pixels, self._files, self._size):
                digests.append(decoded.digests)
                found.extend(decoded.faults)
                progress.advance(task, len(decoded.digests) // 32)
        return np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 32), found

    def _told(self, found: Sequence[Fault]) -> str:
        told = "; ".join(f"{self._files[fault.index]}: {fault.reason}" for fault in found[:NAMED])
        if len(found) > NAMED:
            told += (
                f"; and {len(found) - NAMED:,} more of {len(self._files):,} files: `cnnlab data verify …` lists them"
            )
        return told
