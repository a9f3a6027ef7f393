"""Convolutions and lessons as text, JSON and figures."""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnnlab.cli import tables
from cnnlab.errors import RequestError
from cnnlab.lessons import texts
from cnnlab.lessons.convolution import Array
from cnnlab.lessons.gradients import gradients
from cnnlab.lessons.lesson import Lesson, Step, shown
from cnnlab.lessons.lessons import LESSONS
from cnnlab.lessons.operation import Operation
from cnnlab.messages import did_you_mean
from cnnlab.terminal import note

MOST_SUMS = 1000  # printed
MOST_RANGES = 64  # channels
MOST_IN_JSON = 100_000  # numbers
MOST_LISTED = 16  # filters that are printed one by one
MOST_IN_FULL = 9  # numbers that are printed one by one where all are equal


@dataclass(frozen=True)
class Request:
    """What is computed and shown."""

    image: Array
    name: str
    """Of the input."""
    is_image: bool
    """Whether the input is in [0, 1] and drawn in its colours."""
    operation: Operation
    kernels: Sequence[str]
    """As they were given."""
    steps: bool
    """Whether every product is printed."""
    upstream: Array | None
    learning_rate: float | None


def print_result(request: Request, out: Path | None, *, as_json: bool) -> None:
    """Compute, print, and draw into `out`. Raises RequestError where shapes do not fit."""
    operation, image = request.operation, request.image
    results = operation.steps(image)
    if request.steps:
        count = results[0].values.size
        if count > MOST_SUMS:
            raise RequestError(f"--steps: {count:,} sums; expected at most {MOST_SUMS:,}, of a smaller input")
        results[0] = Step(results[0].title, results[0].values, operation.worked(image))
    if request.upstream is not None:
        results += _backward(request, request.upstream)
    if image.shape[2] > 1 and any(kernel.shape[2] == 1 for kernel in operation.kernels):
        note(f"a kernel of two axes is applied to each of the {image.shape[2]} channels by itself")
    titles = [f"kernel {text}" if len(text) < 40 and "[" not in text else "kernel" for text in request.kernels]
    kernels = [
        step for title, kernel in zip(titles, operation.kernels, strict=True) for step in _filters(title, kernel)
    ]
    bias = [] if operation.bias is None else [Step("bias", operation.bias)]
    everything = [Step(request.name, image), *kernels, *bias, *results]
    text = _json(everything) if as_json else "\n".join(_lines(everything))
    if out is not None:  # before the text, whose reader may be gone
        from cnnlab.cli.convolution_figure import draw_result

        print(f"figure: {draw_result(request, titles, results, out)}", file=sys.stderr)
    print(text)


def _filters(title: str, kernel: Array) -> list[Step]:
    """Each filter by itself, if they are not many."""
    count = kernel.shape[3]
    if count == 1 or count > MOST_LISTED:
        return [Step(title, shown(kernel))]
    return [Step(f"{title}, filter {index}", kernel[..., index]) for index in range(count)]


def print_lesson(name: str, out: Path | None, *, as_json: bool) -> None:
    """Print a lesson, or all names; draw it into `out`. Raises RequestError where there is none of that name."""
    if name == "list":
        rows = [{"lesson": key, "lecture": one.source, "what": one.about} for key, one in LESSONS.items()]
        print(tables.render(rows, list(rows[0]), tables.Format.JSON if as_json else tables.Format.TABLE))
        return
    if name not in LESSONS:
        raise RequestError(f"--lesson {name}: no such lesson; {did_you_mean(name, [*LESSONS, 'list'])}")
    lesson = LESSONS[name]
    steps = lesson.work()
    text = _json(steps, lesson=name, source=lesson.source) if as_json else "\n".join(_lesson_lines(lesson, steps))
    if out is not None:
        from cnnlab.cli.convolution_figure import draw_lesson

        print(f"figure: {draw_lesson(steps, out)}", file=sys.stderr)
    print(text)


