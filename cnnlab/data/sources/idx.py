"""The IDX format of LeCun, Cortes and Burges (1998): http://yann.lecun.com/exdb/mnist/."""

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from cnnlab.data.dataset import Source
from cnnlab.data.locate import find
from cnnlab.data.sources import user_arrays
from cnnlab.errors import DataError
from cnnlab.experiment.data import Idx

MAX_BYTES = 2**31  # of decoded content: above every data set in this format; a gzip bomb is larger
MAX_DIMENSIONS = 4
TYPES = {8: ">u1", 9: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def load(data: Idx) -> Source:
    """Images (n, *image_shape) uint8 in [0, 255]; labels (n,) int32, from a user's files. Raises DataError."""

    def read_images(name: str) -> tuple[Path, NDArray[Any]]:
        path = find(name, data.dir, "idx")
        images = read(path)
        if images.dtype != np.uint8 or images.ndim not in (3, 4):
            raise DataError(
                f"{path}: {images.ndim} dimensions of {images.dtype.name}; expected images, 3 or 4 of uint8"
            )
        return path, images

    def read_labels(name: str) -> tuple[Path, NDArray[Any]]:
        path = find(name, data.dir, "idx")
        return path, read(path)

    return user_arrays.from_files(data, read_images, read_labels)


def read(path: Path) -> NDArray[Any]:
    """The array in `path`, gzipped or not. Raises DataError where the file is truncated, damaged or not IDX."""
    if not path.is_file():
        raise DataError(f"{path}: not a file")
    try:
        with path.open("rb") as file:
            zipped = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            with gzip.open(file) if zipped else file as content:
                return _read(path, content)  # type: ignore[arg-type] # both read bytes
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path}: truncated or damaged .gz ({error}); delete it and download it again") from None
    except MemoryError:
        raise DataError(f"{path}: needs more than the free memory") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None


def header(array: NDArray[np.uint8]) -> bytes:
    """What comes before the data of an array of unsigned bytes."""
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)


def _read(path: Path, file: BinaryIO) -> NDArray[Any]:
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in TYPES or not 1 <= magic[3] <= MAX_DIMENSIONS:
        raise DataError(
            f"{path}: not an IDX file: starts with {magic.hex(' ') or 'nothing'}, "
            "expected such as 00 00 08 03 for images, 00 00 08 01 for labels"
        )
    sizes = file.read(4 * magic[3])
    if len(sizes) < 4 * magic[3]:
        raise DataError(f"{path}: truncated within its header")
    shape = struct.unpack(f">{magic[3]}I", sizes)
    kind = np.dtype(TYPES[magic[2]])
    expected = math.prod(shape) * kind.itemsize
    if max(expected, *shape) > MAX_BYTES:
        raise DataError(
            f"{path}: its header promises {'×'.join(map(str, shape))} values; expected at most {MAX_BYTES:,}"
        )
    content = file.read(expected + 1)
    if len(content) != expected:
        got = f"{len(content):,}" if len(content) < expected else "more"
        raise DataError(f"{path}: its header promises {expected:,} bytes of data, the file has {got}")
    return np.frombuffer(content, kind).reshape(shape)
