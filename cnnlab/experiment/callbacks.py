"""Callbacks: Keras's by name, and those of users by import path."""

import re
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, JsonValue, PositiveInt, WithJsonSchema
from pydantic_core import PydanticCustomError

from cnnlab.experiment.choice import Choice, Finite, NonNegative, by_kind
from cnnlab.experiment.schedules import Monitor

IMPORT_PATH = r"^[A-Za-z_]\w{0,99}(\.[A-Za-z_]\w{0,99}){1,9}$"


def _as_import_path(value: Any) -> Any:
    if not (isinstance(value, str) and re.fullmatch(IMPORT_PATH, value)):
        raise PydanticCustomError(
            "import_path_expected", "expected a module and a name in it, such as my_module.MyCallback"
        )
    return value


class EarlyStopping(Choice):
    """Stops training when the monitored value has not improved for `patience` epochs.

    `keras.callbacks.EarlyStopping`.
    """

    kind: ClassVar[str] = "early_stopping"
    keras: ClassVar[tuple[str, ...]] = ("EarlyStopping",)
    shorthand: ClassVar[str | None] = "patience"
    usage: ClassVar[tuple[str, ...]] = ("early_stopping: {patience: 5, restore_best_weights: true}",)
    patience: PositiveInt
    """Number of epochs without improvement to wait for."""
    monitor: Monitor = "val_loss"
    """Column of metrics.csv to watch."""
    min_delta: NonNegative = 0.0
    """Smallest change that counts as an improvement."""
    restore_best_weights: bool = False
    """Whether to restore the weights of the best epoch; otherwise those of the last epoch stay."""


class StopAt(Choice):
    """Stops training after the first epoch in which the monitored value reaches a target.

    `cnnlab race` adds it. The epoch is chosen by the monitored value, which is thus a little too good.
    """

    kind: ClassVar[str] = "stop_at"
    shorthand: ClassVar[str | None] = "value"
    usage: ClassVar[tuple[str, ...]] = ("stop_at: {monitor: val_accuracy, value: 0.99}",)
    value: Finite
    """The target: reached where an accuracy is at least, or a loss at most, this."""
    monitor: Monitor = "val_accuracy"
    """Column of metrics.csv to watch."""


class TensorBoard(Choice):
    """Writes events for TensorBoard into the run folder; `cnnlab tensorboard runs/` shows them.

    After every epoch: loss, accuracy and learning rate, and for the first examples of the epoch the distributions of
    weights and gradients and the fraction of each layer's outputs that are not zero. At the start: the graph and the
    first images. None of this changes the results of training.
    """

    kind: ClassVar[str] = "tensorboard"
    usage: ClassVar[tuple[str, ...]] = ("tensorboard: {histograms: 5}",)
    histograms: Annotated[int, Field(ge=0)] = 1
    """Interval in epochs between distributions; 0 disables them."""
    examples: Annotated[int, Field(gt=0, le=4096)] = 128
    """Number of examples that distributions are computed on; at most one batch."""
    images: Annotated[int, Field(ge=0, le=100)] = 16
    """Number of images to write."""


class UserCallback(Choice):
    """Any other `keras.callbacks.Callback`, from Keras or your own code.

    It gets the logs and the model that Keras's `fit` would pass; batch hooks fire once for the many steps of a graph
    call. Its module is imported from the working directory or the installed packages.
    """

    kind: ClassVar[str] = "callback"
    shorthand: ClassVar[str | None] = "path"
    usage: ClassVar[tuple[str, ...]] = ("callback: {path: my_callbacks.Histogram, arguments: {every: 2}}",)
    path: Annotated[str, BeforeValidator(_as_import_path), WithJsonSchema({"type": "string", "pattern": IMPORT_PATH})]
    """Import path of the class, or of a function that returns a callback, such as `keras.callbacks.TensorBoard`."""
    arguments: dict[str, JsonValue] = Field(default_factory=dict)
    """Keyword arguments for it; `{run}` in a string is replaced by the run folder."""


Callback = Annotated[EarlyStopping | StopAt | TensorBoard | UserCallback, by_kind]
