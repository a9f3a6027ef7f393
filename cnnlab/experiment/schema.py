"""One experiment: a data set, a network, how to train it.

The models are frozen, so that an experiment stays equal to its file.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, PositiveInt, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from cnnlab.experiment.adversarial import Adversarial
from cnnlab.experiment.callbacks import Callback
from cnnlab.experiment.choice import FLOAT32_MAX, NULL, Positive, Strict, any_schema
from cnnlab.experiment.data import Data
from cnnlab.experiment.layers.blocks import MAX_DEPTH, MAX_LAYERS, Layer, count_layers, depth
from cnnlab.experiment.losses import CrossEntropy, Loss
from cnnlab.experiment.optimizers import Optimizer, Sgd
from cnnlab.experiment.preprocessing import Preprocessing
from cnnlab.experiment.pretrained import Pretrained
from cnnlab.experiment.progressive_resizing import ImageSize, ProgressiveResizing
from cnnlab.experiment.schedules import Constant, Schedule
from cnnlab.experiment.search import Search
from cnnlab.experiment.test_time import TestTime

FOLDER_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
FOLDER_NAME_RULE = "at most 100 letters, digits, '.', '_' and '-', first a letter or digit"
FolderName = Annotated[str, StringConstraints(pattern=FOLDER_NAME)]


def _as_devices(value: Any) -> Any:
    if value not in ("auto", "cpu", "gpu") and not (type(value) is int and 1 <= value <= MAX_DEVICES):
        raise PydanticCustomError(
            "devices_expected", f"expected 'auto', 'cpu', 'gpu' or a number of devices, 1 to {MAX_DEVICES}"
        )
    return value


MAX_DEVICES = 1024
MAX_THREADS = 1024
THREAD_VARIABLES = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
"""TensorFlow's own, for what `train.threads` sets."""
Devices = Annotated[
    Literal["auto", "cpu", "gpu"] | int,
    BeforeValidator(_as_devices),
    any_schema({"enum": ["auto", "cpu", "gpu"]}, {"type": "integer", "minimum": 1, "maximum": MAX_DEVICES}),
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
        raise PydanticCustomError("misfit", "all weights are 0, with which nothing is learned")
    return {name: float(weight) for name, weight in value.items()}


ClassWeights = Annotated[
    Literal["balanced"] | dict[str, float] | None,
    BeforeValidator(_as_class_weights),
    any_schema(
        {"const": "balanced"},
        {"type": "object", "minProperties": 1, "additionalProperties": {"type": "number", "minimum": 0}},
        NULL,
    ),
]
Precision = Literal["float32", "mixed_bfloat16", "mixed_float16"]
Accuracy = Annotated[float, Field(ge=0, le=1)]


class Model(Strict):
    """The network."""

    layers: Annotated[list[Layer], Field(min_length=1, max_length=MAX_LAYERS)]
    """Layers in order, from the image to one output per class."""
    pretrained: Pretrained | None = None
    """Weights of another network to start from, such as `{from: runs/cifar-1, freeze: true}`."""

    @model_validator(mode="after")
    def _check_size(self) -> Self:
        if depth(self.layers) > MAX_DEPTH:
            raise PydanticCustomError("misfit", f"blocks nested more than {MAX_DEPTH} deep")
        if (count := count_layers(self.layers)) > MAX_LAYERS:
            raise PydanticCustomError("misfit", f"{count:,} layers with all repeats; expected at most {MAX_LAYERS:,}")
        return self


class Train(Strict):
    """Training."""

    epochs: Annotated[int, Field(gt=0, le=1_000_000)] = 10
    """Number of passes over the training examples."""
    batch_size: Annotated[int, Field(gt=0, lt=2**31)] = 128
    """Number of examples per step, over all replicas together."""
    optimizer: Optimizer = Sgd()
    """How a step changes the weights."""
    bias_learning_rate_factor: Positive = 1.0
    """Factor of the learning rate, but not of weight decay, for biases and the shifts of batch normalization."""
    loss: Loss = CrossEntropy()
    """What training minimizes."""
    class_weights: ClassWeights = None
    """Factors of the loss of an example by its class, as in Keras's `fit(class_weight=...)`: `balanced`, examples /
    (classes * examples of the class) over the training split as in scikit-learn, or a map from class names to weights,
    1 for classes that it leaves out. Reported losses, of training and validation, are not weighted.
    """
    adversarial: Adversarial | None = None
    """Adversarial training, such as `{epsilon: 0.1, steps: 7}`: on images perturbed so that the loss is large."""
    progressive_resizing: ProgressiveResizing | None = None
    """Training on smaller images first, such as `{initial_scale: 0.75}`."""
    schedule: Schedule = Constant()
    """How the learning rate changes."""
    callbacks: Annotated[list[Callback], Field(max_length=100)] = Field(default_factory=list)
    """Callbacks that run during training."""
    precision: Precision = "float32"
    """Precision of the computation: `float32`; `mixed_bfloat16`, for CPUs with AMX or AVX512-BF16 and recent GPUs; or
    `mixed_float16`, for GPUs, with loss scaling against vanishing gradients. Mixed precision keeps weights, their
    updates, losses and the last layer in float32.
    """
    devices: Devices = "auto"
    """Devices to train on: `auto`, all GPUs or TPUs, or the CPU if there are none; `cpu`; `gpu`, all GPUs; or a number
    of GPUs. Without GPUs, a number splits the CPU into as many logical devices, for testing.
    """
    threads: Annotated[int, Field(gt=0, le=MAX_THREADS)] | None = None
    """Number of threads that compute an operation, and of operations that are computed at the same time; by default the
    number of cores that the process may use, or 1 where that trains a small network faster, which `train` says. Another
    number adds in another order, which changes the last digits of results.
    """
    jit: Literal["auto", "on", "off"] = "auto"
    """Whether XLA compiles the forward and backward pass. `auto` compiles on a GPU, and on a CPU as one device networks
    of dense layers with at least 100,000 multiplications; it made others slower there, LeNet three times.
    """
    input_pipeline: Literal["auto", "resident", "streamed"] = "auto"
    """How images reach the device: `resident`, all of them at once; `streamed`, batch by batch, in memory that does not
    grow with the data; or `auto`, resident if they take at most half of its memory. Results are the same.
    """
    deterministic: bool = True
    """Whether the same seed gives bitwise the same results on the same machine with the same versions. `false` is
    somewhat faster on GPUs, and then a resumed run may differ slightly from an uninterrupted one.
    """
    test: Literal["end", "never"] = "end"
    """When the test set is evaluated: at the `end` of training, or `never`, which leaves it untouched until `cnnlab
    evaluate`.
    """
    keep: Annotated[int, Field(gt=0, le=1_000_000)] = 2
    """Number of checkpoints to keep; an older one replaces a damaged one."""
    checkpoint_minutes: Annotated[float, Field(gt=0, le=1e6)] = 10.0
    """Interval in minutes between checkpoints within an epoch; one is also written after every epoch."""

    @property
    def spans_training(self) -> bool:
        """Whether what an epoch does depends on the number of epochs."""
        return self.schedule.spans_training or self.progressive_resizing is not None


class Published(Strict):
    """Published results of the experiment, to compare with."""

    source: str
    """Where the results are published."""
    id: str | None = None
    """Name of the experiment there."""
    accuracy: Accuracy | None = None
    """Test accuracy after the last epoch, as a fraction."""
    loss: float | None = None
    """Test loss after the last epoch."""
    training_loss: float | None = None
    """Training loss after the last epoch."""
    untrained_accuracy: Accuracy | None = None
    """Test accuracy before the first epoch."""
    epochs: PositiveInt | None = None
    """Number of epochs of these results."""
    table: list[Annotated[list[int | float], Field(min_length=3, max_length=3)]] | None = None
    """Rows of [epoch, accuracy, loss] on the test set; epochs count from 1."""
    parameters: PositiveInt | None = None
    """Number of weights and biases."""
    weights: PositiveInt | None = None
    """Number of weights without biases."""
    multiplications: PositiveInt | None = None
    """Multiplications of the forward pass for one example."""
    additions: PositiveInt | None = None
    """Additions of the forward pass for one example."""
    weight_memory: PositiveInt | None = None
    """Memory of the weights without biases, in bytes."""


class Experiment(Strict):
    """One YAML file: a data set, a network, how to train it."""

    name: FolderName
    """Name of the run folders; by default the name of the file."""
    data: Data
    """Data set."""
    preprocessing: Preprocessing = Preprocessing()
    """Preprocessing of images before the network."""
    model: Model
    """Network."""
    train: Train = Train()
    """Training."""
    test_time: TestTime | None = None
    """Averaging predictions over several views of an image, such as `{flip: true}`."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Seed of the weights, the order of the examples and dropout."""
    published: Published | None = None
    """Published results to compare with."""
    search: Search | None = None
    """Search space of `cnnlab sweep`; without it the file is one experiment."""

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Input of the first layer: (height, width, channels) with the padding."""
        height, width, channels = self.data.image_shape
        padding = 2 * self.preprocessing.zero_padding
        return height + padding, width + padding, channels

    def training_size(self, epoch: int) -> ImageSize:
        """(height, width) of the first layer's input in an epoch of training, counted from 0."""
        full, resizing = self.input_shape[:2], self.train.progressive_resizing
        return resizing.size(full, epoch, self.train.epochs) if resizing else full

    @property
    def stages(self) -> list[tuple[int, ImageSize]]:
        """The first epoch of each size of training images, counted from 0, and that size; one without resizing."""
        full, resizing = self.input_shape[:2], self.train.progressive_resizing
        return resizing.stages(full, self.train.epochs) if resizing else [(0, full)]

    @property
    def shown_stages(self) -> str:
        """`24×24 in epochs 1 to 6, 28×28 in epoch 7, 32×32 from epoch 8`."""
        begins, sizes = zip(*self.stages, strict=True)
        shown = []
        for (height, width), begin, end in zip(sizes, begins, [*begins[1:], None], strict=True):
            if end is None:
                epochs = f"from epoch {begin + 1}"
            else:
                epochs = f"in epoch {end}" if end == begin + 1 else f"in epochs {begin + 1} to {end}"
            shown.append(f"{height}×{width} {epochs}")
        return ", ".join(shown)
