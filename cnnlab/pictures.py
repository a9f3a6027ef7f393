"""Decoding picture files, one after another or by several processes at once.

It imports nothing of cnnlab's but errors, since every process that decodes imports it anew.
"""

import contextlib
import hashlib
import io
import os
import signal
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from cnnlab.errors import DataError

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm"})
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
MAX_PIXELS = 89_478_485  # where Pillow begins to warn of a bomb: a quarter of a GiB in colour
MAX_FILE_BYTES = 1 << 28
PNG = b"\x89PNG"
TIFF = b"II", b"MM"
ORIENTATION = 0x0112
UPRIGHT = {  # by the value of that tag, EXIF 2.3
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
PER_TASK = 256  # pictures that a process decodes before it tells of them
WRITTEN_BYTES = 1 << 20  # at once
WORTH_PROCESSES = 2048  # pictures; starting processes takes as long as decoding about that many small ones


@dataclass(frozen=True)
class Size:
    """What every picture is brought to."""

    height: int
    width: int
    channels: int
    fit: Literal["stretch", "crop", "pad"]

    @property
    def bytes(self) -> int:
        """What a picture takes decoded."""
        return self.height * self.width * self.channels


@dataclass(frozen=True)
class Fault:
    """A file that is no picture, by its place in the list."""

    index: int
    reason: str


@dataclass(frozen=True)
class Decoded:
    """What became of some files: SHA-256 of each one's pixels, zeros where it has a fault."""

    digests: bytes
    faults: tuple[Fault, ...]


def decode(path: str, size: Size) -> NDArray[np.uint8]:
    """The picture in a file, (height, width, channels) uint8. Raises DataError, with nothing but the reason.

    Turned upright as its EXIF says; grey from colour by ITU-R 601-2; what is transparent on white; 16 bits by their
    upper 8; resampled bilinearly.
    """
    try:
        with open(path, "rb", buffering=0) as file:
            if os.fstat(file.fileno()).st_size > MAX_FILE_BYTES:
                raise DataError(f"is larger than {MAX_FILE_BYTES:,} bytes")
            content = file.read()
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}") from None
    if not content:
        raise DataError("is empty")
    try:
        if content.startswith(PNG):  # Pillow decodes one whose checksums are wrong
            with Image.open(io.BytesIO(content), formats=FORMATS) as image:
                image.verify()
        with _quiet(content), Image.open(io.BytesIO(content), formats=FORMATS) as image:
            return _brought_to(image, size)
    except UnidentifiedImageError:
        raise DataError("is not a picture of a format that is read, or its beginning is damaged") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise DataError(f"has more than {MAX_PIXELS:,} pixels") from None
    except MemoryError:
        raise
    except Exception as error:  # whatever a damaged file leads Pillow's readers to
        raise DataError(f"is damaged: {' '.join(str(error).split())}") from None


@contextlib.contextmanager
def _quiet(content: bytes) -> Iterator[None]:
    """For what libtiff writes to standard error by itself."""
    if not content.startswith(TIFF):
        yield
        return
    kept, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(null)


def _brought_to(image: Image.Image, size: Size) -> NDArray[np.uint8]:
    if image.width * image.height > MAX_PIXELS:
        raise DataError(f"has {image.width:,}×{image.height:,} pixels; expected at most {MAX_PIXELS:,}")
    image.load()
    upright: Image.Image = image
    if "exif" in image.info or image.format in ("MPO", "TIFF"):
        # Not `exif_transpose`, which also writes the tags anew, and fails where one of them is odd.
        turn = UPRIGHT.get(image.getexif().get(ORIENTATION, 1))
        upright = image if turn is None else image.transpose(turn)
    mode = "RGB" if size.channels == 3 else "L"
    if upright.mode != mode or upright.has_transparency_data:
        upright = _in_mode(upright, mode)
    if upright.size != (size.width, size.height):
        wanted = (size.width, size.height)
        match size.fit:
            case "stretch":
                upright = upright.resize(wanted, Image.Resampling.BILINEAR)
            case "crop":
                upright = ImageOps.fit(upright, wanted, Image.Resampling.BILINEAR)
            case "pad":
                upright = _padded(upright, wanted)
    return np.asarray(upright).reshape(size.height, size.width, size.channels)


def _padded(image: Image.Image, wanted: tuple[int, int]) -> Image.Image:
    """The whole picture in the middle of a black one. (Pillow's `pad` leaves nothing of a very narrow one.)"""
    scale = min(wanted[0] / image.width, wanted[1] / image.height)
    width, height = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    canvas = Image.new(image.mode, wanted)
    place = (wanted[0] - width) // 2, (wanted[1] - height) // 2
    canvas.paste(image.resize((width, height), Image.Resampling.BILINEAR), place)
    return canvas


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM")):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    elif image.mode in ("I", "F"):
        raise ValueError(f"pixels of mode {image.mode} have no range that is known")
    elif image.has_transparency_data:  # what is drawn on nothing was meant for paper
        drawn = image.convert("RGBA")
        image = Image.new("RGBA", image.size, "white")
        image.alpha_composite(drawn)
    return image.convert(mode)


def decode_into(path: Path, files: Sequence[str], size: Size) -> Iterator[Decoded]:
    """Decode `files` into `path`, which has room for all, one after another; yield what becomes of them, in order.

    Many files are shared by as many processes as there are cores. Raises DataError where a process dies.
    """
    tasks = [(str(path), first, files[first : first + PER_TASK], size) for first in range(0, len(files), PER_TASK)]
    processes = min(os.cpu_count() or 1, len(tasks))
    if processes < 2 or len(files) < WORTH_PROCESSES:
        yield from map(_decode_some, tasks)
        return
    # Spawned, not forked: TensorFlow's threads may be running here already.
    pool = ProcessPoolExecutor(processes, get_context("spawn"), initializer=_end_with_parent, initargs=(os.getpid(),))
    try:
        with _blocked_interrupts():
            results = pool.map(_decode_some, tasks)  # starts the processes
        yield from results
    except BrokenProcessPool:
        raise DataError("a process that decodes pictures died, perhaps for lack of memory") from None
    finally:
        pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _blocked_interrupts() -> Iterator[None]:
    """Ctrl-C waits; processes that are started meanwhile never hear of it: it is the parent's to handle."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_with_parent(parent: int) -> None:
    """Have this process end soon after `parent` did, however that came: nobody else would tell it."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _decode_some(task: tuple[str, int, Sequence[str], Size]) -> Decoded:
    path, first, files, size = task
    faults = []
    digests = bytearray()
    with open(path, "r+b", buffering=WRITTEN_BYTES) as target, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Pillow, such as on odd EXIF; what matters is an error
        target.seek(first * size.bytes)
        for index, file in enumerate(files, start=first):
            try:
                pixels = decode(file, size).tobytes()
                digests += hashlib.sha256(pixels).digest()
            except (DataError, MemoryError) as error:
                faults.append(Fault(index, str(error) or "takes more memory than there is"))
                pixels = bytes(size.bytes)
                digests += bytes(32)
            target.write(pixels)
    return Decoded(bytes(digests), tuple(faults))
