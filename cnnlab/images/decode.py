"""Decoding an image file, and bringing the image to a size and to grey or colour."""

import contextlib
import io
import os
import stat
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from cnnlab.errors import DataError
from cnnlab.images import png
from cnnlab.images.depth import (
    BITS_PER_SAMPLE,
    PHOTOMETRIC,
    SAMPLE_FORMAT,
    SIGNED,
    WHITE_IS_ZERO,
    Levels,
    tag,
    to_8_bits,
)

FORMATS = ("JPEG", "PNG", "BMP", "DIB", "GIF", "WEBP", "TIFF", "PPM", "AVIF", "JPEG2000")
SUFFIXES = frozenset(
    {".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".dib", ".gif", ".webp", ".tif", ".tiff"}
    | {".ppm", ".pgm", ".pbm", ".pnm", ".avif", ".jp2", ".j2k", ".jpx"}
)
MAX_PIXELS = 89_478_485  # where Pillow begins to warn of a bomb: a quarter of a GiB in colour
MAX_FILE_BYTES = 1 << 28
TIFF = b"II", b"MM"
TIFF_VALUES = "integers of up to 16 or of 32 bits, or floats of 32 bits"  # those that Pillow reads
ORIENTATION = 0x0112  # a tag of EXIF 2.3
UPRIGHT = {  # by the value of that tag
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

Change = Literal["resized", "upright", "grey", "on_white", "first_frame", "deep_colour", "own_scale"]


@dataclass(frozen=True)
class Size:
    """What every image is brought to."""

    height: int
    width: int
    channels: int
    fit: Literal["stretch", "crop", "pad"]

    @property
    def bytes(self) -> int:
        """What an image takes decoded."""
        return self.height * self.width * self.channels


@dataclass(frozen=True)
class Decoded:
    """An image: `pixels` (height, width, channels) uint8, its (width, height) in the file, and what was changed.

    `upright_size` is its (width, height) turned upright, before it was resized.

    `brightest` is the largest value of a grey image of more than 8 bits whose file does not state the value of white,
    and `is_float` whether its values are floating-point. `colour_brightest` is the largest of the upper 8 bits of a
    deep image in colour.
    """

    pixels: NDArray[np.uint8]
    size: tuple[int, int]
    changes: frozenset[Change]
    brightest: float | None = None
    is_float: bool = False
    colour_brightest: int | None = None
    upright_size: tuple[int, int] = (0, 0)


def decode(path: str, size: Size, levels: Levels | None = None) -> Decoded:
    """The image in a file. Raises DataError, with nothing but the reason.

    Turned upright as its EXIF says; grey from colour by ITU-R 601-2; what is transparent on white; more than 8 bits
    by `levels`, else by their upper 8; of several frames the first; resampled bilinearly.
    """
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb", buffering=0) as opened:
            status = os.fstat(opened.fileno())
            if not stat.S_ISREG(status.st_mode):  # reading a pipe could take for ever
                raise DataError("is not a file")
            if status.st_size > MAX_FILE_BYTES:
                raise DataError(f"is larger than {MAX_FILE_BYTES:,} bytes")
            content = opened.read()
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}") from None
    if not content:
        raise DataError("is empty")
    try:
        changes: set[Change] = set()
        if content.startswith(png.SIGNATURE):
            file = png.without_metadata(content)
            content = file.content
            changes |= {"first_frame"} if file.is_animated else set()
            changes |= {"deep_colour"} if file.is_deep_colour else set()  # of which Pillow gives the upper 8 bits
        with without_warnings(), _quiet(content), Image.open(io.BytesIO(content), formats=FORMATS) as image:
            return _Conversion(image, size, levels, changes).decoded()
    except DataError:
        raise
    except UnidentifiedImageError:
        if content.startswith(TIFF):
            raise DataError(f"is damaged, or a TIFF of values that are not supported; expected {TIFF_VALUES}") from None
        raise DataError("is not an image of a supported format, or its beginning is damaged") from None
    except Image.DecompressionBombError:
        raise DataError(f"has more than {MAX_PIXELS:,} pixels") from None
    except MemoryError:
        raise
    except Exception as error:  # whatever a damaged file leads Pillow's readers to
        raise DataError(f"is damaged: {' '.join(str(error).split())}") from None


@contextlib.contextmanager
def without_warnings() -> Iterator[None]:
    """Of Pillow, such as on odd EXIF; what matters is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def _quiet(content: bytes) -> Iterator[None]:
    """For what libtiff writes to standard error."""
    if not content.startswith(TIFF):
        yield
        return
    saved, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(null)


class _Conversion:
    """One image on its way to pixels, and what happens to it."""

    def __init__(self, image: Image.Image, size: Size, levels: Levels | None, changes: set[Change]) -> None:
        self._image, self._size, self._levels, self._changes = image, size, levels, changes
        self._brightest: float | None = None
        self._is_float = False

    def decoded(self) -> Decoded:
        image, size = self._image, self._size
        if image.width * image.height > MAX_PIXELS:
            raise DataError(f"has {image.width:,}×{image.height:,} pixels; expected at most {MAX_PIXELS:,}")
        if image.format != "MPO" and getattr(image, "is_animated", False):  # MPO: a photograph and its other sizes
            self._changes.add("first_frame")
        if image.format == "TIFF" and max(tag(image, BITS_PER_SAMPLE)) > 8 and image.mode in ("RGB", "RGBA", "CMYK"):
            self._changes.add("deep_colour")
        if image.format == "TIFF" and image.mode == "L" and max(tag(image, SAMPLE_FORMAT)) == SIGNED:
            raise DataError("has signed values of 8 bits; expected none below 0")
        if image.mode == "LAB":  # which Pillow converts to no other mode
            raise DataError("has colours in CIELAB, which is not supported; expected RGB, CMYK or grey")
        image.load()
        given = image.width, image.height
        high = int(np.asarray(image).max()) if "deep_colour" in self._changes else None
        image = self._in_mode(self._upright(image), "RGB" if size.channels == 3 else "L")
        upright, wanted = image.size, (size.width, size.height)
        if image.size != wanted:
            self._changes.add("resized")
            match size.fit:
                case "stretch":
                    image = image.resize(wanted, Image.Resampling.BILINEAR)
                case "crop":
                    image = ImageOps.fit(image, wanted, Image.Resampling.BILINEAR)
                case "pad":
                    image = _padded(image, wanted)
        pixels = np.asarray(image).reshape(size.height, size.width, size.channels)
        return Decoded(pixels, given, frozenset(self._changes), self._brightest, self._is_float, high, upright)

    def _upright(self, image: Image.Image) -> Image.Image:
        if "exif" not in image.info and image.format not in ("MPO", "TIFF"):
            return image
        # Not `exif_transpose`, which also rewrites the tags, and fails at an invalid one.
        turn = UPRIGHT.get(image.getexif().get(ORIENTATION, 1))
        if turn is None:
            return image
        self._changes.add("upright")
        return image.transpose(turn)

    def _in_mode(self, image: Image.Image, mode: str) -> Image.Image:
        if image.mode == mode and not image.has_transparency_data:
            return image
        if image.mode.startswith("I") or image.mode == "F":
            return self._in_8_bits(image).convert(mode)
        if mode == "L" and _is_coloured(image):
            self._changes.add("grey")
        if image.has_transparency_data:  # what is drawn on nothing was meant for paper
            self._changes.add("on_white")
            drawn = image.convert("RGBA")
            image = Image.new("RGBA", image.size, "white")
            image.alpha_composite(drawn)
        return image.convert(mode)

    def _in_8_bits(self, image: Image.Image) -> Image.Image:
        """A transparent value is white, and so is 0 if the file says so."""
        grey = to_8_bits(self._image, np.asarray(image), self._levels)
        self._brightest, self._is_float, pixels = grey.brightest, grey.is_float, grey.pixels
        if self._image.format == "TIFF" and tag(self._image, PHOTOMETRIC, 1) == (WHITE_IS_ZERO,):
            pixels = 255 - pixels
        if isinstance(transparent := image.info.get("transparency"), int):
            self._changes.add("on_white")
            pixels = np.where(np.asarray(image) == transparent, np.uint8(255), pixels)
        return Image.fromarray(pixels)


def _is_coloured(image: Image.Image) -> bool:
    """Whether it may have colours: by its mode or, where it has one, by its palette."""
    if image.mode != "P":
        return Image.getmodebase(image.mode) == "RGB"
    colours = np.asarray(image.getpalette("RGB")).reshape(-1, 3)
    return bool((colours != colours[:, :1]).any())


def _padded(image: Image.Image, wanted: tuple[int, int]) -> Image.Image:
    """The image in the middle of a black one. (Pillow's `pad` leaves nothing of a very narrow one.)"""
    scale = min(wanted[0] / image.width, wanted[1] / image.height)
    width, height = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    canvas = Image.new(image.mode, wanted)
    place = (wanted[0] - width) // 2, (wanted[1] - height) // 2
    canvas.paste(image.resize((width, height), Image.Resampling.BILINEAR), place)
    return canvas
