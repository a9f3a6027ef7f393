"""Blocks of layers, and the union of all layers and blocks."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from cnnlab.experiment.choice import by_kind
from cnnlab.experiment.layers import base
from cnnlab.experiment.layers.backbone import Backbone
from cnnlab.experiment.layers.base import LayerSpec
from cnnlab.experiment.layers.elementwise import Activation, BatchNorm, Dropout, Flatten, Rescale, ZeroPadding2D
from cnnlab.experiment.layers.pooling import AvgPool2D, ChannelMaxPool, GlobalAvgPool2D, GlobalMaxPool2D, MaxPool2D
from cnnlab.experiment.layers.weighted import Conv2D, Dense, DepthwiseConv2D, SeparableConv2D

MAX_LAYERS = 500  # with repeats: Keras recurses over layers, and Python's limit is 1,000
MAX_DEPTH = 20  # of blocks within blocks


class Residual(LayerSpec):
    """The output of its layers added to their input. He et al. 2015.

    Where the two shapes differ, the input passes through a projection: a 1×1 convolution without bias (for features, a
    dense layer), with strides to fit, and batch normalization if the layers include one.
    """

    kind: ClassVar[str] = "residual"
    shorthand: ClassVar[str | None] = "layers"
    usage: ClassVar[tuple[str, ...]] = (
        "residual: [{conv2d: {filters: 16, kernel_size: 3, padding: same}}]",
        "residual: {activation: relu, layers: [{conv2d: {filters: 16, kernel_size: 3, padding: same}}]}",
    )
    shortcut: Literal["projection", "pad"] = "projection"
    """Shortcut where shapes differ: `projection`, or `pad`, which takes every n-th pixel and adds channels of zeros,
    without parameters.
    """
    activation: base.Activation = "linear"
    """Activation function of the sum."""
    layers: Annotated[list["Layer"], Field(min_length=1, max_length=MAX_LAYERS)]
    """Layers of the branch, in order."""


class Parallel(LayerSpec):
    """Several branches with the same input, concatenated along the channels. Szegedy et al. 2014."""

    kind: ClassVar[str] = "parallel"
    shorthand: ClassVar[str | None] = "branches"
    usage: ClassVar[tuple[str, ...]] = ("parallel: [[{conv2d: {filters: 8, kernel_size: 1}}], [{dropout: 0.5}]]",)
    branches: Annotated[
        list[Annotated[list["Layer"], Field(max_length=MAX_LAYERS)]], Field(min_length=1, max_length=MAX_LAYERS)
    ]
    """List of lists of layers; an empty one passes the input through."""


class Repeat(LayerSpec):
    """The same layers several times in sequence, each time with their own weights."""

    kind: ClassVar[str] = "repeat"
    usage: ClassVar[tuple[str, ...]] = ("repeat: {times: 3, layers: [{dense: {units: 1200, activation: relu}}]}",)
    times: Annotated[int, Field(gt=0, le=MAX_LAYERS)]
    """Number of repetitions."""
    layers: Annotated[list["Layer"], Field(min_length=1, max_length=MAX_LAYERS)]
    """Layers to repeat."""


Layer = Annotated[
    Dense
    | Conv2D
    | DepthwiseConv2D
    | SeparableConv2D
    | MaxPool2D
    | AvgPool2D
    | GlobalAvgPool2D
    | GlobalMaxPool2D
    | ChannelMaxPool
    | Flatten
    | Dropout
    | BatchNorm
    | Activation
    | ZeroPadding2D
    | Rescale
    | Backbone
    | Residual
    | Parallel
    | Repeat,
    by_kind,
]
for _block in (Residual, Parallel, Repeat):
    _block.model_rebuild()


def count_layers(layers: Sequence[LayerSpec]) -> int:
    """The number of layers of the built network."""
    total = 0
    for layer in layers:
        match layer:
            case Residual():
                total += 4 + count_layers(layer.layers)  # shortcut, its normalization, sum, activation
            case Parallel():
                total += 1 + sum(count_layers(branch) for branch in layer.branches)
            case Repeat():
                total += layer.times * count_layers(layer.layers)
            case _:
                total += 1
    return total


def depth(layers: Sequence[LayerSpec]) -> int:
    """The depth of nested blocks."""
    deepest = 0
    for layer in layers:
        if isinstance(layer, Residual | Parallel | Repeat):
            parts = layer.branches if isinstance(layer, Parallel) else [layer.layers]
            deepest = max(deepest, 1 + max(map(depth, parts)))
    return deepest
