"""Networks of `keras.applications` as one layer."""

from functools import lru_cache
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from cnnlab.experiment.layers.architectures import ARCHITECTURES, Part, weights_of
from cnnlab.experiment.layers.base import Cost, Leaf, Shape, ShapeError, Window, as_image, show, values_in

SMALLEST_SIDE = 32  # of keras.applications, for all of these
Architecture = Literal["mobilenet_v2", "resnet50", "efficientnet_v2_b0"]


class Backbone(Leaf):
    """A network of `keras.applications` without its classifier.

    From images (height, width, 3), of at least 32×32, to features (height / 32, width / 32, channels).

    MobileNetV2 (Sandler et al. 2018), ResNet50 (He et al. 2015) or EfficientNetV2B0 (Tan and Le 2021). The first layer.
    Its own preprocessing of pixels is inside, so that `preprocessing.scale` stays `zero_one`.
    """

    kind: ClassVar[str] = "backbone"
    shorthand: ClassVar[str | None] = "name"
    usage: ClassVar[tuple[str, ...]] = (
        "backbone: {name: mobilenet_v2, weights: imagenet, freeze: true}",
        "backbone: resnet50",
    )
    name: Architecture
    """Name of the network."""
    weights: Annotated[str, Field(min_length=1)] | None = None
    """What it starts from: `imagenet`, which is downloaded once; a file in the format in which Keras publishes these
    weights (`_notop.h5`); or, by default, random weights.
    """
    freeze: bool = False
    """Whether its weights stay as they are, and its batch normalization in inference mode."""
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None
    """SHA-256 of the file of weights, which is checked. The run's config.yaml has that of the file it started from."""

    @model_validator(mode="after")
    def _check_weights(self) -> Self:
        if self.sha256 and not self.weights:
            raise PydanticCustomError("misfit", "sha256 has no effect without weights")
        return self

    def output_shape(self, shape: Shape) -> Shape:
        """(height / 32, width / 32, channels), rounded up."""
        return self._parts(shape)[-1].output_shape

    def cost(self, shape: Shape) -> Cost:
        """Of all its layers."""
        return sum((part.cost for part in self._parts(shape)), Cost())

    def weight_shapes(self, shape: Shape) -> dict[str, Shape]:
        """Of all its layers, such as `Conv1/kernel`."""
        return dict(weights_of(self._parts(shape)))

    def activation_values(self, shape: Shape) -> int:
        """The outputs of all its layers."""
        return sum(values_in(part.output_shape) for part in self._parts(shape))

    def window(self, shape: Shape) -> Window:
        """The whole image: squeeze and excitation, or so many layers."""
        height, width, _ = as_image(shape)
        return Window((height, width), (32, 32))

    def _parts(self, shape: Shape) -> tuple[Part, ...]:
        height, width, channels = as_image(shape)
        if channels != 3 or min(height, width) < SMALLEST_SIDE:
            raise ShapeError(
                f"expected colour images of at least {SMALLEST_SIDE}×{SMALLEST_SIDE}×3, got {show(shape)}; "
                "larger images need another data.image_size, colour needs data.channels: 3"
            )
        return _parts_of(self.name, shape)


@lru_cache(maxsize=64)
def _parts_of(name: Architecture, shape: Shape) -> tuple[Part, ...]:
    return tuple(ARCHITECTURES[name](shape))
