"""The architectures of `backbone` as layers, from which shapes, weights and costs follow without TensorFlow.

As `keras.applications` builds them with `include_top=False`: names, biases and paddings are those of Keras.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from cnnlab.experiment.layers.base import Cost, Leaf, Shape, values_in
from cnnlab.experiment.layers.elementwise import BatchNorm
from cnnlab.experiment.layers.pooling import GlobalAvgPool2D, MaxPool2D
from cnnlab.experiment.layers.weighted import Conv2D, DepthwiseConv2D

# Sandler et al. 2018, table 2: expansion, filters, repeats, stride of the first.
MOBILENET_V2 = (
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
)  # fmt: skip
# He et al. 2015, table 1: filters of the bottleneck, blocks, stride of the first.
RESNET50 = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))
# Tan and Le 2021; B0 as in keras.applications: expansion, filters, repeats, stride, squeeze and excitation, fused.
EFFICIENTNET_V2_B0 = (
    (1, 16, 1, 1, 0.0, True), (4, 32, 2, 2, 0.0, True), (4, 48, 2, 2, 0.0, True),
    (4, 96, 3, 2, 0.25, False), (6, 112, 5, 1, 0.25, False), (6, 192, 8, 2, 0.25, False),
)  # fmt: skip


@dataclass(frozen=True)
class Part:
    """A layer inside a backbone, named as in Keras; for one that has no weights and only costs, `spec` is None."""

    name: str
    spec: Leaf | None
    input_shape: Shape
    extra: Cost = field(default_factory=Cost)

    @property
    def output_shape(self) -> Shape:
        """Of its layer, or its input."""
        return self.spec.output_shape(self.input_shape) if self.spec else self.input_shape

    @property
    def cost(self) -> Cost:
        """For one example."""
        return self.spec.cost(self.input_shape) if self.spec else self.extra


class _Builder:
    """Adds layers one after another, and remembers the shape."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.parts: list[Part] = []

    def add(self, name: str, spec: Leaf, shape: Shape | None = None) -> Shape:
        part = Part(name, spec, self.shape if shape is None else shape)
        self.parts.append(part)
        if shape is None:
            self.shape = part.output_shape
        return part.output_shape

    def conv(self, name: str, norm: str, filters: int, size: int = 1, stride: int = 1, *, bias: bool = False) -> None:
        """A convolution with padding `same`, which for odd kernels has as many outputs as Keras's explicit padding."""
        spec = Conv2D(
            filters=filters, kernel_size=(size, size), strides=(stride, stride), padding="same", use_bias=bias
        )
        self.add(name, spec)
        self.add(norm, BatchNorm())

    def depthwise(self, name: str, norm: str, stride: int) -> None:
        self.add(name, DepthwiseConv2D(kernel_size=(3, 3), strides=(stride, stride), padding="same", use_bias=False))
        self.add(norm, BatchNorm())

    def elementwise(self, name: str, *, multiplications: int = 0, additions: int = 0) -> None:
        extra = Cost(multiplications=multiplications, additions=additions)
        self.parts.append(Part(name, None, self.shape, extra))


def mobilenet_v2(shape: Shape) -> list[Part]:
    """Inverted residuals."""
    net = _Builder(shape)
    net.conv("Conv1", "bn_Conv1", 32, 3, 2)
    for block, (expansion, filters, stride) in enumerate(
        (expansion, filters, stride if repeat == 0 else 1)
        for expansion, filters, repeats, stride in MOBILENET_V2
        for repeat in range(repeats)
    ):
        prefix, before = f"block_{block}_" if block else "expanded_conv_", net.shape
        if block:
            net.conv(f"{prefix}expand", f"{prefix}expand_BN", expansion * before[-1])
        net.depthwise(f"{prefix}depthwise", f"{prefix}depthwise_BN", stride)
        net.conv(f"{prefix}project", f"{prefix}project_BN", filters)
        if net.shape == before:
            net.elementwise(f"{prefix}add", additions=values_in(before))
    net.conv("Conv_1", "Conv_1_bn", 1280)
    return net.parts


