"""The IDX format of LeCun, Cortes and Burges (1998), gzipped: http://yann.lecun.com/exdb/mnist/."""

import gzip
import hashlib
import math
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnnlab.errors import DataError

MAX_BYTES = 2**31  # of decoded content: above every data set in this format; a gzip bomb is larger


def read(path: Path, dimensions: int) -> tuple[NDArray[np.uint8], str]:
    """The array of unsigned bytes in `path`, and the SHA-256 of the decompressed file.

    `dimensions` is 1 for labels, 3 for images. Raises DataError where the file is truncated, damaged or not IDX.
    """
    header_bytes = 4 + 4 * dimensions
    if not path.is_file():
        raise DataError(f"{path}: not a file")
    try:
        with gzip.open(path) as file:
            header = file.read(header_bytes)
            shape = _shape(path, header, dimensions)
            expected = math.prod(shape)
            if expected > MAX_BYTES:
                raise DataError(f"{path}: its header promises {expected:,} bytes; expected at most {MAX_BYTES:,}")
            content = file.read(expected + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path}: truncated or damaged .gz ({error}); delete it, and it is fetched anew") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    if len(content) != expected:
        got = f"{len(content):,}" if len(content) < expected else "more"
        raise DataError(f"{path}: its header promises {expected:,} bytes of data, the file has {got}")
    digest = hashlib.sha256(header)
    digest.update(content)
    return np.frombuffer(content, np.uint8).reshape(shape), digest.hexdigest()


def _shape(path: Path, header: bytes, dimensions: int) -> tuple[int, ...]:
    magic = bytes([0, 0, 8, dimensions])  # two zeros, 8 for unsigned bytes, the number of dimensions
    if header[:4] != magic or len(header) != 4 + 4 * dimensions:
        raise DataError(
            f"{path}: not an IDX file: starts with {header[:4].hex(' ') or 'nothing'}, expected {magic.hex(' ')}"
        )
    return struct.unpack(f">{dimensions}I", header[4:])
