"""The rules for the initializers `whitening` and `dirac`."""

from collections.abc import Iterator

from cnnlab.config.lint_rule import LintContext, Violation
from cnnlab.experiment.initializers import Dirac, Whitening
from cnnlab.experiment.layers.base import Weighted, as_image
from cnnlab.experiment.layers.weighted import Conv2D, Dense

FIRST = ("model", "layers", 0, "conv2d")


def whitening(context: LintContext) -> Iterator[Violation]:
    """Whitening is for a conv2d that is the first layer, with at most two filters per value of its window."""
    for line in context.lines:
        spec, path = line.spec, line.place.path
        if not isinstance(spec, Weighted) or not isinstance(spec.kernel_initializer, Whitening):
            continue
        if not isinstance(spec, Conv2D) or path != FIRST:
            yield (*path, "kernel_initializer"), "whitening: expected at a conv2d that is the first layer"
            continue
        (height, width), channels = spec.kernel_size, as_image(line.input_shape)[2]
        most = 2 * height * width * channels
        if spec.filters > most:
            yield (
                (*path, "filters"),
                f"{spec.filters}, and windows of {height}×{width}×{channels} have {most // 2} components to whiten; "
                f"expected at most twice as many filters, {most}",
            )


def dirac(context: LintContext) -> Iterator[Violation]:
    """Dirac is for kernels that have one weight per input and output channel."""
    for line in context.lines:
        spec = line.spec
        is_dirac = isinstance(spec, Weighted) and isinstance(spec.kernel_initializer, Dirac)
        if is_dirac and not isinstance(spec, Conv2D | Dense):
            yield (*line.place.path, "kernel_initializer"), "dirac: expected at a conv2d or a dense"
