"""`cnnlab convolve`."""

import math
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cnnlab.errors import RequestError


class Format(StrEnum):
    """How numbers are printed."""

    TABLE = "table"
    JSON = "json"


class PoolKind(StrEnum):
    """As `lessons.convolution.Pool`, which imports NumPy."""

    MAX = "max"
    AVERAGE = "average"
    GLOBAL_MAX = "global-max"
    GLOBAL_AVERAGE = "global-average"
    CHANNELS = "channels"


def convolve(
    lesson: Annotated[
        str | None,
        typer.Option(help="A worked example of a lecture, or list.", metavar="NAME", show_default=False),
    ] = None,
    input: Annotated[
        str | None,
        typer.Option(
            help="The input: [[1, 2], [3, 4]], with channels as the last axis, or a .json or .npy file.",
            metavar="ARRAY",
            show_default=False,
        ),
    ] = None,
    image: Annotated[
        Path | None,
        typer.Option(help="An image file as input, scaled to [0, 1].", metavar="FILE", show_default=False),
    ] = None,
    kernel: Annotated[
        list[str] | None,
        typer.Option(
            help="An array, a name such as sobel-x or gabor:f=0.5,tau=0.8, or a filter RUN:LAYER/INDEX; may be "
            "repeated, one output channel each.",
            metavar="KERNEL",
            show_default=False,
        ),
    ] = None,
    bias: Annotated[
        str | None,
        typer.Option(help="Added to the sums: a number, or one per output channel.", metavar="B", show_default=False),
    ] = None,
    stride: Annotated[int, typer.Option(help="Of the kernel.", min=1)] = 1,
    padding: Annotated[
        str | None,
        typer.Option(
            help="valid, same (as TensorFlow), or zeros on each side; by default same for images, valid for arrays.",
            metavar="valid|same|N",
            show_default=False,
        ),
    ] = None,
    flip: Annotated[
        bool, typer.Option("--flip", help="Turn kernels by 180 degrees: true convolution, not cross-correlation.")
    ] = False,
    relu: Annotated[bool, typer.Option("--relu", help="Set negative sums to 0.")] = False,
    pool: Annotated[
        PoolKind | None,
        typer.Option(help="Pool after that; channels: the maximum across them.", show_default=False),
    ] = None,
    pool_size: Annotated[
        int | None,
        typer.Option(help="Of the windows, 2 by default; of channels, all.", min=1, show_default=False),
    ] = None,
    pool_stride: Annotated[int | None, typer.Option(help="The size by default.", min=1, show_default=False)] = None,
    pool_padding: Annotated[str, typer.Option(help="Of pooling.", metavar="valid|same|N")] = "valid",
    flatten: Annotated[bool, typer.Option("--flatten", help="Make the result a list.")] = False,
    steps: Annotated[bool, typer.Option("--steps", help="Print every product and the sums.")] = False,
    backward: Annotated[
        str | None,
        typer.Option(
            help="dE/dh, of the shape of the sums: print dE/dw, dE/dx and dE/db.", metavar="ARRAY", show_default=False
        ),
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="With it, the next kernel too: w - rate dE/dw.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Draw input, kernels and results side by side: .png, .svg or .pdf.", metavar="FILE", show_default=False
        ),
    ] = None,
    format: Annotated[Format, typer.Option(help="table for people, json for scripts.")] = Format.TABLE,
) -> None:
    """Convolve an array or a photograph by hand: products and sums, pooling, gradients, kernels by name, lessons.

    An input of two axes has one channel. Kernels are (height, width), (height, width, input channels) or, as in Keras,
    (height, width, input channels, output channels); one of two axes is applied to each channel by itself. Without
    --input and --image, a photograph that scikit-learn ships is the input. Everything is computed in NumPy in float64.
    """
    if out is not None:
        from cnnlab.plots.figure import check_ending

        check_ending(out, "--out")
    if lesson is not None:
        if other := [name for name, value in {"--input": input, "--image": image, "--kernel": kernel}.items() if value]:
            raise RequestError(f"--lesson {lesson}: has its input and kernels; leave {other[0]} out")
        from cnnlab.cli.convolutions import print_lesson

        print_lesson(lesson, out, as_json=format is Format.JSON)
        return
    has_more = relu or pool is not None or flatten
    _check_request(input, image, bool(kernel), backward, learning_rate, steps=steps, has_more=has_more)
    from cnnlab.cli.convolutions import Request, print_result
    from cnnlab.lessons import inputs
    from cnnlab.lessons.convolution import Pool
    from cnnlab.lessons.operation import Operation

    kernels = [inputs.kernel(text) for text in kernel or []]
    values, name = inputs.given(input, image)
    operation = Operation(
        kernels,
        bias=None if bias is None else inputs.bias(bias, kernels, values.shape[2]),
        stride=stride,
        padding=inputs.padding(padding, "--padding", "valid" if input else "same"),
        flip=flip,
        relu=relu,
        pool=None if pool is None else Pool(pool.value),
        pool_size=pool_size,
        pool_stride=pool_stride,
        pool_padding=inputs.padding(pool_padding, "--pool-padding"),
        flatten=flatten,
    )
    upstream = None if backward is None else inputs.image_array(backward, "--backward")
    request = Request(values, name, input is None, operation, kernel or [], steps, upstream, learning_rate)
    print_result(request, out, as_json=format is Format.JSON)


def _check_request(
    input: str | None,
    image: Path | None,
    has_kernel: bool,
    backward: str | None,
    learning_rate: float | None,
    *,
    steps: bool,
    has_more: bool,
) -> None:
    """Raise RequestError where options do not go together."""
    if input is not None and image is not None:
        raise RequestError(f"--input and --image {image}: expected one of them")
    if not has_kernel and not has_more:
        raise RequestError("nothing to compute; expected a kernel, such as --kernel sobel-x, or --lesson list")
    if not has_kernel and (steps or backward is not None):
        raise RequestError(f"{'--steps' if steps else '--backward'}: is of a convolution; add a kernel")
    if backward is not None and has_more:
        raise RequestError("--backward: is with respect to the sums; leave ReLU, pooling and flattening out")
    if learning_rate is not None and backward is None:
        raise RequestError(f"--learning-rate {learning_rate:g}: is of the backward pass, which needs dE/dh")
    if learning_rate is not None and not math.isfinite(learning_rate):
        raise RequestError(f"--learning-rate {learning_rate}: expected a finite number")
