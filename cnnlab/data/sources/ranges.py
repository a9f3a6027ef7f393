"""The range of values of image arrays, and their conversion to bytes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnlab.data.dataset import Remark
from cnnlab.data.stored import chunks
from cnnlab.errors import DataError

BYTE = 255
"""White."""
ROUNDING = 1e-3
"""Of the range: what a float may lie outside it by. Less than a third of the step from one byte to the next."""
OVERSHOOT = 0.05  # of a range that the experiment states: what may lie outside, and is clipped; resampling does that
BRIGHT = 128  # at least, the largest of floats from 0 to 255: of a whole data set it is never less
DARK = 32  # at most, the largest of bytes that were probably meant to be of another range


class AmbiguousRange(Exception):
    """Parts that have no range in common; the message says why and what to do."""


Range = tuple[float, float]
Part = tuple[str, NDArray[Any]]
"""An array of images and where it comes from."""


@dataclass(frozen=True)
class Bytes:
    """Images (n, height, width[, channels]) uint8, one array per part, and how the values of all became bytes."""

    images: list[NDArray[np.uint8]]
    range: Range
    notes: tuple[str, ...] = ()
    remarks: tuple[Remark, ...] = ()


def to_bytes(parts: Sequence[Part], given: Range | None) -> Bytes:
    """The images of all parts with the range that is `given`, else with the one that all of them show.

    Raises DataError where values lie outside it, or where several ranges are possible.
    """
    spans = {where: span for where, array in parts if (span := _span(where, array))}
    if not spans:  # no images at all, which is reported elsewhere
        return Bytes([array.astype(np.uint8) for _, array in parts], given or (0.0, float(BYTE)))
    floats = any(np.issubdtype(array.dtype, np.floating) for _, array in parts)
    notes: list[str] = []
    remarks: list[Remark] = []
    if given is None:
        found = {where: _shown(where, array, spans) for where, array in parts if where in spans}
        if len(set(found.values())) > 1:
            found_ranges = ", ".join(f"{where} [{low:g}, {high:g}]" for where, (low, high) in spans.items())
            raise AmbiguousRange(f"its parts have different ranges: {found_ranges}; convert them to one")
        chosen = next(iter(found.values()))
        low, high = min(low for low, _ in spans.values()), max(high for _, high in spans.values())
        if floats:
            notes.append(f"values from {low:g} to {high:g} are read as [{chosen[0]:g}, {chosen[1]:g}]")
        elif high <= DARK and chosen[1] == BYTE:
            text = f"the largest value is {high:g}: nearly black, since it is read as [0, 255]; {_advice(spans)}"
            remarks.append(Remark("range", 1, text))
    else:
        chosen = given
        clipped = [text for where, (low, high) in spans.items() if (text := _outside(where, low, high, given))]
        flat = [text for where, (low, high) in spans.items() if (text := _flat(where, low, high, given))]
        remarks += [Remark("range", 1, text) for text in (*clipped, *flat)]
    return Bytes([_scaled(array, chosen) for _, array in parts], chosen, tuple(notes), tuple(remarks))


def darkness(where: str, images: NDArray[np.uint8]) -> Remark | None:
    """A warning for bytes that are nearly all black."""
    high = int(images.max(initial=0))
    return Remark("range", 1, f"{where}: the largest value is {high}: nearly black") if high <= DARK else None


def _span(where: str, images: NDArray[Any]) -> Range | None:
    """The smallest and the largest value; None without images."""
    if images.ndim not in (3, 4):
        raise DataError(f"{where}: {images.ndim} dimensions; expected images, 3 or 4")
    kind = images.dtype
    if not (np.issubdtype(kind, np.number) or kind.kind == "b") or np.issubdtype(kind, np.complexfloating):
        raise DataError(f"{where}: {kind}; expected uint8, or floats in [0, 1]")
    if not images.size:
        return None
    if np.issubdtype(kind, np.floating) and not np.isfinite(images).all():
        count = int(images.size - np.isfinite(images).sum())
        raise DataError(f"{where}: {count:,} values are NaN or infinite; expected numbers in [0, 1] or [0, 255]")
    return float(images.min()), float(images.max())


def _shown(where: str, images: NDArray[Any], spans: dict[str, Range]) -> Range:
    """The range that values must have. Raises DataError where several are possible."""
    low, high = spans[where]
    if images.dtype.kind == "b":
        return 0.0, 1.0
    if low == high == 0:
        return 0.0, float(BYTE)  # as any other
    is_float = np.issubdtype(images.dtype, np.floating)
    if is_float and low >= -ROUNDING and high <= 1 + ROUNDING:
        return 0.0, 1.0
    if is_float and -1 - ROUNDING <= low <= -0.5 and high <= 1 + ROUNDING:
        return -1.0, 1.0
    edge = ROUNDING * BYTE if is_float else 0
    if low >= -edge and (BRIGHT if is_float else 1) < high <= BYTE + edge:
        return 0.0, float(BYTE)
    if not is_float and low >= 0 and high <= 1 and any(1 < other <= BYTE for _, other in spans.values()):
        return 0.0, float(BYTE)  # as the other parts
    raise DataError(f"{where}: {images.dtype} values from {low:g} to {high:g}, of an unknown range; {_advice(spans)}")


def _advice(spans: dict[str, Range]) -> str:
    """The option to set, with the most likely range."""
    low, high = min(low for low, _ in spans.values()), max(high for _, high in spans.values())
    black, white = low, high
    if low >= 0:
        black = 0.0
        likely = (1.0, 16.0, 255.0, 1023.0, 4095.0, 65535.0)
        white = next((limit for limit in likely if high <= limit * (1 + OVERSHOOT)), high)
    elif -1 <= low <= -0.5 and high <= 1:
        black, white = -1.0, 1.0
    return f"set the values of black and white, such as --set 'data.range=[{black:g}, {white:g}]'"


def _outside(where: str, low: float, high: float, given: Range) -> str:
    """What lies outside the range that the experiment states. Raises DataError where that is far outside."""
    span = given[1] - given[0]
    beyond = max(given[0] - low, high - given[1])
    if beyond > OVERSHOOT * span:
        raise DataError(
            f"{where}: values from {low:g} to {high:g}, but data.range is [{given[0]:g}, {given[1]:g}]; correct it"
        )
    return f"{where}: values from {low:g} to {high:g} are clipped to data.range" if beyond > ROUNDING * span else ""


def _flat(where: str, low: float, high: float, given: Range) -> str:
    """That values fill little of the range that the experiment states; empty where they fill more, or are all equal."""
    share = (high - low) / (given[1] - given[0])
    if not 0 < share <= DARK / BYTE:
        return ""
    return f"{where}: values from {low:g} to {high:g} fill {100 * share:.2g} % of data.range: nearly without contrast"


def _scaled(images: NDArray[Any], chosen: Range) -> NDArray[np.uint8]:
    """As bytes, in parts: floats may take eight times the memory."""
    if chosen == (0, BYTE) and np.issubdtype(images.dtype, np.integer):
        return images.astype(np.uint8, copy=False)
    low, high = chosen
    scaled = np.empty(images.shape, np.uint8)
    for part in chunks(len(images), 8 * int(np.prod(images.shape[1:]))):
        values = (images[part].astype(np.float64) - low) * (BYTE / (high - low))
        scaled[part] = np.rint(values.clip(0, BYTE))
    return scaled