def _backward(request: Request, upstream: Array) -> list[Step]:
    """The gradients, and the next kernel where a learning rate is given."""
    operation, image = request.operation, request.image
    kernels = operation.whole()
    if kernels.shape[2] != image.shape[2]:
        raise RequestError(
            f"--backward: the kernel has 1 input channel and the input {image.shape[2]}; expected equally many"
        )
    oriented = operation.oriented(kernels)
    found = gradients(image, oriented, upstream, operation.stride, operation.padding)
    of_kernels = operation.oriented(found.kernels)  # turned back
    places = oriented, upstream, operation.stride, operation.padding
    explained = request.steps or upstream.size * kernels.size <= MOST_SUMS
    terms = (
        [
            list(worked(image, *places, turned=operation.flip))
            for worked in (texts.weight_gradients, texts.image_gradients)
        ]
        if explained
        else [(), ()]
    )
    steps = [
        Step("dE/dw", shown(of_kernels), terms[0]),
        Step("dE/dx", found.image, terms[1]),
        Step("dE/db", found.bias),
    ]
    if request.learning_rate is not None:
        updated = kernels - request.learning_rate * of_kernels
        steps.append(Step(f"w_next = w - {request.learning_rate:g} dE/dw", shown(updated)))
    return steps


def _lines(steps: Sequence[Step]) -> Iterator[str]:
    """Each array with its shape, its numbers where they fit, or else its range."""
    for step in steps:
        low, high, mean = (texts.number(value) for value in _range(step.values))
        if step.values.size > MOST_IN_FULL and step.values.min() == step.values.max():
            yield f"{step.title}, {texts.shape(step.values)}: all {low}"
        elif texts.fits(step.values):
            yield f"{step.title}, {texts.shape(step.values)}:"
            yield from texts.lines(step.values, cut=step.cut)
        else:
            yield f"{step.title}, {texts.shape(step.values)}: {low} to {high}, mean {mean}"
            if step.values.ndim == 3 and 1 < step.values.shape[2] <= MOST_RANGES:
                yield from (f"  channel {index}: {text}" for index, text in enumerate(_ranges(step.values)))
        yield from (f"  {line}" for line in step.lines)


def _lesson_lines(lesson: Lesson, steps: Sequence[Step]) -> Iterator[str]:
    yield f"{lesson.source}: {lesson.about}"
    for step in steps:
        yield ""
        yield from _lines([step])
        if step.agrees is not None:
            yield f"  {'as' if step.agrees else 'NOT as'} the lecture prints ({_printed(step)})"


def _printed(step: Step) -> str:
    if step.printed is None:
        return "its shape"
    count = step.printed.size
    if count == step.values.size:
        return "every number, rounded" if step.rounded else "every number"
    return "the first number" if count == 1 else f"the first {count} numbers"


def _json(steps: Sequence[Step], **more: str) -> str:
    """All numbers, of arrays that have not too many; whether they are as printed, where that is known."""
    rows: list[dict[str, Any]] = []
    for step in steps:
        low, high, mean = _range(step.values)
        row: dict[str, Any] = {"name": step.title, "shape": list(step.values.shape), "min": low, "max": high}
        row |= {"mean": mean, "values": step.values.tolist() if step.values.size <= MOST_IN_JSON else None}
        if step.lines:
            row["steps"] = list(step.lines)
        if step.agrees is not None:
            row["agrees"] = step.agrees
        rows.append(row)
    return json.dumps({**more, "arrays": rows}, indent=2)


def _range(values: Array) -> tuple[float, float, float]:
    return float(values.min()), float(values.max()), float(values.mean())


def _ranges(values: Array) -> Iterator[str]:
    """Of each channel."""
    for channel in range(values.shape[2]):
        low, high, mean = (texts.number(value) for value in _range(values[:, :, channel]))
        yield f"{low} to {high}, mean {mean}"
