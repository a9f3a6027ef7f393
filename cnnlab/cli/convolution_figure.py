"""The figures of convolutions and lessons: what is drawn of them, and in which order."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cnnlab.lessons import texts
from cnnlab.lessons.figures import Panel, draw, in_rows, panels
from cnnlab.lessons.lesson import Step
from cnnlab.messages import pluralize
from cnnlab.terminal import note

if TYPE_CHECKING:
    from cnnlab.cli.convolutions import Request

MOST_ROWS, MOST_CHANNELS = 16, 3
MOST_BARS = 10_000  # values of a list


def draw_lesson(steps: Sequence[Step], path: Path) -> Path:
    """Every array of a lesson in its order."""
    return draw(in_rows([panels(step.title, step.values, MOST_CHANNELS, cut=step.cut) for step in steps]), path)


def draw_result(request: "Request", titles: Sequence[str], results: Sequence[Step], path: Path) -> Path:
    """One row per filter: input, kernel, and every result of it; below them the gradients and the flattened result."""
    image = request.image
    is_below = [step.values.ndim == 1 or step.title.startswith(("dE/", "w_next")) for step in results]
    images = [step for step, below in zip(results, is_below, strict=True) if not below]
    listed = [step for step, below in zip(results, is_below, strict=True) if below]
    for step in [step for step in listed if step.values.ndim == 1 and step.values.size > MOST_BARS]:
        note(f"{path}: without '{step.title}', of {step.values.size:,} numbers; at most {MOST_BARS:,} are drawn")
        listed.remove(step)
    inputs = panels(request.name, image, MOST_CHANNELS, as_image=request.is_image)
    if titles:
        rows = list(_rows(request, titles, images, inputs))
    else:
        rest = [panels(step.title, step.values, MOST_CHANNELS, as_image=request.is_image) for step in images]
        rows = in_rows([inputs, *rest])
    if len(rows) > MOST_ROWS:
        note(f"{path}: has the first {MOST_ROWS} of {pluralize(len(rows), 'filter')}")
    drawn = [step.values for step in (*listed, *([] if titles else images)) if step.values.ndim == 3]
    channels = max(array.shape[2] for array in (image, *request.operation.kernels, *drawn))
    if channels > MOST_CHANNELS:
        note(f"{path}: has the first {MOST_CHANNELS} of up to {channels} channels of an array")
    below = in_rows([panels(step.title, step.values, MOST_CHANNELS) for step in listed])
    return draw([*rows[:MOST_ROWS], *below], path)


def _rows(
    request: "Request", titles: Sequence[str], images: Sequence[Step], inputs: Sequence[Panel]
) -> Iterator[list[Panel]]:
    """One for each filter."""
    operation, first = request.operation, 0
    for kernel, name in zip(operation.kernels, titles, strict=True):
        outputs = request.image.shape[2] if kernel.shape[2] == 1 else 1  # of each filter
        for index in range(kernel.shape[3]):
            keeps = bool(np.isclose(kernel[..., index].sum(), 1))
            title = name if kernel.shape[3] == 1 else f"{name}, filter {index}"
            row = [*inputs, *panels(title, kernel[..., index], MOST_CHANNELS)]
            channels = slice(first, first + outputs)
            for step in images:
                if (part := step.values[:, :, channels]).shape[2]:  # none, after pooling across channels
                    title = step.title
                    if title == "output" and operation.bias is not None:
                        shown = dict.fromkeys(map(texts.number, operation.bias[channels]))
                        title = f"output with bias {', '.join(shown)}"
                    row += panels(title, part, MOST_CHANNELS, as_image=request.is_image, keeps_brightness=keeps)
            yield row
            first += outputs
