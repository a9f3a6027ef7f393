"""Arrays of numbers as they are given on the command line: in JSON, or in a file.

Every function raises RequestError where what was given is none.
"""

import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from cnnlab.errors import RequestError
from cnnlab.lessons.convolution import Array
from cnnlab.lessons.kernels import LARGEST
from cnnlab.messages import shorten
from cnnlab.runs import files

MOST_NUMBERS = 4_000_000
MAX_BYTES = 1 << 28
ENDINGS = (".json", ".npy")
EXPECTED = "an array such as [[1, 2], [3, 4]], or a .json or .npy file"


def array(text: str, option: str, expected: str = EXPECTED) -> Array:
    """The numbers in JSON, in a .json or in a .npy file, with as many axes as they have."""
    if text.endswith(ENDINGS):
        place = f"{option} {text}"
        values = _read(Path(text), place, expected)
    else:
        place = option
        values = _from_json(text, place, expected)
    _check_count(values.size, place)
    if not (np.abs(values) <= LARGEST).all():
        raise RequestError(f"{place}: has NaN, infinity or numbers beyond {LARGEST:g}; expected finite numbers")
    return values


def _check_count(count: int, place: str) -> None:
    if not 1 <= count <= MOST_NUMBERS:
        raise RequestError(f"{place}: {count:,} numbers; expected 1 to {MOST_NUMBERS:,}")


def _read(path: Path, place: str, expected: str) -> Array:
    try:
        content = files.read(path, MAX_BYTES)
    except OSError as error:
        raise RequestError(f"{place}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        if not path.is_file():
            raise RequestError(f"{place}: is not a file; expected a file of numbers") from None
        raise RequestError(f"{place}: has {error}; expected at most {MAX_BYTES:,}") from None
    if path.suffix == ".json":
        return _from_json(content.decode(errors="replace"), place, expected)
    return _from_npy(content, place)


def _from_npy(content: bytes, place: str) -> Array:
    """What `numpy.save` has written. Its header is checked first: it can name any shape."""
    stream = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(stream)
        count = math.prod(shape)
    except (ValueError, TypeError, SyntaxError, EOFError):  # numpy's own words propose to load Python objects
        raise RequestError(f"{place}: is damaged, or not an array of numbers as numpy.save writes it") from None
    if dtype.kind not in "biuf":
        raise RequestError(f"{place}: an array of {dtype}; expected numbers")
    _check_count(count, place)
    stated, present = count * dtype.itemsize, len(content) - stream.tell()
    if stated != present:
        raise RequestError(f"{place}: is damaged: has {present:,} bytes of numbers; its header says {stated:,}")
    return np.asarray(np.load(io.BytesIO(content), allow_pickle=False), np.float64)


def _from_json(text: str, place: str, expected: str) -> Array:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise RequestError(f"{place}: {shorten(text)} is not JSON; expected {expected}") from None
    _shape(value, place)
    try:
        return np.asarray(value, np.float64)
    except OverflowError:
        raise RequestError(f"{place}: has a number that is too large; expected at most {LARGEST:g}") from None


def _shape(value: Any, place: str) -> tuple[int, ...]:
    """Of nested lists of numbers, which all have the same length on each level."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return ()
    if not isinstance(value, list):
        shown = "null" if value is None else shorten(value)
        raise RequestError(f"{place}: {shown} is not a number; expected numbers and lists of them")
    shapes = [_shape(item, place) for item in value]
    if different := [index for index, shape in enumerate(shapes) if shape != shapes[0]]:
        index = different[0]
        raise RequestError(
            f"{place}: ragged: item {index} of a list has the shape {list(shapes[index])} and item 0 "
            f"{list(shapes[0])}; expected rows of equal length"
        )
    return (len(value), *(shapes[0] if shapes else ()))
