"""The size and the channels that are proposed for images, each with the reason."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cnnlab.data.recognition.measured import Measured
from cnnlab.messages import join_names, pluralize

LONGEST_SIDE = 128  # pixels; a larger one costs more time and memory than a first training needs
ALIKE, MOST = 0.05, 0.95  # shapes within 5 % of one another, of 95 % of the images, are one shape


@dataclass
class Proposal:
    """Options of `data`, and the reason for each."""

    options: dict[str, Any] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)

    def add(self, option: str, value: Any, reason: str) -> None:
        """Propose a value."""
        self.options[option] = value
        self.reasons[option] = reason


def propose_size(proposal: Proposal, measured: Measured) -> None:
    """The size of all images if it is one and small; else a smaller one of their shape, or a square."""
    width, height = max(measured.sizes, key=measured.sizes.__getitem__)
    turned = f"; {measured.turned:,} turned upright as EXIF says" if measured.turned else ""
    if len(measured.sizes) == 1 and max(width, height) <= LONGEST_SIDE:
        proposal.add("image_size", _shown(height, width), f"{measured.of}: {width}×{height}{turned}")
        return
    found = f"{measured.of}: {measured.described_sizes()}{turned}"
    ratios = measured.ratios()
    ratio = float(np.median(ratios))
    limit = f", at most {LONGEST_SIDE}: larger images take longer" if measured.longest > LONGEST_SIDE else ""
    if float(np.mean(np.abs(ratios / ratio - 1) <= ALIKE)) >= MOST:
        longest = min(LONGEST_SIDE, measured.longest)
        sides = (round(longest / max(1.0, ratio)), round(longest * min(1.0, ratio)))
        proposal.add("image_size", _shown(max(1, sides[0]), max(1, sides[1])), f"their usual shape{limit} ({found})")
        proposal.add("fit", "stretch", "nearly all have that shape")
        return
    side = min(LONGEST_SIDE, measured.shortest)
    proposal.add("image_size", side, f"a square of their median shorter side{limit} ({found})")
    proposal.add("fit", "crop", "their shapes differ: `crop` keeps the middle, `pad` all of an image, on black")


def _shown(height: int, width: int) -> int | list[int]:
    return height if height == width else [height, width]


def propose_channels(proposal: Proposal, measured: Measured) -> None:
    """1 if no image has colours, else 3."""
    intact = sum(measured.sizes.values())
    if measured.grey == intact:
        proposal.add("channels", 1, f"{measured.of}: grey")
    elif measured.without_colour == measured.decoded:
        looked = pluralize(measured.decoded, "image")
        proposal.add("channels", 1, f"stored in colour, but grey ({looked} looked at); 3 if others have colours")
    else:
        modes = join_names(f"{mode} ({count:,})" for mode, count in measured.modes.most_common())
        proposal.add("channels", 3, f"{measured.of}: {modes}")
