"""Options that all data sets share, and what is known of a data set without reading it."""

import unicodedata
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, get_args

from pydantic import BeforeValidator, Field, GetJsonSchemaHandler, PositiveInt, WithJsonSchema, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, PydanticCustomError

from cnnlab.experiment.choice import NULL, Strict, any_schema, list_schema
from cnnlab.experiment.data.fold import Fold

LONGEST_SIDE = 4096  # pixels
MAX_CLASSES = 10_000
SHARE_HELD_OUT = 0.1


def _is_share(value: Any) -> bool:
    """A count, or a fraction below 1."""
    return (type(value) is int and value >= 0) or (type(value) is float and 0 <= value < 1)


def _as_validation(value: Any) -> Any:
    if not (_is_share(value) or value == "test"):
        expected = "expected a count such as 5000, a fraction such as 0.1, or 'test'"
        raise PydanticCustomError("validation_expected", expected)
    return value


def _as_user_validation(value: Any) -> Any:
    if not (_is_share(value) or value in ("test", "auto")):
        expected = "expected a count such as 5000, a fraction such as 0.1, 'test' or 'auto'"
        raise PydanticCustomError("validation_expected", expected)
    return value


def as_share(value: Any) -> Any:
    """Validate a count or a fraction."""
    if not _is_share(value):
        raise PydanticCustomError("share_expected", "expected a count such as 5000 or a fraction such as 0.2")
    return value


def as_image_shape(value: Any) -> Any:
    """Validate [height, width, channels]."""
    shape = tuple(value) if isinstance(value, list) else value
    if not (
        isinstance(shape, tuple) and len(shape) == 3 and all(type(n) is int and 0 < n <= LONGEST_SIDE for n in shape)
    ):
        raise PydanticCustomError(
            "image_shape_expected", f"expected [height, width, channels], integers from 1 to {LONGEST_SIDE}"
        )
    return shape


def _as_classes(value: Any) -> Any:
    if value is None:
        return None
    given = [str(name) if type(name) is int else name for name in value] if isinstance(value, list | tuple) else []
    names = [unicodedata.normalize("NFC", name) for name in given if isinstance(name, str)]
    if len(names) < 2 or len(names) < len(given) or len({*names}) < len(names):
        raise PydanticCustomError("classes_expected", "expected a list of two or more names of classes, each once")
    return tuple(names)


def _as_train_sizes(value: Any) -> Any:
    if value is None:
        return None
    sizes = tuple(value) if isinstance(value, list | tuple) else ()
    if not sizes or not all(type(size) is int and size > 0 for size in sizes) or len({*sizes}) < len(sizes):
        raise PydanticCustomError("train_sizes_expected", "expected a list of counts, each once, such as [1000, 10000]")
    return sizes


class _DataPath:
    """Marks an option that is the path of a file or folder of examples."""


DataPath = Annotated[str, _DataPath()]
ImageShape = Annotated[
    tuple[int, int, int],
    BeforeValidator(as_image_shape),
    WithJsonSchema(list_schema({"type": "integer", "minimum": 1, "maximum": LONGEST_SIDE}, 3, 3)),
]
NumClasses = Annotated[int, Field(ge=2, le=MAX_CLASSES)]
_Validation = int | float | Literal["test", "auto"]
Validation = Annotated[
    _Validation,
    BeforeValidator(_as_validation),
    any_schema({"type": "number", "minimum": 0}, {"const": "test"}),
]
UserValidation = Annotated[
    _Validation,
    BeforeValidator(_as_user_validation),
    any_schema({"type": "number", "minimum": 0}, {"enum": ["test", "auto"]}),
]
"""`auto` where the data may come with validation examples."""
Share = Annotated[int | float, BeforeValidator(as_share), WithJsonSchema({"type": "number", "minimum": 0})]
ClassNames = Annotated[
    tuple[str, ...] | None,
    BeforeValidator(_as_classes),
    any_schema(list_schema({"type": ["string", "integer"]}, 2), NULL),
]
TrainSizes = Annotated[
    tuple[int, ...] | None,
    BeforeValidator(_as_train_sizes),
    any_schema(list_schema({"type": "integer", "minimum": 1}, 1), NULL),
]


