"""The two shapes of everything in an experiment file: a map with fixed keys, and one of several kinds."""

from typing import Annotated, Any, ClassVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

FLOAT32_MAX = 3.4e38  # what is computed with is float32
Positive = Annotated[float, Field(gt=0, lt=FLOAT32_MAX)]


class Strict(BaseModel):
    """A map whose keys are all known and whose values are of the stated type, never coerced."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Choice(Strict):
    """One of several kinds, written `kind: {option: value}`, `kind: value` or just `kind`.

    `short` is the option that `kind: value` sets.
    """

    kind: ClassVar[str]
    short: ClassVar[str | None] = None

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
        if cls.short is None:
            takes = "a map of options" if cls.model_fields else "no options"
            raise PydanticCustomError("options_expected", f"expected {takes}, got {options!r}")
        return {cls.short: options}

    @model_serializer(mode="wrap")
    def _wrap(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any] | str:
        options = handler(self)
        return {self.kind: options} if options else self.kind


def _kind_of(value: Any) -> str | None:
    """The tag that selects the member of a union of choices; None where the value names no single kind."""
    if isinstance(value, Choice):
        return value.kind
    if isinstance(value, dict):
        return next(iter(value)) if len(value) == 1 else None
    return value if isinstance(value, str) else None


by_kind = Discriminator(_kind_of)
