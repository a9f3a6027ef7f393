"""The chunks of a PNG file: https://www.w3.org/TR/png-3/."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from cnnlab.errors import DataError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
ESSENTIAL = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS"})
"""Without one of these the pixels are not the image's."""
COPIED = ESSENTIAL | {b"eXIf"}  # which has the orientation
ANCILLARY_BIT = 0x20  # of the first letter: whatever reads the file can do without the chunk


@dataclass(frozen=True)
class Png:
    """What a PNG file is without its metadata: `content` has nothing but what the pixels depend on.

    `is_animated`: whether it has more frames than the one in `content`.
    """

    content: bytes
    is_animated: bool

    @property
    def is_deep_colour(self) -> bool:
        """Whether a pixel has several samples of 16 bits, as the header says."""
        return self.content[24] == 16 and self.content[25] != 0


def without_metadata(content: bytes) -> Png:
    """The file without what its pixels do not depend on. Raises DataError where the rest is damaged.

    A colour profile or a text is left out, however large it is and whatever is wrong with it: Pillow refuses the
    entire file for a text of more than a megabyte.
    """
    parts = [SIGNATURE]
    is_animated = False
    for kind, chunk, is_intact in _chunks(content):
        if not is_intact and (kind in ESSENTIAL or not kind[0] & ANCILLARY_BIT):
            raise DataError(f"is damaged: its {_shown(kind)} chunk has a wrong checksum")
        is_animated |= kind == b"acTL"
        if kind in COPIED and is_intact:
            parts.append(chunk)
    return Png(b"".join(parts), is_animated)


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes, bool]]:
    """Each chunk's type, its bytes with header and checksum, and whether the checksum is right."""
    place, size = len(SIGNATURE), len(content)
    while True:
        if place + 12 > size:
            raise DataError("is damaged: it is truncated")
        length, kind = struct.unpack_from(">I4s", content, place)
        end = place + 12 + length
        if end > size:
            raise DataError(f"is damaged: it is truncated within its {_shown(kind)} chunk")
        checksum = int.from_bytes(content[end - 4 : end], "big")
        yield kind, content[place:end], zlib.crc32(content[place + 4 : end - 4]) == checksum
        if kind == b"IEND":
            return
        place = end


def _shown(kind: bytes) -> str:
    return kind.decode("latin-1")
