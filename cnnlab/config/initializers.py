"""How the weights of a layer start. Names and options are those of `keras.initializers`."""

from typing import Annotated, ClassVar

from pydantic import Field, Tag

from cnnlab.config.choice import FLOAT32_MAX, Choice, by_kind


class GlorotUniform(Choice):
    """Uniform in ± sqrt(6 / (fan_in + fan_out)). Glorot and Bengio 2010; Keras's default."""

    kind: ClassVar[str] = "glorot_uniform"


class GlorotNormal(Choice):
    """Truncated normal, stddev sqrt(2 / (fan_in + fan_out)); "Xavier" in the course."""

    kind: ClassVar[str] = "glorot_normal"


class HeNormal(Choice):
    """Truncated normal, stddev sqrt(2 / fan_in). He et al. 2015."""

    kind: ClassVar[str] = "he_normal"


class HeUniform(Choice):
    """Uniform in ± sqrt(6 / fan_in). He et al. 2015."""

    kind: ClassVar[str] = "he_uniform"


class TruncatedNormal(Choice):
    """Normal with this mean and stddev, drawn again beyond two stddev."""

    kind: ClassVar[str] = "truncated_normal"
    short: ClassVar[str | None] = "stddev"
    mean: Annotated[float, Field(gt=-FLOAT32_MAX, lt=FLOAT32_MAX)] = 0.0
    stddev: Annotated[float, Field(ge=0, lt=FLOAT32_MAX)] = 0.05


Initializer = Annotated[
    Annotated[GlorotUniform, Tag("glorot_uniform")]
    | Annotated[GlorotNormal, Tag("glorot_normal")]
    | Annotated[HeNormal, Tag("he_normal")]
    | Annotated[HeUniform, Tag("he_uniform")]
    | Annotated[TruncatedNormal, Tag("truncated_normal")],
    by_kind,
]