class DataSpec(Strict):
    """The examples of an experiment."""

    licence: ClassVar[str] = ""
    origin: ClassVar[str] = ""
    split_sizes: ClassVar[tuple[int, int] | None] = None
    if TYPE_CHECKING:  # each data set has them, as a constant, an option or a property

        @property
        def image_shape(self) -> tuple[int, int, int]:
            """(height, width, channels)."""

        @property
        def num_classes(self) -> int:
            """Of all classes, also those that are left out."""

        @property
        def class_names(self) -> tuple[str, ...] | None:
            """The names of all classes; None if they are known only from the data."""

    name: str
    """Name of the data set."""
    validation: Validation = SHARE_HELD_OUT
    """The examples held out of the training set, stratified, always the same: a count, a fraction, 0 for none,
    or `test` to use the test set, as some published protocols do.
    """
    classes: ClassNames = None
    """Use only these, by name; they are numbered in this order."""
    train_sizes: TrainSizes = None
    """The number of training examples, stratified; several sizes train one run each, the smaller sets being
    subsets of the larger ones.
    """
    limit: PositiveInt | None = None
    """Use only this many examples of each split, stratified."""
    fold: Fold | None = None
    """Test on a fold of the training examples instead of the test set: one run of a cross-validation."""
    exclude: DataPath | None = None
    """A CSV file of examples to leave out, such as those that `cnnlab data audit` suspects of wrong labels: columns
    `split` and `index` or `file`, checked by `label` and `sha256`.
    """
    dir: DataPath | None = None
    """Where to look for its files first; relative paths are relative to this file."""

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
        if long.get("required") == ["name"] and cls.name_values():
            forms.append({"const": cls.name_values()[0]})
        return {"title": title, "description": description, "anyOf": forms}

    @classmethod
    def name_values(cls) -> tuple[str, ...]:
        """The value of the option `name`; empty for plugins, whose entry points give it."""
        return get_args(cls.model_fields["name"].annotation)

    @classmethod
    def path_options(cls) -> list[str]:
        """The options that are paths."""
        return [name for name, field in cls.model_fields.items() if _is_path(field)]

    def published_sizes(self) -> tuple[int, int] | None:
        """The numbers of training and test examples before splitting; None if known only from the data."""
        return self.split_sizes

    def known_sizes(self) -> tuple[int, int] | None:
        """`published_sizes`; None where `classes` or `exclude` leave some out, or a fold is the test set."""
        return None if self.classes or self.exclude or self.fold else self.published_sizes()

    def train_size(self) -> int | None:
        """The number of training examples, the largest of several; None if known only from the data."""
        sizes = self.known_sizes()
        if sizes is None:
            return None
        rest = max(0, sizes[0] - self.held_out(sizes[0]))
        return min(rest, max(self.train_sizes or (rest,)), self.limit or rest)

    def holds_out_nothing(self) -> bool:
        """Whether there are no validation examples, as far as that is known."""
        sizes = self.known_sizes()
        return self.validation != "test" and (self.held_out(sizes[0]) if sizes else self.validation) == 0

    def held_out(self, total: int) -> int:
        """How many of `total` training examples are held out for validation."""
        match self.validation:
            case "test":
                return 0
            case "auto":
                return count_of(SHARE_HELD_OUT, total)
        return count_of(self.validation, total)


class UserData(DataSpec):
    """Examples in files of the user."""

    test: Share = 0.2
    """The part of the training examples that becomes the test set if the data have none, stratified, always the
    same: a count or a fraction.
    """


def _is_path(field: FieldInfo) -> bool:
    """Whether it is a DataPath; for optional ones pydantic keeps the metadata within the union."""
    marks = [*field.metadata, *(mark for part in get_args(field.annotation) for mark in get_args(part)[1:])]
    return any(isinstance(mark, _DataPath) for mark in marks)


def count_of(share: int | float, total: int) -> int:
    """A count unchanged, a fraction as that part of `total`."""
    return share if isinstance(share, int) else round(share * total)
