"""Kernels as they are given on the command line: names, arrays, and filters of runs.

They are (height, width, input channels, output channels) float64. Every function raises RequestError or RunError where
what was given is none.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cnnlab.errors import RequestError, RunError
from cnnlab.lessons.arrays import ENDINGS, array
from cnnlab.lessons.convolution import Array
from cnnlab.lessons.kernels import KERNELS, named
from cnnlab.messages import closest, did_you_mean, pluralize, shorten
from cnnlab.runs import files
from cnnlab.runs.experiment import check_finished
from cnnlab.runs.find import find_one
from cnnlab.runs.record import RECORD


def kernel(text: str) -> Array:
    """Of a name, of numbers, or RUN:LAYER/INDEX. A 2-D kernel is (height, width, 1, 1)."""
    name, colon, _ = text.partition(":")
    if name in KERNELS:
        return named(text)[:, :, None, None]
    if text.endswith(ENDINGS) or text.lstrip().startswith("["):
        values = array(text, "--kernel")
        if values.ndim not in (2, 3, 4):
            raise RequestError(
                f"--kernel: the shape is {list(values.shape)}; expected [height, width], [height, width, input "
                "channels] or [height, width, input channels, output channels]"
            )
        return values.reshape(*values.shape, *(1,) * (4 - values.ndim))
    is_misspelt = closest(name, list(KERNELS)) is not None
    if colon and (not is_misspelt or Path(text.rpartition(":")[0]).exists()):
        return _of_run(text)
    if (Path(text) / RECORD).is_file():
        raise RequestError(f"--kernel {text}: is a run; add the name of a layer and a filter, such as :conv2d_0/0")
    if is_misspelt:
        raise RequestError(f"--kernel {text}: no kernel of that name; {did_you_mean(name, KERNELS)}")
    raise RequestError(
        f"--kernel {text}: no kernel of that name; expected an array such as [[0, 1], [1, 0]], a .json or .npy file, a "
        f"filter RUN:LAYER/INDEX, or one of {', '.join(KERNELS)}"
    )


def check_channels(kernels: Sequence[Array], texts: Sequence[str], channels: int) -> None:
    """Raise RequestError where a kernel, given as `texts` say, does not fit an input of so many channels."""
    for one, text in zip(kernels, texts, strict=True):
        if (wanted := one.shape[2]) not in (1, channels):
            raise RequestError(
                f"--kernel {shorten(text)}: has {pluralize(wanted, 'input channel')}, and the input has {channels}; "
                f"expected an input with {wanted}, a kernel with {channels}, or one of two axes"
            )


def _of_run(text: str) -> Array:
    """Of the weights of a run: one filter, or without index all filters of a layer; without its bias."""
    folder, _, place = text.rpartition(":")
    layer, _, index = place.partition("/")
    run = find_one(Path(folder))
    check_finished(run.record())
    kernels = {
        name.removesuffix("/kernel"): values
        for name, values in _weights(run.weights).items()
        if name.endswith("/kernel") and values.ndim == 4
    }
    if layer not in kernels:
        has = did_you_mean(layer, kernels) if kernels else "it has none at all"
        raise RequestError(f"--kernel {text}: {folder} has no convolution '{layer}'; {has}")
    values: Array = kernels[layer].astype(np.float64)
    if layer.startswith("depthwise"):  # Keras: (height, width, input channels, multiplier); each sees one channel
        values = values.reshape(*values.shape[:2], 1, -1)
    if not index:
        return values
    count = values.shape[3]
    if not index.isdecimal() or int(index) >= count:
        raise RequestError(f"--kernel {text}: filter '{index}'; {layer} has {count:,}, expected 0 to {count - 1}")
    return values[..., int(index)][..., None]


def _weights(path: Path) -> dict[str, Any]:
    import safetensors
    import safetensors.numpy

    try:
        return dict(safetensors.numpy.load(files.read(path)))
    except (OSError, safetensors.SafetensorError, ValueError, AttributeError, KeyError) as error:
        raise RunError(f"{path}: damaged: {error}") from None
