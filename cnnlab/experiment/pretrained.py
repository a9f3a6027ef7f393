"""Starting from the weights of another network."""

from collections.abc import Sequence
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from cnnlab.experiment.choice import Positive, Strict, any_schema, list_schema

NAME = {"type": "string"}
UNTIL = {"type": "object", "properties": {"until": NAME}, "required": ["until"], "additionalProperties": False}


def _as_freeze(value: Any) -> Any:
    is_list = isinstance(value, list) and bool(value) and all(isinstance(name, str) for name in value)
    is_until = isinstance(value, dict) and list(value) == ["until"] and isinstance(value["until"], str)
    if not (isinstance(value, bool) or is_list or is_until):
        raise PydanticCustomError(
            "misfit",
            "expected true, false, a list of layers such as [conv2d_0, batch_norm_1], or {until: conv2d_4}; "
            "`cnnlab describe` prints the names of layers",
        )
    return value


Freeze = Annotated[
    bool | list[str] | dict[str, str],
    BeforeValidator(_as_freeze),
    any_schema({"type": "boolean"}, list_schema(NAME, 1, 10_000), UNTIL),
]


class Pretrained(Strict):
    """Starts from the weights of another network (transfer learning; Yosinski et al. 2014).

    A layer matches where the other network has a layer of the same name with weights of the same names and shapes.
    Layers that do not match start from random weights, and `train` names them.
    """

    usage = ("pretrained: {from: runs/cifar-1, freeze: {until: conv2d_4}, learning_rate_factor: 0.1}",)
    from_: Annotated[str, Field(alias="from", min_length=1)]
    """Run folder, or file of weights (safetensors, with names such as `conv2d_0/kernel`)."""
    freeze: Freeze = False
    """Layers whose weights stay as they are: `true`, all that match; a list of names; or `{until: NAME}`, those that
    match up to that layer, in the order of `cnnlab describe`. Frozen batch normalization stays in inference mode.
    """
    learning_rate_factor: Positive = 1.0
    """Factor of the learning rate, and so of weight decay, for the layers that match and are not frozen."""
    layers: Annotated[list[str], Field(min_length=1, max_length=10_000)] | None = None
    """Names of the layers that start from these weights; by default all that match, which the run's config.yaml lists.
    """
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None
    """SHA-256 of the file of weights, which is checked. The run's config.yaml has that of the file it started from."""

    @model_validator(mode="after")
    def _check_factor(self) -> Self:
        if self.freeze is True and self.learning_rate_factor != 1:
            raise PydanticCustomError("misfit", "learning_rate_factor has no effect with freeze: true")
        return self

    def frozen(self, names: Sequence[str]) -> list[str]:
        """The layers that are frozen, of a network whose layers have these `names` in the order of computation."""
        started = set(self.layers or ())
        match self.freeze:
            case bool():
                return [name for name in names if self.freeze and name in started]
            case dict():
                last = self.freeze["until"]
                until = names[: names.index(last) + 1] if last in names else []
                return [name for name in until if name in started]
        return [name for name in names if name in self.freeze and name in started]

    def slowed(self, names: Sequence[str]) -> list[str]:
        """The layers whose learning rate `learning_rate_factor` multiplies; `names` as for `frozen`."""
        if self.learning_rate_factor == 1:
            return []
        frozen = self.frozen(names)
        return [name for name in names if name in (self.layers or ()) and name not in frozen]