def resnet50(shape: Shape) -> list[Part]:
    """Bottlenecks."""
    net = _Builder(shape)
    net.conv("conv1_conv", "conv1_bn", 64, 7, 2, bias=True)
    net.add("pool1_pool", MaxPool2D(pool_size=(3, 3), strides=(2, 2), padding="same"))
    for stage, (filters, blocks, stride) in enumerate(RESNET50, start=2):
        for block in range(1, blocks + 1):
            name, step, before = f"conv{stage}_block{block}", stride if block == 1 else 1, net.shape
            net.conv(f"{name}_1_conv", f"{name}_1_bn", filters, 1, step, bias=True)
            net.conv(f"{name}_2_conv", f"{name}_2_bn", filters, 3, bias=True)
            net.conv(f"{name}_3_conv", f"{name}_3_bn", 4 * filters, bias=True)
            if block == 1:
                shortcut = Conv2D(filters=4 * filters, kernel_size=(1, 1), strides=(step, step))
                net.add(f"{name}_0_bn", BatchNorm(), net.add(f"{name}_0_conv", shortcut, before))
            net.elementwise(f"{name}_add", additions=values_in(net.shape))
    return net.parts


def efficientnet_v2_b0(shape: Shape) -> list[Part]:
    """Fused and other mobile bottlenecks, these with squeeze and excitation."""
    net = _Builder(shape)
    net.elementwise("preprocessing", multiplications=2 * values_in(shape), additions=values_in(shape))
    net.conv("stem_conv", "stem_bn", 32, 3, 2)
    for stage, (expansion, filters, repeats, stride, squeeze, fused) in enumerate(EFFICIENTNET_V2_B0, start=1):
        for repeat in range(repeats):
            name, step, before = f"block{stage}{chr(ord('a') + repeat)}_", stride if repeat == 0 else 1, net.shape
            inside = expansion * before[-1]
            if fused and expansion == 1:
                net.conv(f"{name}project_conv", f"{name}project_bn", filters, 3, step)
            elif fused:
                net.conv(f"{name}expand_conv", f"{name}expand_bn", inside, 3, step)
                net.conv(f"{name}project_conv", f"{name}project_bn", filters)
            else:
                net.conv(f"{name}expand_conv", f"{name}expand_bn", inside)
                net.depthwise(f"{name}dwconv2", f"{name}bn", step)
                _squeeze_and_excite(net, name, int(before[-1] * squeeze))
                net.conv(f"{name}project_conv", f"{name}project_bn", filters)
            if net.shape == before:
                net.elementwise(f"{name}add", additions=values_in(before))
    net.conv("top_conv", "top_bn", 1280)
    return net.parts


def _squeeze_and_excite(net: _Builder, name: str, filters: int) -> None:
    """Hu et al. 2018."""
    channels = net.shape[-1]
    net.add(f"{name}se_squeeze", GlobalAvgPool2D(), net.shape)
    reduced = net.add(f"{name}se_reduce", Conv2D(filters=filters, kernel_size=(1, 1)), (1, 1, channels))
    net.add(f"{name}se_expand", Conv2D(filters=channels, kernel_size=(1, 1)), reduced)
    net.elementwise(f"{name}se_excite", multiplications=values_in(net.shape))


ARCHITECTURES = {"mobilenet_v2": mobilenet_v2, "resnet50": resnet50, "efficientnet_v2_b0": efficientnet_v2_b0}


def weights_of(parts: Sequence[Part]) -> Iterator[tuple[str, Shape]]:
    """The weights by `layer/weight`."""
    for part in parts:
        if part.spec:
            for name, shape in part.spec.weight_shapes(part.input_shape).items():
                yield f"{part.name}/{name}", shape
