"""`cnnlab convolve`."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cnnlab.errors import RequestError
from cnnlab.lessons.pools import Pool

LARGEST_RATE = 1e100  # times a gradient it is a finite number


class Format(StrEnum):
    """How numbers are printed."""

    TABLE = "table"
    JSON = "json"


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
        Pool | None,
        typer.Option(help="Pool after that; channels: the maximum across them.", show_default=False),
    ] = None,
    pool_size: Annotated[
        int | None,
        typer.Option(help="Of the windows, 2 by default; of channels, all.", min=1, show_default=False),
    ] = None,
    pool_stride: Annotated[int | None, typer.Option(help="The size by default.", min=1, show_default=False)] = None,
    pool_padding: Annotated[
        str | None, typer.Option(help="Of pooling; valid by default.", metavar="valid|same|N", show_default=False)
    ] = None,
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
        _check_out(out, image)
    of_input = {"--input": input, "--image": image}
    of_kernel = {
        "--bias": bias,
        "--stride": stride > 1,
        "--padding": padding,
        "--flip": flip,
        "--steps": steps,
        "--backward": backward,
        "--learning-rate": learning_rate,
    }
    of_pool = {"--pool-size": pool_size, "--pool-stride": pool_stride, "--pool-padding": pool_padding}
    after = {"--relu": relu, "--pool": pool, "--flatten": flatten}
    if lesson is not None:
        other = {**of_input, "--kernel": kernel, **of_kernel, **after, **of_pool}
        if lesson == "list":
            _refuse({**other, "--out": out}, "leave it out where lessons are listed")
        _refuse(other, f"leave it out with --lesson {lesson}, which has its input and kernels")
        from cnnlab.cli.convolutions import print_lesson

        print_lesson(lesson, out, as_json=format is Format.JSON)
        return
    if not kernel:
        _refuse(of_kernel, "is of a convolution; add a kernel")
    if pool is None:
        _refuse(of_pool, "is of pooling; add a kind of it")
    elif pool in (Pool.GLOBAL_MAX, Pool.GLOBAL_AVERAGE):
        _refuse(of_pool, f"leave it out: {pool} pooling is of all values of a channel")
    elif pool is Pool.CHANNELS:
        _refuse({**of_pool, "--pool-size": None}, "leave it out: channels pooling has no windows")
    if not kernel and not _given(after):
        raise RequestError("nothing to compute; expected a kernel, such as --kernel sobel-x, or --lesson list")
    if input is not None and image is not None:
        raise RequestError(f"--input and --image {image}: expected one of them")
    if backward is not None:
        _refuse(after, "leave it out: the gradient is with respect to the sums")
    _check_learning_rate(learning_rate, has_gradient=backward is not None)
    from cnnlab.cli.convolutions import Request, print_result
    from cnnlab.lessons import inputs, kernel_inputs
    from cnnlab.lessons.operation import Operation

    kernels = [kernel_inputs.kernel(text) for text in kernel or []]
    values, name = inputs.given(input, image)
    kernel_inputs.check_channels(kernels, kernel or [], values.shape[2])
    operation = Operation(
        kernels,
        bias=None if bias is None else inputs.bias(bias, kernels, values.shape[2]),
        stride=stride,
        padding=inputs.padding(padding, "--padding", "valid" if input else "same"),
        flip=flip,
        relu=relu,
        pool=pool,
        pool_size=pool_size,
        pool_stride=pool_stride,
        pool_padding=inputs.padding(pool_padding, "--pool-padding"),
        flatten=flatten,
    )
    upstream = None if backward is None else inputs.image_array(backward, "--backward")
    request = Request(values, name, input is None, operation, kernel or [], steps, upstream, learning_rate)
    print_result(request, out, as_json=format is Format.JSON)


def _given(options: Mapping[str, object]) -> list[str]:
    """Those that are not left out; an empty text is given, and 0 is."""
    return [name for name, value in options.items() if value is not None and value is not False]


def _refuse(options: Mapping[str, object], reason: str) -> None:
    """Raise RequestError where one of them is given."""
    for name in _given(options):
        raise RequestError(f"{name}: {reason}")


def _check_out(out: Path, image: Path | None) -> None:
    """Refuse a file of another kind, and one that would be lost."""
    from cnnlab.plots.figure import check_target

    if image is not None and out.exists() and image.exists() and out.samefile(image):
        raise RequestError(f"--out {out}: is the input image; name another file")
    check_target(out, "--out")


def _check_learning_rate(rate: float | None, *, has_gradient: bool) -> None:
    if rate is not None and not has_gradient:
        raise RequestError(f"--learning-rate {rate:g}: is of the backward pass; add dE/dh, such as --backward '[[1]]'")
    if rate is not None and not abs(rate) <= LARGEST_RATE:
        raise RequestError(f"--learning-rate {rate:g}: expected a finite number, up to {LARGEST_RATE:g}")
