"""From an experiment's network to a Keras model."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import keras
import tensorflow as tf

from cnnlab.data import Dataset
from cnnlab.data.statistics import pixel_statistics
from cnnlab.errors import ConfigError
from cnnlab.experiment.choice import Choice
from cnnlab.experiment.layers import Leaf, Shape, show
from cnnlab.experiment.layers.backbone import Backbone
from cnnlab.experiment.layers.elementwise import PadShortcut
from cnnlab.experiment.layers.pooling import ChannelMaxPool
from cnnlab.experiment.losses import CrossEntropy, MeanSquaredError
from cnnlab.experiment.network import LayerError, Place, assemble
from cnnlab.experiment.preprocessing import Preprocessing
from cnnlab.experiment.schema import Experiment, Model, Precision, Train
from cnnlab.experiment.summary import summarize
from cnnlab.models import backbone, dirac
from cnnlab.models.determinism import draw_by_replica
from cnnlab.models.learning_rates import scale_biases
from cnnlab.paths import KeyPath, show_path

Scaling = tuple[float, float] | tuple[list[float], list[float]]
"""What pixels are multiplied by and what is then added: one number each, or one per channel."""
LAYERS: dict[str, type[keras.Layer]] = {
    "dense": keras.layers.Dense,
    "conv2d": keras.layers.Conv2D,
    "depthwise_conv2d": keras.layers.DepthwiseConv2D,
    "separable_conv2d": keras.layers.SeparableConv2D,
    "max_pool2d": keras.layers.MaxPooling2D,
    "avg_pool2d": keras.layers.AveragePooling2D,
    "global_avg_pool2d": keras.layers.GlobalAveragePooling2D,
    "global_max_pool2d": keras.layers.GlobalMaxPooling2D,
    "flatten": keras.layers.Flatten,
    "dropout": keras.layers.Dropout,
    "batch_norm": keras.layers.BatchNormalization,
    "activation": keras.layers.Activation,
    "zero_padding2d": keras.layers.ZeroPadding2D,
    "rescale": keras.layers.Rescaling,
}
PREPROCESSING = ("input_padding", "input_scaling")
"""The layers before those of the experiment, in their order, where it has them."""
MERGES: dict[str, type[keras.Layer]] = {"add": keras.layers.Add, "concatenate": keras.layers.Concatenate}
# Keras corrects the stddev of its scaled normals for their cut at two stddev, by this factor (its source calls it
# "constant from scipy.stats.truncnorm.std(a=-2, b=2)"); the course does not.
_CUT = 0.87962566103423978
INITIALIZERS: dict[str, Callable[..., keras.initializers.Initializer]] = {
    "glorot_uniform": keras.initializers.GlorotUniform,
    "glorot_normal": keras.initializers.GlorotNormal,
    "he_uniform": keras.initializers.HeUniform,
    "he_normal": keras.initializers.HeNormal,
    "lecun_uniform": keras.initializers.LecunUniform,
    "lecun_normal": keras.initializers.LecunNormal,
    "xavier": lambda: keras.initializers.VarianceScaling(_CUT**2, "fan_avg", "truncated_normal"),
    "he": lambda: keras.initializers.VarianceScaling(2 * _CUT**2, "fan_in", "truncated_normal"),
    "truncated_normal": keras.initializers.TruncatedNormal,
    "random_normal": keras.initializers.RandomNormal,
    "random_uniform": keras.initializers.RandomUniform,
    "orthogonal": keras.initializers.Orthogonal,
    "zeros": keras.initializers.Zeros,
    "ones": keras.initializers.Ones,
    "dirac": lambda: keras.initializers.GlorotUniform(),  # part of which models/dirac.py replaces
    "whitening": lambda: keras.initializers.GlorotUniform(),  # which models/whitening.py replaces
}
REGULARIZERS: dict[str, type[keras.regularizers.Regularizer]] = {
    "l1": keras.regularizers.L1,
    "l2": keras.regularizers.L2,
    "l1_l2": keras.regularizers.L1L2,
}
OPTIMIZERS: dict[str, type[keras.optimizers.Optimizer]] = {
    "sgd": keras.optimizers.SGD,
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "rmsprop": keras.optimizers.RMSprop,
}


@dataclass(frozen=True)
class Inputs:
    """The part of a data set that the layers of a network depend on.

    `image_shape` is (height, width, channels). `mean` and `std` are those of each channel over the training images, as
    values in [0, 1]; None unless `preprocessing.scale` is `standardize`.
    """

    image_shape: tuple[int, int, int]
    num_classes: int
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None

    @classmethod
    def from_dataset(cls, dataset: Dataset, preprocessing: Preprocessing) -> Self:
        """Measure a data set."""
        if preprocessing.scale != "standardize":
            return cls(dataset.image_shape, dataset.num_classes)
        statistics = pixel_statistics(dataset.train)
        return cls(dataset.image_shape, dataset.num_classes, statistics.mean, statistics.std)


def build_for(experiment: Experiment, inputs: Inputs) -> keras.Model:
    """The network of an experiment. Raises ConfigError as `build` does."""
    return build(
        experiment.model,
        inputs.image_shape,
        inputs.num_classes,
        name=experiment.name,
        zero_padding=experiment.preprocessing.zero_padding,
        scaling=_scaling(experiment.preprocessing, inputs),
        precision=experiment.train.precision,
    )


def build(
    model: Model,
    image_shape: tuple[int, int, int],
    num_classes: int,
    *,
    name: str,
    zero_padding: int = 0,
    scaling: Scaling | None = None,
    precision: Precision = "float32",
) -> keras.Model:
    """A network from images (n, *image_shape) float32 in [0, 1] to outputs (n, num_classes).

    Padding and scaling come first. The last layer computes in float32 whatever the `precision` of the others, for the
    loss needs all the digits of its outputs (Micikevicius et al. 2017).
    Its layers are named by kind and position (`conv2d_0`), so that the same model has the same names everywhere.
    Raises ConfigError where a layer cannot take what the one before it gives, or its weights need too much memory.
    """
    height, width, channels = image_shape
    try:
        summary = summarize(model.layers, (height + 2 * zero_padding, width + 2 * zero_padding, channels))
    except LayerError as error:
        raise ConfigError(f"{show_path(error.path)}: {error}") from None
    if summary.output_shape != (num_classes,):
        ends = show(summary.output_shape)
        raise ConfigError(f"model.layers: the network ends in {ends}; expected ({num_classes},), one output per class")
    inputs = value = keras.Input(image_shape, name="image")
    if zero_padding:
        value = keras.layers.ZeroPadding2D(zero_padding, name=PREPROCESSING[0], dtype="float32")(value)
    if scaling:
        value = keras.layers.Rescaling(*scaling, name=PREPROCESSING[1], dtype="float32")(value)
    frozen = model.pretrained.frozen(summary.names) if model.pretrained else ()
    assembler = _KerasAssembler(precision, last=("model", "layers", len(model.layers) - 1), frozen=frozen)
    built = keras.Model(inputs, assemble(model.layers, value, assembler), name=name)
    dirac.assign(built, summary)
    return built


def _scaling(preprocessing: Preprocessing, inputs: Inputs) -> Scaling | None:
    if preprocessing.scale == "minus_one_one":
        return 2.0, -1.0
    if inputs.mean is None or inputs.std is None:
        return None
    factors = [1 / std if std else 1.0 for std in inputs.std]  # a constant channel is only shifted
    return factors, [-mean * factor for mean, factor in zip(inputs.mean, factors, strict=True)]


def attach_optimizer(model: keras.Model, train: Train) -> None:
    """Make `model` ready to be trained.

    It gets the optimizer, where Keras's callbacks look for it, and the loss, for users of model.keras.
    """
    options = dict(train.optimizer)
    if train.optimizer.kind == "sgd" and not options["weight_decay"]:
        options["weight_decay"] = None  # not even computed; AdamW takes 0
    optimizer = OPTIMIZERS[train.optimizer.kind](**options)
    if train.precision == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    loss: Any = None  # Keras has no sum of squares
    if isinstance(train.loss, CrossEntropy):
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=train.loss.from_logits)
    elif isinstance(train.loss, MeanSquaredError):
        loss = keras.losses.MeanSquaredError()
    model.compile(optimizer, loss, metrics=["accuracy"])
    model.optimizer.build(model.trainable_variables)
    scale_biases(model, train.bias_learning_rate_factor)
    draw_by_replica(model)


class _KerasAssembler:
    """Layers applied to Keras's symbolic tensors, in `precision`, but the one at the path `last` in float32."""

    def __init__(self, precision: Precision = "float32", last: KeyPath = (), frozen: Collection[str] = ()) -> None:
        self._precision, self._last, self._frozen = precision, last, frozen

    def shape(self, value: keras.KerasTensor) -> Shape:
        return tuple(value.shape[1:])

    def apply(self, spec: Leaf, place: Place, value: keras.KerasTensor) -> keras.KerasTensor:
        common = {"name": place.name, "dtype": "float32" if place.path[:3] == self._last else self._precision}
        try:
            match spec:
                case Backbone():
                    is_frozen = spec.freeze or place.name in self._frozen
                    return backbone.build(spec, self.shape(value), place.name, self._precision, frozen=is_frozen)(value)
                case ChannelMaxPool():
                    *rest, channels = self.shape(value)
                    groups = (*rest, channels // spec.pool_size, spec.pool_size)
                    return keras.ops.max(keras.layers.Reshape(groups, **common)(value), axis=-1)
                case PadShortcut():
                    pooled = keras.layers.MaxPooling2D(1, spec.strides, "same", **common)(value)
                    missing = spec.channels - value.shape[-1]
                    return keras.ops.pad(pooled, [(0, 0), (0, 0), (0, 0), (missing // 2, missing - missing // 2)])
            return LAYERS[spec.kind](**_arguments(spec), **common)(value)
        except (OverflowError, tf.errors.ResourceExhaustedError) as error:
            raise ConfigError(f"{show_path(place.path)}: its weights need more memory than there is") from error

    def merge(
        self, kind: Literal["add", "concatenate"], place: Place, values: Sequence[keras.KerasTensor]
    ) -> keras.KerasTensor:
        return MERGES[kind](name=place.name, dtype=self._precision)(list(values))


def _arguments(spec: Leaf) -> dict[str, Any]:
    """The keyword arguments of the Keras layer of `spec`."""
    arguments = dict(spec)
    if "kernel_initializer" not in arguments:
        return arguments
    initializer, regularizer = arguments.pop("kernel_initializer"), arguments.pop("kernel_regularizer")
    kernels = {"depthwise_conv2d": ("depthwise",), "separable_conv2d": ("depthwise", "pointwise")}
    for kernel in kernels.get(spec.kind, ("kernel",)):
        arguments[f"{kernel}_initializer"] = _make(INITIALIZERS, initializer)
        arguments[f"{kernel}_regularizer"] = regularizer and _make(REGULARIZERS, regularizer)
    return arguments


def _make(classes: dict[str, Any], spec: Choice) -> Any:
    """The Keras object of `spec`, whose fields are its keyword arguments."""
    return classes[spec.kind](**dict(spec))
