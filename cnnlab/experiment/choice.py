"""The two shapes of everything in an experiment file: a map with fixed keys, and one of several kinds.

Docstrings of these classes and of their fields are the documentation of the experiment file: `cnnlab schema` prints it.
"""

import re
from typing import Annotated, Any, ClassVar, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    WithJsonSchema,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, PydanticCustomError
from pydantic_core.core_schema import tagged_union_schema

FLOAT32_MAX = 3.4e38  # the network computes in float32
Positive = Annotated[float, Field(gt=0, lt=FLOAT32_MAX)]
NonNegative = Annotated[float, Field(ge=0, lt=FLOAT32_MAX)]
Finite = Annotated[float, Field(gt=-FLOAT32_MAX, lt=FLOAT32_MAX)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
NULL = {"type": "null"}


class Strict(BaseModel):
    """A map whose keys are all known and whose values are of the declared type, never coerced."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
    usage: ClassVar[tuple[str, ...]] = ()
    """Examples in YAML, for the documentation."""


class Choice(Strict):
    """One of several kinds, written `kind: {option: value}`, `kind: value` or just `kind`.

    A value that is a map itself needs the long form.
    """

    kind: ClassVar[str]
    shorthand: ClassVar[str | None] = None
    """The option that `kind: value` sets."""
    keras: ClassVar[tuple[str, ...]] = ()
    """Names of the equivalent Keras class; a file may use them in place of the kind."""

    @classmethod
    def aliases(cls) -> list[str]:
        """Every other name of the kind: of Keras's class, also in snake case as Keras writes it."""
        names = [written for name in cls.keras for written in (name, _snake_case(name))]
        return [name for name in dict.fromkeys(names) if name != cls.kind]

    @model_validator(mode="before")
    @classmethod
    def _unwrap(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {}
        if not (isinstance(value, dict) and list(value) == [cls.kind]):
            return value
        options = value[cls.kind]
        if options is None or isinstance(options, dict):
            return options or {}
        if cls.shorthand is None:
            takes = f"a map of options ({', '.join(fields_of(cls))})" if cls.model_fields else "no options"
            raise PydanticCustomError("options_expected", f"expected {takes}, got {options!r}")
        return {cls.shorthand: options}

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """All the ways to write it, where pydantic alone would give the options."""
        options = dict(handler.resolve_ref_schema(handler(core_schema)))
        title, description = options.pop("title", cls.__name__), options.pop("description", "")
        values = [options]
        if cls.shorthand is not None:
            values.append(options["properties"][cls.shorthand])
        optional = not options.get("required")
        if optional:
            values.append({"type": "null"})
        long = {"type": "object", "properties": {cls.kind: _any_of(values)}, "required": [cls.kind]}
        forms: list[dict[str, Any]] = [{**long, "additionalProperties": False}]
        if optional:
            forms.append({"const": cls.kind})
        return {"title": title, "description": description, **_any_of(forms)}


def _snake_case(name: str) -> str:
    """`MaxPooling2D` as `max_pooling2d`, by the rule of `keras.src.utils.naming.to_snake_case`."""
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)).lower()


def _any_of(schemas: list[dict[str, Any]]) -> dict[str, Any]:
    return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}


def _kind_of(value: Any) -> str | None:
    """The kind that a value names; None where it names no single one."""
    if isinstance(value, Choice):
        return value.kind
    if isinstance(value, dict):
        return next(iter(value)) if len(value) == 1 else None
    return value if isinstance(value, str) else None


class ByKind:
    """Annotates a union of choices: the kind selects the member, so that errors are those of one member."""

    def __get_pydantic_core_schema__(self, union: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """A tagged union; pydantic's own `Discriminator` would need each kind a second time, as a `Tag`."""
        members = {member.kind: handler.generate_schema(member) for member in get_args(union)}
        return tagged_union_schema(members, discriminator=_kind_of)


by_kind = ByKind()


def list_schema(items: dict[str, Any], shortest: int, longest: int | None = None) -> dict[str, Any]:
    """The JSON Schema of a list; without a `longest` length its items are unique."""
    rest = {"uniqueItems": True} if longest is None else {"maxItems": longest}
    return {"type": "array", "items": items, "minItems": shortest, **rest}


def any_schema(*schemas: dict[str, Any]) -> WithJsonSchema:
    """Annotates a field that accepts what one of these JSON Schemas describes."""
    return WithJsonSchema({"anyOf": list(schemas)})


def plain(value: Any) -> Any:
    """A part of an experiment as maps, lists and scalars, with every default written out but those that are None."""
    if isinstance(value, Strict):
        fields = type(value).model_fields
        options = {fields[name].alias or name: plain(getattr(value, name)) for name in fields_of(type(value))}
        options = {name: option for name, option in options.items() if option is not None}
        if isinstance(value, Choice):
            return {value.kind: options} if options else value.kind
        return options
    if isinstance(value, tuple) and len(value) == 2 and value[0] == value[1]:
        return value[0]  # a square
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def options_of(model: type[Strict]) -> dict[str, FieldInfo]:
    """The options of a model by their names in a file; those that are Python keywords are aliases."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def fields_of(model: type[Strict]) -> list[str]:
    """The names of a model's options, those of its bases last."""
    names = [name for base in model.__mro__ for name in vars(base).get("__annotations__", {})]
    return [name for name in dict.fromkeys(names) if name in model.model_fields]
