"""The search space of `cnnlab sweep`."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, GetJsonSchemaHandler, PositiveInt, model_validator
from pydantic_core import CoreSchema, PydanticCustomError

from cnnlab.experiment.choice import Finite, Strict

RANGES = ("linear", "log", "integer", "log_integer")
KINDS = ("choice", *RANGES)
Range = Annotated[list[Finite], Field(min_length=2, max_length=2)]
IntegerRange = Annotated[list[Annotated[int, Field(gt=-(2**31), lt=2**31)]], Field(min_length=2, max_length=2)]


class Values(Strict):
    """The values of a key that a search tries: a list of them, or one kind of range from a lowest to a highest value.

    A list may contain anything that the key takes, also maps and whole lists of layers.
    """

    choice: Annotated[list[Any], Field(min_length=1, max_length=1000)] | None = None
    """These values; a list alone is a choice."""
    linear: Range | None = None
    """Numbers, all of the same probability."""
    log: Range | None = None
    """Positive numbers, each order of magnitude of the same probability: for learning rates."""
    integer: IntegerRange | None = None
    """Integers, both ends included."""
    log_integer: IntegerRange | None = None
    """Positive integers, each order of magnitude of the same probability: for numbers of filters."""
    step: Finite | int | None = None
    """The distance of values in a `linear` or `integer` range, from the lowest on."""
    when: dict[str, Any] = Field(default_factory=dict)
    """Only where other keys of the space have these values, or for a list one of them: `{train.optimizer: adam}`. A key
    inside another one of the space, such as `train.optimizer.adam.beta_1` where `train.optimizer` is searched, is left
    out of itself where the value of that does not have it.
    """

    @property
    def kind(self) -> str:
        """The one of KINDS that is given."""
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    @property
    def ends(self) -> tuple[float, float]:
        """The lowest and the highest value of a range."""
        low, high = getattr(self, self.kind)
        return low, high

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, value: Any) -> Any:
        return {"choice": value} if isinstance(value, list) else value

    @model_validator(mode="after")
    def _check(self) -> Self:
        kinds = [kind for kind in KINDS if getattr(self, kind) is not None]
        if len(kinds) != 1:
            raise _misfit(f"expected one of {', '.join(KINDS)}, got {' and '.join(kinds) or 'none'}")
        if self.step is not None and self.kind not in ("linear", "integer"):
            raise _misfit(f"a step is for linear and integer ranges, not for {self.kind}")
        if self.kind == "choice":
            values = self.choice or []
            if any(_same(one, other) for index, one in enumerate(values) for other in values[:index]):
                raise _misfit("duplicate value in the choice; keep one")
            return self
        low, high = self.ends
        if low >= high:
            advice = f"; swap them: [{high:g}, {low:g}]" if low > high else f"; for one value, set the key to {low:g}"
            raise _misfit(f"the range [{low:g}, {high:g}] is empty: its lowest value comes first{advice}")
        if self.kind.startswith("log") and low <= 0:
            raise _misfit(f"a logarithmic range needs positive values, got {low:g}")
        if self.kind == "integer" and self.step is not None and not isinstance(self.step, int):
            raise _misfit(f"expected an integer step, got {self.step:g}")
        if self.step is not None and not 0 < self.step <= high - low:
            raise _misfit(f"expected a step above 0 and of at most {high - low:g}, got {self.step:g}")
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """A map or a list."""
        options = dict(handler.resolve_ref_schema(handler(core_schema)))
        title, description = options.pop("title"), options.pop("description")
        return {"title": title, "description": description, "anyOf": [options, {"type": "array", "minItems": 1}]}


class Search(Strict):
    """The search space of `cnnlab sweep`, and how it is searched. Other commands take the experiment without it."""

    usage = (
        "search: {space: {train.batch_size: [32, 64, 128]}}",
        "search: {space: {train.optimizer.sgd.learning_rate: {log: [1e-4, 1e-1]}}}",
        "search: {space: {'model.layers[0].conv2d.filters': {integer: [4, 32], step: 4}}}",
    )

    sampler: Literal["grid", "random", "sobol", "tpe", "cmaes"] = "tpe"
    """How values are chosen: `grid`, every combination; `random`; `sobol`, a quasi-random sequence, which covers the
    space more evenly (Sobol 1967); `tpe`, near those that were good (tree-structured Parzen estimator, Bergstra et al.
    2011); `cmaes`, by a normal distribution that follows the good ones (CMA-ES, Hansen and Ostermeier 2001), which
    searches ranges and takes choices at random.
    """
    trials: Annotated[int, Field(gt=0, le=10_000)] | None = None
    """Number of trials; by default every combination of a grid, and 50 of other samplers. A space that has no more
    points is tried completely, whatever the sampler.
    """
    metric: Literal["val_accuracy", "val_loss"] = "val_accuracy"
    """What trials are compared by, on the validation examples after the last epoch."""
    pruner: Literal["none", "halving", "hyperband"] = "none"
    """Whether trials are ended early that others are ahead of: by successive `halving` (Li et al. 2020), of which every
    rung of 1, 4, 16, ... times `min_epochs` is passed by the best quarter, or by `hyperband` (Li et al. 2018), several
    of these with other first rungs. Which trials are ended depends on how far others are at that moment.
    """
    min_epochs: PositiveInt = 1
    """Number of epochs before a trial may be pruned; with a schedule whose first epochs say little, such as
    `one_cycle`, more than one.
    """
    max_parameters: PositiveInt | None = None
    """Number of parameters that no network may exceed; others are left out."""
    finalists: Annotated[int, Field(ge=0, le=100)] = 3
    """Number of best trials that are trained again on fresh seeds, and measured on the test set."""
    seeds: Annotated[int, Field(ge=1, le=1000)] = 5
    """Number of fresh seeds of each finalist."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Seed of the sampler."""
    space: Annotated[dict[str, Values], Field(min_length=1, max_length=1000)]
    """The keys that are searched, as `--set` writes them, each with its values."""


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and one == other


def _misfit(message: str) -> PydanticCustomError:
    return PydanticCustomError("misfit", "{message}", {"message": message})
