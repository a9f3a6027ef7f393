"""The worked examples of five lectures, each with the numbers that its lecture prints."""

from collections.abc import Mapping

import numpy as np

from cnnlab.lessons import texts, toy
from cnnlab.lessons.convolution import Array, correlate, flipped, pad, pool
from cnnlab.lessons.gradients import gradients
from cnnlab.lessons.kernels import sobel_x
from cnnlab.lessons.lesson import Lesson, Step, image, kernel, shown
from cnnlab.lessons.pools import Pool

INTEL, UCSB, KTH, IDEMIA, SLIDES = "Intel", "UCSB", "KTH", "Idemia", "TensorFlow slides"

INTEL_IMAGE = image([[3, 2, 1], [1, 2, 3], [1, 1, 1]])
INTEL_KERNEL = kernel([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
INTEL_LARGER = image([[1, 2, 0, 3, 1], [1, 0, 0, 2, 2], [2, 1, 2, 1, 1], [0, 0, 1, 0, 0], [1, 2, 1, 1, 1]])
INTEL_LARGER_KERNEL = kernel([[-1, 1, 2], [1, 1, 0], [-1, -2, 0]])
UCSB_IMAGE = image([[12, 20, 30, 0], [8, 12, 2, 0], [34, 70, 37, 4], [112, 100, 25, 12]])
IDEMIA_IMAGE = image([[1, 1, 2, 4], [5, 6, 7, 8], [3, 2, 1, 0], [1, 2, 3, 4]])  # in CS231n
CURVE = kernel(
    [
        [0, 0, 0, 0, 0, 30, 0],
        [0, 0, 0, 0, 30, 0, 0],
        *[[0, 0, 0, 30, 0, 0, 0]] * 4,
        [0, 0, 0, 0, 0, 0, 0],
    ]
)
CURVE_FIELD = image(
    [
        [0, 0, 0, 0, 0, 0, 30],
        [0, 0, 0, 0, 50, 50, 50],
        [0, 0, 0, 20, 50, 0, 0],
        *[[0, 0, 0, 50, 50, 0, 0]] * 4,
    ]
)
# Bright where the filter is 0. The lecture prints that another place gives 0, and not its pixels: these are ours.
OTHER_FIELD = image([[40, 40, 0, 0, 0, 0, 0]] * 7)
BACKWARD_IMAGE = image([[1, 2, 3], [4, 5, 6], [7, 8, 9]])  # the lecture has letters; numbers are ours
BACKWARD_KERNEL = kernel([[1, 0], [-1, 2]])
BACKWARD_UPSTREAM = image([[1, -1], [2, 0.5]])
LEARNING_RATE = 0.1


def _convolution(
    x: Array, kernels: Array, printed: list[list[float]], stride: int = 1, padding: str | int = "valid"
) -> list[Step]:
    """Input, with its zeros if it has some, kernel, and the worked output, which begins with what is printed."""
    steps = [Step("input", x), Step("kernel", shown(kernels))]
    if padding != "valid":
        steps.append(Step("input with its zeros", pad(x, kernels.shape[:2], stride, padding)))
    output = correlate(x, kernels, None, stride, padding)
    worked = list(texts.sums(x, kernels, None, stride, padding))
    return [*steps, Step("output", output, worked, printed=image(printed) if printed else None)]


def _pooling(x: Array, kind: Pool, printed: list[list[float]], *, rounded: bool = False) -> list[Step]:
    title = f"output of {kind} pooling 2×2, stride 2"
    return [Step("input", x), Step(title, pool(x, kind), printed=image(printed), rounded=rounded)]


def _paddings() -> list[Step]:
    """The padding that keeps the size of the input is half the kernel."""
    kernels = ((size, np.zeros((size, size, 1, 1))) for size in (3, 5, 7))
    return [
        Step("input", INTEL_LARGER),
        *(
            Step(
                f"output of a {size}×{size} kernel of zeros with padding {size // 2}",
                correlate(INTEL_LARGER, zeros, padding=size // 2),
                printed_shape=INTEL_LARGER.shape,
            )
            for size, zeros in kernels
        ),
    ]


def _kernels() -> list[Step]:
    """Kernels of one row and of one column, and of several output channels; their numbers are ours."""
    row, column = kernel([[-1, 0, 1]]), kernel([[-1], [0], [1]])
    both = kernel([[-1, 0, 1]] * 3, [[-1] * 3, [0] * 3, [1] * 3])
    return [
        Step("input", INTEL_LARGER),
        Step("kernel of one row (ours)", shown(row)),
        Step("its output", correlate(INTEL_LARGER, row)),
        Step("kernel of one column (ours)", shown(column)),
        Step("its output", correlate(INTEL_LARGER, column)),
        Step("two kernels (ours), one output channel each", shown(both)),
        Step("their output", correlate(INTEL_LARGER, both)),
    ]


def _padded() -> list[Step]:
    """A 3×3 kernel, whose numbers are ours, at stride 2 with zero padding 1; the input with 1 and 2 rings."""
    mean = kernel([[1, 1, 1]] * 3)
    output = correlate(UCSB_IMAGE, mean, stride=2, padding=1)
    return [
        Step("input", UCSB_IMAGE),
        Step("input with zero padding 1", pad(UCSB_IMAGE, (3, 3), 2, 1)),
        Step("input with zero padding 2", pad(UCSB_IMAGE, (3, 3), 2, 2)),
        Step("kernel (ours)", shown(mean)),
        Step("output at stride 2 with zero padding 1", output, list(texts.sums(UCSB_IMAGE, mean, None, 2, 1))),
    ]


def _products() -> list[Step]:
    """A neuron, a layer and a batch; the numbers are ours, the lecture has letters."""
    inputs, weights = np.array([[1, 2, 3], [0, 1, -1]], np.float64), np.array([[1, 0], [-1, 2], [0.5, 1]])
    neuron, layer = inputs[0] @ weights[:, :1], inputs[0] @ weights
    terms = zip(inputs[0], weights[:, 0], strict=True)
    worked = "+".join(f"({texts.number(value)}*{texts.number(weight)})" for value, weight in terms)
    return [
        Step("a batch of two inputs, one row each (ours)", image(inputs)),
        Step("weights, one column for each neuron (ours)", image(weights)),
        Step("one neuron on one input: a scalar product", neuron, [f"{worked} = {texts.number(neuron[0])}"]),
        Step("a layer on one input: a matrix-vector product", layer),
        Step("a layer on a batch: a matrix-matrix product", image(inputs @ weights)),
    ]


def _channels() -> list[Step]:
    """Two channels: that of the pooling example, and its rows from the bottom up."""
    x = np.concatenate([UCSB_IMAGE, UCSB_IMAGE[::-1]], axis=2)
    return [Step("input (channel 1 is ours)", x), Step("largest value across the channels", pool(x, Pool.CHANNELS))]


def _flip() -> list[Step]:
    kernels = sobel_x()[:, :, None, None]
    return [
        Step("input (ours)", INTEL_IMAGE),
        Step("kernel (ours)", shown(kernels)),
        Step("cross-correlation, which networks compute", correlate(INTEL_IMAGE, kernels)),
        Step("kernel turned by 180 degrees", shown(flipped(kernels))),
        Step("convolution of mathematics", correlate(INTEL_IMAGE, flipped(kernels))),
    ]


def _definition() -> list[Step]:
    """Two boxes, whose convolution is a triangle; the functions are ours, the lecture prints the definition."""
    width, count = 0.25, 4
    box = image([[1] * count])
    kernels = flipped(box[..., None])
    padded = pad(box, (1, count), 1, count - 1)[count - 1 : count]  # zeros beside it, none above and below
    discrete = correlate(padded, kernels)
    times: Array = width * np.arange(1, 2 * count, dtype=np.float64)
    return [
        Step(f"f: 1 from 0 to 1, else 0, in samples of width {width}", box.ravel()),
        Step("g: the same", box.ravel()),
        Step("discrete: h[n] = sum over k of f[k] * g[n - k]", discrete.ravel(), list(texts.sums(padded, kernels))),
        Step(f"times the width {width}: near the integral over s of f(s) * g(t - s)", width * discrete.ravel()),
        Step("t, the end of each sample", times),
        Step("continuous: the integral itself, t up to 1 and 2 - t after that", np.minimum(times, 2 - times)),
    ]


def _curve() -> list[Step]:
    return [
        Step("curve filter", shown(CURVE)),
        Step("receptive field on the curve", CURVE_FIELD),
        Step("sum of products", correlate(CURVE_FIELD, CURVE), printed=image([[6600]])),
        Step("another receptive field (ours)", OTHER_FIELD),
        Step("sum of products", correlate(OTHER_FIELD, CURVE), printed=image([[0]])),
    ]


def _shapes() -> list[Step]:
    """The values are ours: the lecture prints shapes."""
    x = (np.arange(147).reshape(7, 7, 3) * 5 % 11).astype(np.float64)
    kernels = (np.arange(54).reshape(3, 3, 3, 2) * 7 % 5 - 2).astype(np.float64)
    small = correlate(np.zeros((32, 32, 1)), np.zeros((5, 5, 1, 1)))
    return [
        Step("input (values ours)", x),
        Step("output of two 3×3 filters at stride 2", correlate(x, kernels, stride=2), printed_shape=(3, 3, 2)),
        Step("output of a 5×5 filter on 32×32 (both of zeros)", small, printed_shape=(28, 28, 1)),
    ]


def _backward() -> list[Step]:
    x, kernels, upstream = BACKWARD_IMAGE, BACKWARD_KERNEL, BACKWARD_UPSTREAM
    found = gradients(x, kernels, upstream)
    terms = list(texts.weight_gradients(x, kernels, upstream))
    return [
        Step("input x (values ours)", x),
        Step("kernel w", shown(kernels)),
        Step("output h", correlate(x, kernels), list(texts.sums(x, kernels)), printed_shape=(2, 2, 1)),
        Step("dE/dh, from the next layer", upstream),
        Step("dE/dw", shown(found.kernels), terms, printed_shape=(2, 2, 1)),
        Step("dE/dx", found.image, list(texts.image_gradients(x, kernels, upstream))),
        Step(f"w_next = w - {LEARNING_RATE:g} dE/dw", shown(kernels - LEARNING_RATE * found.kernels)),
    ]


LESSONS: Mapping[str, Lesson] = {
    "intel-3x3": Lesson(
        INTEL, "one 3×3 convolution, every product and the sum", lambda: _convolution(INTEL_IMAGE, INTEL_KERNEL, [[2]])
    ),
    "intel-5x5": Lesson(
        INTEL, "a 3×3 kernel over a 5×5 input", lambda: _convolution(INTEL_LARGER, INTEL_LARGER_KERNEL, [[-2]])
    ),
    "intel-stride": Lesson(
        INTEL, "the same at stride 2", lambda: _convolution(INTEL_LARGER, INTEL_LARGER_KERNEL, [[-2]], stride=2)
    ),
    "intel-same": Lesson(
        INTEL,
        "the same with one ring of zeros: the output is as large as the input",
        lambda: _convolution(INTEL_LARGER, INTEL_LARGER_KERNEL, [], padding="same"),
    ),
    "intel-padding": Lesson(INTEL, "padding 1, 2, 3 for kernels 3×3, 5×5, 7×7 keeps the size", _paddings),
    "intel-kernels": Lesson(INTEL, "kernels of one row and one column, several output channels", _kernels),
    "ucsb-max": Lesson(UCSB, "max pooling 2×2", lambda: _pooling(UCSB_IMAGE, Pool.MAX, [[20, 30], [112, 37]])),
    "ucsb-average": Lesson(
        UCSB,
        "average pooling 2×2 (the lecture rounds 19.5 to 20)",
        lambda: _pooling(UCSB_IMAGE, Pool.AVERAGE, [[13, 8], [79, 20]], rounded=True),
    ),
    "ucsb-channels": Lesson(UCSB, "max pooling across channels", _channels),
    "ucsb-padding": Lesson(UCSB, "zero padding 1 and 2; 3×3 at stride 2 with zero padding 1", _padded),
    "ucsb-flip": Lesson(UCSB, "convolution against cross-correlation", _flip),
    "kth-curve": Lesson(KTH, "a curve filter on a curve, and elsewhere", _curve),
    "kth-xo": Lesson(KTH, "the toy of X and O: filters, ReLU, pooling, stacking, vote", toy.work),
    "kth-shapes": Lesson(KTH, "[7, 7, 3] through two 3×3 filters at stride 2 is [3, 3, 2]", _shapes),
    "kth-backward": Lesson(KTH, "backpropagation through a convolution, each term", _backward),
    "tf-convolution": Lesson(SLIDES, "the definition of convolution, discrete and continuous", _definition),
    "tf-products": Lesson(SLIDES, "neuron, layer and batch as products of vectors and matrices", _products),
    "idemia-max": Lesson(
        IDEMIA, "max pooling 2×2, stride 2", lambda: _pooling(IDEMIA_IMAGE, Pool.MAX, [[6, 8], [3, 4]])
    ),
}
