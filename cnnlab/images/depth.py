"""Grey values of more than 8 bits, converted to 8."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cnnlab.errors import DataError

BITS_PER_SAMPLE, PHOTOMETRIC, MAX_SAMPLE_VALUE, SAMPLE_FORMAT = 258, 262, 281, 339  # tags of TIFF 6.0
WHITE_IS_ZERO, SIGNED = 0, 2  # values of the second and the last
FULL_BITS = 16


@dataclass(frozen=True)
class Levels:
    """How values of more than 8 bits become 8: the upper 8 of `bits`, or, if given, `white` becomes 255."""

    bits: int | None = None
    white: float | None = None

    @property
    def brightest(self) -> float | None:
        """The largest value that an image may have; None where it is unknown."""
        return self.white if self.bits is None else 2**self.bits - 1


@dataclass(frozen=True)
class Grey:
    """Values in 8 bits; `brightest` is the largest before, None where the file states the value of white."""

    pixels: NDArray[np.uint8]
    brightest: float | None
    is_float: bool


def to_8_bits(file: Image.Image, values: NDArray[Any], levels: Levels | None) -> Grey:
    """The values of the image in `file`, scaled as it states or else by `levels`. Raises DataError for other values."""
    if file.format == "TIFF" and values.dtype == np.int32 and max(tag(file, SAMPLE_FORMAT)) != SIGNED:
        values = values.view(np.uint32)  # Pillow has signed integers only
    is_float = bool(np.issubdtype(values.dtype, np.floating))
    low, high = float(values.min()), float(values.max())
    if not np.isfinite([low, high]).all():
        raise DataError("has values that are not finite; expected pixels")
    if low < 0:
        raise DataError(f"has values from {low:g} to {high:g}; expected none below 0")
    if is_float and levels and levels.bits:
        raise DataError("has floating-point values, to which data.bit_depth does not apply; remove the option")
    known = _stated_levels(file) or levels
    used = known or (Levels(bits=FULL_BITS) if high < 2**FULL_BITS else Levels(white=high))
    if used.brightest is not None and high > used.brightest:
        raise DataError(f"has a value {high:g}; expected at most {used.brightest:g}, the brightest of its depth")
    if used.bits is not None and used.bits >= 8 and not is_float:
        pixels = (values >> (used.bits - 8)).astype(np.uint8)
    else:
        pixels = np.rint(values * (255 / (used.brightest or 1.0))).astype(np.uint8)
    return Grey(pixels, None if known else high, is_float)


def _stated_levels(image: Image.Image) -> Levels | None:
    """The value of white that the file itself states; None where it states none."""
    if image.format == "PPM" and image.mode != "F":  # which Pillow has brought to 16 bits by the file's maxval
        return Levels(bits=FULL_BITS)
    if image.format == "TIFF" and MAX_SAMPLE_VALUE in image.tag_v2:  # type: ignore[attr-defined]
        return Levels(white=float(max(tag(image, MAX_SAMPLE_VALUE))) or 1.0)
    if image.format == "TIFF" and 8 < (bits := int(max(tag(image, BITS_PER_SAMPLE)))) < FULL_BITS:
        return Levels(bits=bits)
    return None


def tag(image: Image.Image, number: int, default: float = 0) -> tuple[float, ...]:
    """The values of a tag of a TIFF, (default,) where it has none."""
    value = image.tag_v2.get(number, default)  # type: ignore[attr-defined]
    return value if isinstance(value, tuple) else (value,)


def white_of(brightest: float) -> float | None:
    """The value that becomes 255 where no file states it: the largest value, or the obvious limit above it."""
    if 2 ** (FULL_BITS - 1) <= brightest < 2**FULL_BITS:
        return None
    if brightest <= 1:
        return 1.0
    return 255.0 if 128 <= brightest <= 255 else brightest
