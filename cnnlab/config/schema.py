"""One experiment: a data set, a network, how to train it.

A field's name and default are the documentation of the file's keys; the models are frozen, so an
experiment cannot drift from the file that it came from.
"""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, PositiveInt, StringConstraints, Tag, model_validator
from pydantic_core import PydanticCustomError

from cnnlab.config.choice import Choice, Positive, Strict, by_kind
from cnnlab.config.layers import Layer

DataName = Literal["digits", "mnist"]
LossName = Literal["cross_entropy", "mse"]
Share = Annotated[float, Field(ge=0, lt=1)]
FOLDER_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
FolderName = Annotated[str, StringConstraints(pattern=FOLDER_NAME)]


def _as_validation(value: Any) -> Any:
    is_count = type(value) is int and value >= 0
    is_fraction = type(value) is float and 0 <= value < 1
    if not (is_count or is_fraction or value == "test"):
        raise PydanticCustomError(
            "validation_expected", "expected a count such as 5000, a fraction such as 0.1, or 'test'"
        )
    return value


class Data(Strict):
    """Which examples. `limit` keeps the first examples of each split.

    `validation` is held out of the training set, stratified, by a seed of its own: a count, a fraction,
    0 for none, or `test` to mirror a published protocol that watched the test set.
    """

    name: DataName
    validation: Annotated[int | float | Literal["test"], BeforeValidator(_as_validation)] = 0.1
    limit: PositiveInt | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:
        """`data: digits` is short for `data: {name: digits}`."""
        return {"name": value} if isinstance(value, str) else value


class Model(Strict):
    """The network: its layers in order, from the picture to one output a class."""

    layers: Annotated[list[Layer], Field(min_length=1, max_length=500)]


class Sgd(Choice):
    """Stochastic gradient descent. `keras.optimizers.SGD`."""

    kind: ClassVar[str] = "sgd"
    learning_rate: Positive = 0.01
    momentum: Share = 0.0
    nesterov: bool = False


class Adam(Choice):
    """Kingma and Ba 2014. `keras.optimizers.Adam`."""

    kind: ClassVar[str] = "adam"
    learning_rate: Positive = 0.001
    beta_1: Share = 0.9
    beta_2: Share = 0.999
    epsilon: Positive = 1e-7


Optimizer = Annotated[Annotated[Sgd, Tag("sgd")] | Annotated[Adam, Tag("adam")], by_kind]


class Constant(Choice):
    """The optimizer's learning rate throughout."""

    kind: ClassVar[str] = "constant"


class Exponential(Choice):
    """learning_rate * decay ** (epoch - 1), epochs from 1."""

    kind: ClassVar[str] = "exponential"
    short: ClassVar[str | None] = "decay"
    decay: Annotated[float, Field(gt=0, le=1)]


Schedule = Annotated[Annotated[Constant, Tag("constant")] | Annotated[Exponential, Tag("exponential")], by_kind]


class Train(Strict):
    """How to train. `batch_size` is global, over all replicas."""

    epochs: PositiveInt = 10
    batch_size: PositiveInt = 128
    optimizer: Optimizer = Sgd()
    loss: LossName = "cross_entropy"
    schedule: Schedule = Constant()
    precision: Literal["float32"] = "float32"


class Published(Strict):
    """What the source of the experiment prints: fractions, on its test set, after the last epoch."""

    source: str
    accuracy: Annotated[float, Field(ge=0, le=1)] | None = None
    loss: float | None = None


class Experiment(Strict):
    """One YAML file."""

    name: FolderName
    data: Data
    model: Model
    train: Train = Train()
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    published: Published | None = None

    @model_validator(mode="after")
    def _loss_takes_what_the_network_gives(self) -> Self:
        last = self.model.layers[-1]
        if self.train.loss == "cross_entropy" and getattr(last, "activation", None) == "softmax":
            raise PydanticCustomError(
                "misfit",
                "softmax, which the loss cross_entropy applies itself; leave the activation out",
                {"path": ["model", "layers", len(self.model.layers) - 1, last.kind, "activation"]},
            )
        return self
