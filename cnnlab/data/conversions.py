"""What was changed while image files were decoded, as notes and warnings."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from cnnlab.data.dataset import Remark
from cnnlab.images.batch import Report
from cnnlab.images.decode import Change, Size
from cnnlab.images.depth import Levels, white_of
from cnnlab.messages import pluralize

CHANGES: dict[Change, str] = {
    "upright": "turned upright as EXIF says",
    "grey": "made grey from colour",
    "on_white": "laid on white where transparent",
    "first_frame": "with several frames, of which the first is used",
    "deep_colour": "in colour of 16 bits, of which the upper 8 are used",
    "own_scale": "of more than 8 bits, each scaled by its own largest value",
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
        """The inverse of `to_json`. Raises ValueError, TypeError or KeyError for other text."""
        values = json.loads(text)
        faults = {int(index): str(reason) for index, reason in values["faults"].items()}
        sizes = [((int(width), int(height)), int(count)) for (width, height), count in values["sizes"]]
        dark, colour_brightest = int(values["dark"]), int(values["colour_brightest"])
        deep, brightest = int(values["deep"]), float(values["brightest"])
        return cls(faults, dict(values["changes"]), sizes, deep, brightest, dark, colour_brightest)

    def to_json(self) -> str:
        """As text."""
        return json.dumps(asdict(self))

    @property
    def white(self) -> float | None:
        """The value of deep images that becomes 255; None where their upper 8 bits are used."""
        return white_of(self.brightest) if self.deep else None

    @property
    def inferred(self) -> dict[str, Any]:
        """What a run records of how values became bytes."""
        return {} if self.white is None else {"white": self.white}

    def notes(self, size: Size, count: int) -> list[str]:
        """What was changed of `count` images."""
        changes = []
        if resized := self.changes.get("resized", 0):
            (width, height), _ = self.sizes[0]
            more = " and other sizes" if len(self.sizes) > 1 else ""
            how = {"stretch": "stretching", "crop": "cropping", "pad": "padding"}[size.fit]
            changes.append(f"{resized:,} resized from {width}×{height}{more} to {size.width}×{size.height} by {how}")
        changes += [f"{self.changes[kind]:,} {text}" for kind, text in CHANGES.items() if self.changes.get(kind)]
        if self.deep and self.white is None:
            changes.append(f"{self.deep:,} of 16 bits, of which the upper 8 are used")
        return [f"of {pluralize(count, 'image')} {'; '.join(changes)}"] if changes else []

    def remarks(self, levels: Levels | None) -> Iterator[Remark]:
        """A scale that was guessed, since neither the files nor the experiment state it."""
        if self.white is not None and levels is None:
            text = (
                f"{pluralize(self.deep, 'image')} of more than 8 bits with values up to {self.brightest:g}, "
                f"scaled so that {self.white:g} becomes 255"
            )
            if self.white not in (1, 255):
                text += f"; set another scale with --set data.bit_depth={self._bits()}"
            yield Remark("range", self.deep, text)
        if self.dark and levels is None:
            text = (
                f"{self.dark:,} of {pluralize(self.deep, 'image')} of more than 8 bits nearly black compared to the "
                f"brightest, {self.brightest:g}; if their depths differ, convert all to one"
            )
            yield Remark("dark", self.dark, text)
        if (count := self.changes.get("deep_colour", 0)) and self.colour_brightest <= 255 * NEARLY_BLACK:
            text = (
                f"{pluralize(count, 'image')} in colour of 16 bits nearly black: the largest of their upper 8 bits is "
                f"{self.colour_brightest}; if they have fewer than 16 bits, convert them to 8"
            )
            yield Remark("dark", count, text)

    def _bits(self) -> int:
        """How many bits the largest value has."""
        return max(1, math.ceil(math.log2(self.brightest + 1)))
