"""Arrays and worked sums as text, as the lectures write them."""

import textwrap
from collections.abc import Iterator

import numpy as np

from cnnlab.lessons.convolution import Array, Padding, amounts, products

MOST_ROWS, LONGEST_LINE = 32, 110  # of an array whose numbers are printed


def number(value: float) -> str:
    """Whole numbers as they are, others with at most six digits; without -0."""
    return f"{value:.0f}" if value == round(value) and 0 < abs(value) < 1e15 else f"{value + 0.0:.6g}"


def shape(values: Array) -> str:
    """`3×3` or `3×3×2`; one channel is not said."""
    sizes = values.shape[:2] if values.ndim == 3 and values.shape[2] == 1 else values.shape
    return "×".join(map(str, sizes))


def fits(values: Array) -> bool:
    """Whether its numbers can be printed."""
    if values.ndim == 1:
        return values.size <= LONGEST_LINE
    if values.size > LONGEST_LINE * MOST_ROWS or values.shape[0] > MOST_ROWS:
        return False
    return max(map(len, lines(values))) <= LONGEST_LINE


def lines(values: Array, *, cut: bool = False) -> Iterator[str]:
    """The rows of an image (height, width, channels), one channel after the other; `cut` to two digits."""
    text = cut_number if cut else number
    if values.ndim == 1:
        listed = ", ".join(map(text, values.tolist()))
        yield from textwrap.wrap(listed, LONGEST_LINE, initial_indent="  ", subsequent_indent="  ")
        return
    cells = np.vectorize(text, otypes=[str])(values)
    width = max(map(len, cells.flat))
    for channel in range(values.shape[2]):
        if values.shape[2] > 1:
            yield f"  channel {channel}"
        for row in cells[:, :, channel]:
            yield "  " + "  ".join(cell.rjust(width) for cell in row)


def cut(values: Array) -> Array:
    """Cut to two digits after the point, not rounded, as the KTH lecture prints: 7/9 is 0.77."""
    return np.trunc(values * 100 + np.copysign(1e-9, values)) / 100


def cut_number(value: float) -> str:
    """`0.77` for 7/9."""
    return f"{float(cut(np.asarray(value, np.float64))) + 0.0:.2f}"


def sums(
    image: Array,
    kernels: Array,
    bias: Array | None = None,
    stride: int = 1,
    padding: Padding = "valid",
    first_channel: int = 0,
) -> Iterator[str]:
    """For each output `[row, column]`: every product of input and kernel, row by row, and the sum (Intel lecture)."""
    terms = products(image, kernels, stride, padding)
    inputs = products(image, np.ones_like(kernels), stride, padding)
    for channel in range(kernels.shape[3]):
        weights = kernels[..., channel]
        for row, column in np.ndindex(*terms.shape[:2]):
            pairs = zip(inputs[row, column, ..., channel].flat, weights.flat, strict=True)
            text = "+".join(f"({number(pixel)}*{number(weight)})" for pixel, weight in pairs)
            total = terms[row, column, ..., channel].sum()
            if bias is not None:
                text, total = f"{text} + bias {number(bias[channel])}", total + bias[channel]
            several = first_channel + channel > 0 or kernels.shape[3] > 1
            name = f"{row}, {column}" + (f", channel {first_channel + channel}" if several else "")
            yield f"[{name}] {text} = {number(total)}"


def weight_gradients(
    image: Array,
    kernels: Array,
    upstream: Array,
    stride: int = 1,
    padding: Padding = "valid",
    *,
    turned: bool = False,
) -> Iterator[str]:
    """dE/dw for every weight: the sum over all outputs of dE/dh * dh/dw, where dh/dw is an input (KTH lecture).

    `kernels` are as they are multiplied; if they are those of the user `turned` by 180 degrees, names are the user's.
    """
    inputs = products(image, np.ones_like(kernels), stride, padding)
    before = _before(image, kernels, stride, padding)
    for named_place in np.ndindex(*kernels.shape):
        place = (*_turned(named_place[:2], kernels, turned), *named_place[2:])
        named, worked, total = [], [], 0.0
        for row, column in np.ndindex(*upstream.shape[:2]):
            error, pixel = float(upstream[row, column, place[3]]), float(inputs[(row, column, *place)])
            x = (row * stride + place[0] - before[0], column * stride + place[1] - before[1])
            named.append(f"dE/d{_name('h', (row, column), place[3], upstream.shape[2])}*{_pixel(x, place[2], image)}")
            worked.append(f"({number(error)}*{number(pixel)})")
            total += error * pixel
        channels = (place[2] * kernels.shape[3] + place[3], kernels.shape[2] * kernels.shape[3])
        name = _name("w", (named_place[0], named_place[1]), *channels)
        yield f"dE/d{name} = {' + '.join(named)} = {'+'.join(worked)} = {number(total)}"


def image_gradients(
    image: Array,
    kernels: Array,
    upstream: Array,
    stride: int = 1,
    padding: Padding = "valid",
    *,
    turned: bool = False,
) -> Iterator[str]:
    """dE/dx for every value of the input: the sum of dE/dh * dh/dx, where dh/dx is a weight; `turned` as above."""
    before = _before(image, kernels, stride, padding)
    height, width, _, outputs = kernels.shape
    for row, column, channel in np.ndindex(*image.shape):
        named, worked, total = [], [], 0.0
        for i, j, k in np.ndindex(*upstream.shape):
            a, b = row + before[0] - i * stride, column + before[1] - j * stride
            if not (0 <= a < height and 0 <= b < width):
                continue
            error, weight = float(upstream[i, j, k]), float(kernels[a, b, channel, k])
            place = _turned((a, b), kernels, turned)
            name = _name("w", place, channel * outputs + k, kernels.shape[2] * outputs)
            named.append(f"dE/d{_name('h', (i, j), k, outputs)}*{name}")
            worked.append(f"({number(error)}*{number(weight)})")
            total += error * weight
        left = f"dE/d{_pixel((row, column), channel, image)}"
        yield f"{left} = {' + '.join(named)} = {'+'.join(worked)} = {number(total)}" if named else f"{left} = 0"


def _turned(place: tuple[int, ...], kernels: Array, turned: bool) -> tuple[int, int]:
    """Where a weight is in a kernel before it is turned by 180 degrees, or after."""
    row, column = place
    return (kernels.shape[0] - 1 - row, kernels.shape[1] - 1 - column) if turned else (row, column)


def _before(image: Array, kernels: Array, stride: int, padding: Padding) -> tuple[int, int]:
    """Zeros above and left of the image."""
    first, second = (amounts(image.shape[axis], kernels.shape[axis], stride, padding)[0] for axis in (0, 1))
    return first, second


def _pixel(place: tuple[int, int], channel: int, image: Array) -> str:
    """`x12`, or 0 in the padding."""
    inside = 0 <= place[0] < image.shape[0] and 0 <= place[1] < image.shape[1]
    return _name("x", place, channel, image.shape[2]) if inside else "0"


def _name(letter: str, place: tuple[int, int], channel: int, channels: int) -> str:
    """`w12`: rows and columns from 1, as the lecture has them; `w12[3]` is of a channel from 0, of several."""
    row, column = place[0] + 1, place[1] + 1
    separator = "" if max(row, column) < 10 else ","
    return f"{letter}{row}{separator}{column}" + (f"[{channel}]" if channels > 1 else "")
