"""One experiment: a data set, a network, how to train it.

The models are frozen, so an experiment cannot drift from the file that it came from.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, PositiveInt, StringConstraints, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from cnnlab.experiment.callbacks import Callback
from cnnlab.experiment.choice import FLOAT32_MAX, Strict
from cnnlab.experiment.data import Data
from cnnlab.experiment.layers.blocks import MAX_DEPTH, MAX_LAYERS, Layer, depth, unrolled
from cnnlab.experiment.losses import CrossEntropy, Loss
from cnnlab.experiment.optimizers import Optimizer, Sgd
from cnnlab.experiment.preprocessing import Preprocessing
from cnnlab.experiment.schedules import Constant, Schedule

FOLDER_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
FOLDER_NAME_RULE = "at most 100 letters, digits, '.', '_' and '-', first a letter or digit"
FolderName = Annotated[str, StringConstraints(pattern=FOLDER_NAME)]


def _as_devices(value: Any) -> Any:
    if value not in ("auto", "cpu", "gpu") and not (type(value) is int and 1 <= value <= MAX_DEVICES):
        raise PydanticCustomError(
            "devices_expected", f"expected 'auto', 'cpu', 'gpu' or how many devices, 1 to {MAX_DEVICES}"
        )
    return value


MAX_DEVICES = 1024
MAX_THREADS = 1024
Devices = Annotated[
    Literal["auto", "cpu", "gpu"] | int,
    BeforeValidator(_as_devices),
    WithJsonSchema(
        {"anyOf": [{"enum": ["auto", "cpu", "gpu"]}, {"type": "integer", "minimum": 1, "maximum": MAX_DEVICES}]}
    ),
]


def _as_class_weights(value: Any) -> Any:
    if value in (None, "balanced"):
        return value
    if not isinstance(value, dict) or not value:
        raise PydanticCustomError(
            "class_weights_expected", "expected 'balanced' or a map of class names to weights, {cat: 1, dog: 4.5}"
        )
    for name, weight in value.items():
        if type(weight) not in (int, float) or not 0 <= weight < FLOAT32_MAX:
            raise PydanticCustomError(
                "misfit",
                "expected a weight of 0 or more for '{name}', got {weight}",
                {"name": name, "weight": str(weight)},
            )
    if not any(value.values()):
        raise PydanticCustomError("misfit", "every weight is 0: nothing would be learned")
    return {name: float(weight) for name, weight in value.items()}


ClassWeights = Annotated[
    Literal["balanced"] | dict[str, float] | None,
    BeforeValidator(_as_class_weights),
    WithJsonSchema(
        {
            "anyOf": [
                {"const": "balanced"},
                {"type": "object", "minProperties": 1, "additionalProperties": {"type": "number", "minimum": 0}},
                {"type": "null"},
            ]
        }
    ),
]
Precision = Literal["float32", "mixed_bfloat16", "mixed_float16"]
Accuracy = Annotated[float, Field(ge=0, le=1)]


class Model(Strict):
    """The network.

    layers: what a picture goes through, in order, to one output a class.
    """

    layers: Annotated[list[Layer], Field(min_length=1, max_length=MAX_LAYERS)]

    @model_validator(mode="after")
    def _check_size(self) -> Self:
        if depth(self.layers) > MAX_DEPTH:
            raise PydanticCustomError("misfit", f"blocks within blocks, more than {MAX_DEPTH} deep")
        if (count := unrolled(self.layers)) > MAX_LAYERS:
            raise PydanticCustomError("misfit", f"{count:,} layers with all repeats; expected at most {MAX_LAYERS:,}")
        return self


class Train(Strict):
    """How to train.

    epochs: how often every training example is seen.
    batch_size: examples a step, over all replicas together.
    optimizer: how a step changes the weights.
    loss: what training makes small.
    class_weights: what an example's loss is multiplied by in the gradient, by its class, as Keras's
    `fit(class_weight=...)` does: `balanced`, examples / (classes * examples of the class) over the training split as in
    scikit-learn, or a map of class names to weights, 1 for those that it leaves out. Losses that are reported, of
    training and of validation, are not weighted.
    schedule: how the learning rate changes.
    callbacks: what watches the training.
    precision: of the arithmetic: `float32`, or half of that for all but weights, their updates, losses and the last
    layer: `mixed_bfloat16`, for processors that have it (AMX, AVX512-BF16) and newer GPUs, or `mixed_float16`, whose
    losses are scaled so that small gradients do not vanish, for GPUs.
    devices: what to train on: `auto`, all GPUs or TPUs that there are, else the CPU; `cpu`; `gpu`, all of them; or how
    many: so many GPUs or, where there is none, so many parts of the CPU, which is for trying.
    threads: how many threads compute an operation, and how many operations are computed beside each other; as many as
    the process may use cores unless given. Sums are added in another order with another number, so that the last digits
    are those of the same number only.
    jit: whether XLA compiles the forward and backward pass: `auto`, on a GPU only, for on a CPU it made every network
    slower, LeNet three times.
    input_pipeline: how pictures come to the device: `resident`, all of them at once; `streamed`, batch by batch, in
    memory that does not grow with the data; or `auto`, resident if they take at most half of its memory. The numbers
    are the same.
    deterministic: whether the same seed gives the same bits, on the same machine with the same versions. Without it
    GPUs are somewhat faster, and a resumed run is not quite the one that was not interrupted.
    test: when the test set is measured: at the `end` of the training, or `never`, so that it stays untouched until
    `cnnlab evaluate` measures it.
    keep: how many checkpoints are kept: the newest, and those before it for the case that it is damaged.
    checkpoint_minutes: a checkpoint is written after every epoch, and within one after so many minutes.
    """

    epochs: Annotated[int, Field(gt=0, le=1_000_000)] = 10
    batch_size: Annotated[int, Field(gt=0, lt=2**31)] = 128
    optimizer: Optimizer = Sgd()
    loss: Loss = CrossEntropy()
    class_weights: ClassWeights = None
    schedule: Schedule = Constant()
    callbacks: Annotated[list[Callback], Field(max_length=100)] = Field(default_factory=list)
    precision: Precision = "float32"
    devices: Devices = "auto"
    threads: Annotated[int, Field(gt=0, le=MAX_THREADS)] | None = None
    jit: Literal["auto", "on", "off"] = "auto"
    input_pipeline: Literal["auto", "resident", "streamed"] = "auto"
    deterministic: bool = True
    test: Literal["end", "never"] = "end"
    keep: Annotated[int, Field(gt=0, le=1_000_000)] = 2
    checkpoint_minutes: Annotated[float, Field(gt=0, le=1e6)] = 10.0


class Published(Strict):
    """What the source of the experiment prints, to hold results against.

    source: where it is printed.
    id: what it is called there.
    accuracy: on the test set after the last epoch, a fraction.
    loss: on the test set after the last epoch.
    training_loss: after the last epoch.
    untrained_accuracy: on the test set before the first epoch.
    epochs: how many epochs these are for.
    table: rows of [epoch, accuracy, loss] on the test set, epochs from 1.
    parameters: weights and biases.
    weights: without the biases.
    multiplications: of one example going forward.
    additions: the same.
    weight_memory: bytes of the weights, without the biases.
    """

    source: str
    id: str | None = None
    accuracy: Accuracy | None = None
    loss: float | None = None
    training_loss: float | None = None
    untrained_accuracy: Accuracy | None = None
    epochs: PositiveInt | None = None
    table: list[Annotated[list[int | float], Field(min_length=3, max_length=3)]] | None = None
    parameters: PositiveInt | None = None
    weights: PositiveInt | None = None
    multiplications: PositiveInt | None = None
    additions: PositiveInt | None = None
    weight_memory: PositiveInt | None = None


class Experiment(Strict):
    """One YAML file: a data set, a network, how to train it.

    name: what its run folders are called: the file's name unless given.
    data: which examples.
    preprocessing: what pictures go through before the network.
    model: the network.
    train: how to train.
    seed: what the weights, the order of the examples and the dropout are drawn from.
    published: what the source of the experiment prints.
    """

    name: FolderName
    data: Data
    preprocessing: Preprocessing = Preprocessing()
    model: Model
    train: Train = Train()
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    published: Published | None = None

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """What the first layer gets: (height, width, channels) with the padding."""
        height, width, channels = self.data.image_shape
        padding = 2 * self.preprocessing.zero_padding
        return height + padding, width + padding, channels
