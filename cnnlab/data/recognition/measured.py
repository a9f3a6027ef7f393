"""The sizes and colours of many image files, from their headers."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cnnlab.errors import DataError
from cnnlab.images.header import looks_grey, read_header
from cnnlab.messages import join_names, pluralize
from cnnlab.terminal import image_progress

MOST_HEADERS = 10_000  # files; of more, so many are read, evenly spread
MOST_DECODED = 20  # images in a mode of colours that are decoded to see whether they have any
NAMED = 3  # sizes or files in a text


@dataclass(frozen=True)
class Measured:
    """How many of `total` files were read, and how often each (width, height), mode and format is among them.

    Sizes are those of images turned upright. `unreadable` are the files whose header is damaged, with the reason.
    `without_colour` of `decoded` images in a mode of colours have none.
    """

    total: int
    read: int
    sizes: Counter[tuple[int, int]]
    modes: Counter[str]
    formats: Counter[str]
    grey: int
    turned: int
    unreadable: dict[str, str] = field(default_factory=dict)
    decoded: int = 0
    without_colour: int = 0

    @property
    def of(self) -> str:
        """`all 2,062 images`, or `10,000 of 60,000 images, evenly spread`."""
        if self.read == self.total:
            return f"all {pluralize(self.total, 'image')}"
        return f"{self.read:,} of {pluralize(self.total, 'image')}, evenly spread"

    @property
    def shortest(self) -> int:
        """The median of the shorter sides."""
        return round(float(np.median(self._each(lambda width, height: min(width, height)))))

    @property
    def longest(self) -> int:
        """The median of the longer sides."""
        return round(float(np.median(self._each(lambda width, height: max(width, height)))))

    def ratios(self) -> Any:
        """Width by height of every image, (n,)."""
        return self._each(lambda width, height: width / height)

    def _each(self, function: Any) -> Any:
        values = [function(*size) for size in self.sizes]
        return np.repeat(np.array(values, float), list(self.sizes.values()))

    def described_sizes(self) -> str:
        """`100×100 (2,062)`; of many the most frequent, and the smallest and the largest."""
        shown = [f"{width}×{height} ({count:,})" for (width, height), count in self.sizes.most_common(NAMED)]
        if len(self.sizes) <= NAMED:
            return join_names(shown)
        low, high = (f"{size[0]}×{size[1]}" for size in (f(self.sizes, key=_pixels) for f in (min, max)))
        return f"{', '.join(shown)} and {len(self.sizes) - NAMED:,} other sizes; from {low} to {high}"

    def to_json(self) -> dict[str, Any]:
        """For scripts; sizes as [width, height, count], the most frequent first."""
        return {
            "images": self.total,
            "headers_read": self.read,
            "sizes": [[*size, count] for size, count in self.sizes.most_common()],
            "modes": dict(self.modes.most_common()),
            "formats": dict(self.formats.most_common()),
            "turned_by_exif": self.turned,
            "unreadable": self.unreadable,
        }


def _pixels(size: tuple[int, int]) -> int:
    return size[0] * size[1]


def measure(files: Sequence[str], names: Sequence[str], what: str) -> Measured:
    """Read the headers of the files, or of so many of them; `names` are what they are called in messages.

    Raises DataError where none of them is an image.
    """
    chosen = np.unique(np.linspace(0, len(files) - 1, min(len(files), MOST_HEADERS)).round().astype(int)).tolist()
    sizes, modes, formats = Counter[tuple[int, int]](), Counter[str](), Counter[str]()
    unreadable: dict[str, str] = {}
    grey = turned = 0
    coloured = []
    with image_progress() as progress:
        for index in progress.track(chosen, description=f"reading the sizes of {what}"):
            try:
                header = read_header(files[index])
            except DataError as error:
                unreadable[names[index]] = str(error)
                continue
            sizes[header.width, header.height] += 1
            modes[header.mode] += 1
            formats[header.format] += 1
            grey += header.is_grey
            turned += header.is_turned
            if not header.is_grey:
                coloured.append(index)
    if not sizes:
        first, reason = next(iter(unreadable.items()))
        raise DataError(f"{what}: none of {pluralize(len(chosen), 'file')} is an image, such as {first}: {reason}")
    decoded = without_colour = 0
    for index in coloured[:: max(1, len(coloured) // MOST_DECODED)][:MOST_DECODED]:
        decoded += 1
        if not looks_grey(files[index]):
            break
        without_colour += 1
    return Measured(len(files), len(chosen), sizes, modes, formats, grey, turned, unreadable, decoded, without_colour)
