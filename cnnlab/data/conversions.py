"""What was changed while image files were decoded, as notes and warnings."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from cnnlab.data.dataset import Remark
from cnnlab.images.batch import Report
from cnnlab.images.decode import FULL_BITS, Change, Levels, Size

CHANGES: dict[Change, str] = {
    "upright": "turned upright as EXIF says",
    "grey": "made grey from colour",
    "on_white": "laid on white where transparent",
    "first_frame": "with several frames, of which the first is used",
    "deep_colour": "in colour of 16 bits, of which the upper 8 are kept",
}

NEARLY_BLACK = 1 / 8  # of the brightest


@dataclass(frozen=True)
class Summary:
    """What became of the files: the faults by index, how often what was changed, and the scale of deep images.

    `deep` grey images have more than 8 bits and a file that does not say what white is; `brightest` is their largest
    value, and `dark` of them are nearly black beside it. `colour_brightest` is the largest of the upper 8 bits of
    images in colour that have 16.
    """

    faults: dict[int, str]
    changes: Mapping[Change, int]
    sizes: list[tuple[tuple[int, int], int]]
    deep: int = 0
    brightest: float = 0.0
    dark: int = 0
    colour_brightest: int = 0

    @classmethod
    def of(cls, report: Report) -> Self:
        """Of all files."""
        brightest = max(report.brightest.values(), default=0.0)
        return cls(
            {fault.index: fault.reason for fault in report.faults},
            dict(report.changes),
            report.sizes.most_common(),
            len(report.brightest),
            brightest,
            sum(0 < high <= NEARLY_BLACK * brightest for high in report.brightest.values()),
            report.colour_brightest,
        )

    @classmethod
    def from_json(cls, text: str) -> Self:
        """What `to_json` gave. Raises ValueError, TypeError or KeyError where it is something else."""
        said = json.loads(text)
        faults = {int(index): str(reason) for index, reason in said["faults"].items()}
        sizes = [((int(width), int(height)), int(count)) for (width, height), count in said["sizes"]]
        dark, colour_brightest = int(said["dark"]), int(said["colour_brightest"])
        deep, brightest = int(said["deep"]), float(said["brightest"])
        return cls(faults, dict(said["changes"]), sizes, deep, brightest, dark, colour_brightest)

    def to_json(self) -> str:
        """As text."""
        return json.dumps(asdict(self))

    @property
    def white(self) -> float | None:
        """The value of deep images that becomes 255; None where their upper 8 bits are kept."""
        return white_of(self.brightest) if self.deep else None

    @property
    def resolved(self) -> dict[str, Any]:
        """What a run records of how values became bytes."""
        return {} if self.white is None else {"white": self.white}

    def notes(self, size: Size, count: int) -> list[str]:
        """How `count` images came to be as they are."""
        told = []
        if resized := self.changes.get("resized", 0):
            (width, height), _ = self.sizes[0]
            more = " and other sizes" if len(self.sizes) > 1 else ""
            how = {"stretch": "stretching", "crop": "cropping", "pad": "padding"}[size.fit]
            told.append(f"{resized:,} resized from {width}×{height}{more} to {size.width}×{size.height} by {how}")
        told += [f"{self.changes[kind]:,} {words}" for kind, words in CHANGES.items() if self.changes.get(kind)]
        if self.deep and self.white is None:
            told.append(f"{self.deep:,} of 16 bits, of which the upper 8 are kept")
        return [f"of {count:,} images {'; '.join(told)}"] if told else []

    def remarks(self, levels: Levels | None) -> Iterator[Remark]:
        """A scale that was guessed, since neither the files nor the experiment state it."""
        if self.white is not None and levels is None:
            text = (
                f"{self.deep:,} images of more than 8 bits have values up to {self.brightest:g}: scaled so that "
                f"{self.white:g} becomes 255"
            )
            if self.white not in (1, 255):
                text += f"; another scale is set by --set data.bit_depth={self._bits()}"
            yield Remark("range", self.deep, text)
        if self.dark and levels is None:
            text = (
                f"{self.dark:,} of {self.deep:,} images of more than 8 bits are nearly black beside the brightest, "
                f"{self.brightest:g}; if theirs is another depth, bring all to one"
            )
            yield Remark("dark", self.dark, text)
        if (count := self.changes.get("deep_colour", 0)) and self.colour_brightest <= 255 * NEARLY_BLACK:
            text = (
                f"{count:,} images in colour of 16 bits are nearly black: the largest of their upper 8 bits is "
                f"{self.colour_brightest}; if they have fewer than 16 bits, convert them to 8"
            )
            yield Remark("dark", count, text)

    def _bits(self) -> int:
        """How many bits the largest value has."""
        return max(1, math.ceil(math.log2(self.brightest + 1)))


def white_of(brightest: float) -> float | None:
    """What becomes 255 where no file says so: the largest value, or what it was surely meant to be at most."""
    if 2 ** (FULL_BITS - 1) <= brightest < 2**FULL_BITS:
        return None
    if brightest <= 1:
        return 1.0
    return 255.0 if 128 <= brightest <= 255 else brightest
