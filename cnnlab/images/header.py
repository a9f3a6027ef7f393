"""What an image file says of itself, read without decoding the image."""

import os
from dataclasses import dataclass

import numpy as np
from PIL import Image, UnidentifiedImageError

from cnnlab.errors import DataError
from cnnlab.images.decode import FORMATS, ORIENTATION, without_warnings

GREY_MODES = frozenset({"1", "L", "LA", "La", "I", "F", "I;16", "I;16B", "I;16L", "I;16N"})
TURNED = frozenset({5, 6, 7, 8})  # values of EXIF's orientation with which height and width change places
TOLERANCE = 2  # by which the channels of a grey image may differ after JPEG's rounding
CHECKED_SIDE = 64  # pixels; an image is reduced to about that before its colours are looked at


@dataclass(frozen=True)
class Header:
    """Size in pixels, upright as EXIF says; Pillow's mode and format; whether it is turned to be upright."""

    width: int
    height: int
    mode: str
    format: str
    is_turned: bool

    @property
    def is_grey(self) -> bool:
        """Whether it has no colours by its mode. A palette may have."""
        return self.mode in GREY_MODES


def read_header(path: str) -> Header:
    """The header of an image file. Raises DataError, with nothing but the reason."""
    try:
        if not os.path.isfile(path):
            raise DataError("is not a file")
        with without_warnings(), Image.open(path, formats=FORMATS) as image:
            width, height = image.size
            orientation = image.getexif().get(ORIENTATION, 1) if "exif" in image.info or image.format == "MPO" else 1
            if is_turned := orientation in TURNED:
                width, height = height, width
            return Header(width, height, image.mode, image.format or "", is_turned)
    except DataError:
        raise
    except UnidentifiedImageError:
        raise DataError("is not an image of a supported format, or its beginning is damaged") from None
    except Exception as error:  # whatever a damaged file leads Pillow's readers to
        raise DataError(f"is damaged: {' '.join(str(error).split())}") from None


def looks_grey(path: str) -> bool:
    """Whether an image in a mode of colours has none; False where it cannot be decoded."""
    try:
        with without_warnings(), Image.open(path, formats=FORMATS) as image:
            image.draft("RGB", (CHECKED_SIDE, CHECKED_SIDE))  # of a JPEG only so much is decoded
            image.thumbnail((CHECKED_SIDE, CHECKED_SIDE))
            pixels = np.asarray(image.convert("RGB")).astype(np.int16)
    except Exception:  # it is reported when all images are decoded
        return False
    return bool((np.ptp(pixels, axis=-1) <= TOLERANCE).all())
