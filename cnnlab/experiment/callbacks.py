"""What watches the training: Keras's callbacks, by their names in the field, and a user's own."""

import re
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, JsonValue, PositiveInt, WithJsonSchema
from pydantic_core import PydanticCustomError

from cnnlab.experiment.choice import Choice, NonNegative, by_kind
from cnnlab.experiment.schedules import Monitor

IMPORT_PATH = r"^[A-Za-z_]\w{0,99}(\.[A-Za-z_]\w{0,99}){1,9}$"


def _as_import_path(value: Any) -> Any:
    if not (isinstance(value, str) and re.fullmatch(IMPORT_PATH, value)):
        raise PydanticCustomError(
            "import_path_expected", "expected a module and a name in it, such as my_module.MyCallback"
        )
    return value


class EarlyStopping(Choice):
    """Ends the training when the monitored value has not become better for `patience` epochs.

    `keras.callbacks.EarlyStopping`.

    patience: how many epochs without a gain.
    monitor: the column of the table that is watched.
    min_delta: a smaller gain does not count.
    restore_best_weights: whether the weights of the best epoch are kept, not the last epoch's.
    Example: early_stopping: {patience: 5, restore_best_weights: true}
    """

    kind: ClassVar[str] = "early_stopping"
    keras: ClassVar[tuple[str, ...]] = ("EarlyStopping",)
    shorthand: ClassVar[str | None] = "patience"
    patience: PositiveInt
    monitor: Monitor = "val_loss"
    min_delta: NonNegative = 0.0
    restore_best_weights: bool = False


class TensorBoard(Choice):
    """Writes events for TensorBoard into the run folder; `cnnlab tensorboard runs/` shows them.

    After every epoch loss, accuracy and learning rate, and of the first examples of an epoch the distribution of
    weights and gradients and the share of each layer's outputs that are not zero; at the start the graph and the first
    pictures. What it computes changes no number of the training.

    histograms: every so many epochs what is computed of the examples; 0: never.
    examples: how many of them; at most a batch.
    images: how many pictures.
    Example: tensorboard: {histograms: 5}
    """

    kind: ClassVar[str] = "tensorboard"
    histograms: Annotated[int, Field(ge=0)] = 1
    examples: Annotated[int, Field(gt=0, le=4096)] = 128
    images: Annotated[int, Field(ge=0, le=100)] = 16


class UserCallback(Choice):
    """Any other `keras.callbacks.Callback`, Keras's or of your own.

    It gets the logs and the model that Keras's `fit` would give it; hooks of batches fire once for the many steps of a
    graph call. Training imports its module from the working directory or the installed packages.

    path: the import path of its class, or of a function that makes it, such as `keras.callbacks.TensorBoard`.
    arguments: what that is called with; `{run}` in a text is the run folder.
    Example: callback: {path: my_callbacks.Histogram, arguments: {every: 2}}
    """

    kind: ClassVar[str] = "callback"
    shorthand: ClassVar[str | None] = "path"
    path: Annotated[str, BeforeValidator(_as_import_path), WithJsonSchema({"type": "string", "pattern": IMPORT_PATH})]
    arguments: dict[str, JsonValue] = Field(default_factory=dict)


Callback = Annotated[EarlyStopping | TensorBoard | UserCallback, by_kind]
