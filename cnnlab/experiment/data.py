"""Which examples an experiment takes, told by `name`, and what is known of them without reading any."""

from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    GetJsonSchemaHandler,
    PositiveInt,
    Tag,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError

from cnnlab.experiment.choice import Strict

LONGEST_SIDE = 4096  # pixels


def _as_validation(value: Any) -> Any:
    is_count = type(value) is int and value >= 0
    is_fraction = type(value) is float and 0 <= value < 1
    if not (is_count or is_fraction or value == "test"):
        raise PydanticCustomError(
            "validation_expected", "expected a count such as 5000, a fraction such as 0.1, or 'test'"
        )
    return value


def _as_image_shape(value: Any) -> Any:
    shape = tuple(value) if isinstance(value, list) else value
    if not (
        isinstance(shape, tuple) and len(shape) == 3 and all(type(n) is int and 0 < n <= LONGEST_SIDE for n in shape)
    ):
        raise PydanticCustomError(
            "image_shape_expected", f"expected [height, width, channels], integers from 1 to {LONGEST_SIDE}"
        )
    return shape


ImageShape = Annotated[
    tuple[int, int, int],
    BeforeValidator(_as_image_shape),
    WithJsonSchema(
        {
            "type": "array",
            "items": {"type": "integer", "minimum": 1, "maximum": LONGEST_SIDE},
            "minItems": 3,
            "maxItems": 3,
        }
    ),
]
NumClasses = Annotated[int, Field(ge=2, le=10_000)]


class DataSpec(Strict):
    """Some examples.

    name: the data set.
    validation: what is held out of the training set, stratified, by a seed of its own: a count, a fraction, 0 for
    none, or `test` to mirror a published protocol that watched the test set.
    limit: keep only the first examples of each split.
    """

    validation: Annotated[
        int | float | Literal["test"],
        BeforeValidator(_as_validation),
        WithJsonSchema({"anyOf": [{"type": "number", "minimum": 0}, {"const": "test"}]}),
    ] = 0.1
    limit: PositiveInt | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:
        """`data: digits` is short for `data: {name: digits}`."""
        return {"name": value} if isinstance(value, str) else value

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Both ways to write it."""
        long = dict(handler.resolve_ref_schema(handler(core_schema)))
        title, description = long.pop("title", cls.__name__), long.pop("description", "")
        forms: list[dict[str, Any]] = [long]
        if long["required"] == ["name"]:
            forms.append({"const": get_args(cls.model_fields["name"].annotation)[0]})
        return {"title": title, "description": description, "anyOf": forms}

    def published_sizes(self) -> tuple[int, int] | None:
        """How many training and test examples there are before anything is held out; None where not known yet."""
        return None

    def train_size(self) -> int | None:
        """How many examples are trained on; None where not known yet."""
        sizes = self.published_sizes()
        if sizes is None:
            return None
        rest = max(0, sizes[0] - self.held_out(sizes[0]))
        return rest if self.limit is None else min(rest, self.limit)

    def holds_out_nothing(self) -> bool:
        """Whether there are no validation examples, as far as that is known."""
        sizes = self.published_sizes()
        return self.validation != "test" and (self.held_out(sizes[0]) if sizes else self.validation) == 0

    def held_out(self, total: int) -> int:
        """How many of `total` training examples are held out for validation."""
        if self.validation == "test":
            return 0
        return self.validation if isinstance(self.validation, int) else round(self.validation * total)


class Digits(DataSpec):
    """1,797 real handwritten digits that come inside scikit-learn, enlarged to MNIST's 28×28. No download.

    Example: data: digits
    """

    image_shape: ClassVar[tuple[int, int, int]] = (28, 28, 1)
    num_classes: ClassVar[int] = 10
    name: Literal["digits"]

    def published_sizes(self) -> tuple[int, int]:
        """A fifth is the test set."""
        return 1437, 360


class Mnist(DataSpec):
    """70,000 handwritten digits, 28×28 grey. LeCun, Cortes and Burges 1998.

    Example: data: {name: mnist, validation: 5000}
    """

    image_shape: ClassVar[tuple[int, int, int]] = (28, 28, 1)
    num_classes: ClassVar[int] = 10
    name: Literal["mnist"]

    def published_sizes(self) -> tuple[int, int]:
        """As published."""
        return 60_000, 10_000


class Cifar10(DataSpec):
    """60,000 colour pictures of ten kinds of things, 32×32. Krizhevsky 2009.

    Example: data: cifar10
    """

    image_shape: ClassVar[tuple[int, int, int]] = (32, 32, 3)
    num_classes: ClassVar[int] = 10
    name: Literal["cifar10"]

    def published_sizes(self) -> tuple[int, int]:
        """As published."""
        return 50_000, 10_000


class Raw(DataSpec):
    """Files of nothing but pixels, uint8, and files of nothing but labels.

    A relative path is looked for in `$CNNLAB_DATA_DIR`, then in the working directory.

    image_shape: [height, width, channels] of every picture.
    num_classes: how many classes there are.
    label_format: `uint8`, a byte a label, or `one_hot_float32`, as many float32 a label as there are classes.
    train_images: the training pictures.
    train_labels: their labels.
    test_images: the test pictures.
    test_labels: their labels.
    Example: data: {name: raw, image_shape: [48, 48, 1], num_classes: 2, label_format: one_hot_float32, train_images: a.bin, train_labels: b.bin, test_images: c.bin, test_labels: d.bin}
    """  # noqa: E501 - an example is one line

    name: Literal["raw"]
    image_shape: ImageShape
    num_classes: NumClasses
    label_format: Literal["uint8", "one_hot_float32"] = "uint8"
    train_images: str
    train_labels: str
    test_images: str
    test_labels: str


class Synthetic(DataSpec):
    """Pictures drawn at random, each class with a pattern of its own: to see whether something runs, and learns.

    image_shape: [height, width, channels] of every picture.
    num_classes: how many classes there are.
    train_examples: how many pictures to train on, before anything is held out.
    test_examples: how many to measure on.
    noise: how much of a picture is noise, from 0 to 1.
    Example: data: {name: synthetic, image_shape: [32, 32, 3], num_classes: 10}
    """

    name: Literal["synthetic"]
    image_shape: ImageShape = (28, 28, 1)
    num_classes: NumClasses = 10
    train_examples: Annotated[int, Field(gt=0, le=1_000_000)] = 2000
    test_examples: Annotated[int, Field(gt=0, le=1_000_000)] = 500
    noise: Annotated[float, Field(ge=0, le=1)] = 0.5

    def published_sizes(self) -> tuple[int, int]:
        """As asked for."""
        return self.train_examples, self.test_examples


def _name_of(value: Any) -> str | None:
    name = value.get("name") if isinstance(value, dict) else getattr(value, "name", value)
    return name if isinstance(name, str) else None


Data = Annotated[
    Annotated[Digits, Tag("digits")]
    | Annotated[Mnist, Tag("mnist")]
    | Annotated[Cifar10, Tag("cifar10")]
    | Annotated[Raw, Tag("raw")]
    | Annotated[Synthetic, Tag("synthetic")],
    Discriminator(_name_of),
]
DATA_NAMES = ("digits", "mnist", "cifar10", "raw", "synthetic")
