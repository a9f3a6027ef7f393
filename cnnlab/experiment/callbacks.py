"""What watches the training: Keras's callbacks, by their names in the field."""

from typing import Annotated, ClassVar

from pydantic import PositiveInt, Tag

from cnnlab.experiment.choice import Choice, NonNegative, by_kind
from cnnlab.experiment.schedules import Monitor


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
    short: ClassVar[str | None] = "patience"
    patience: PositiveInt
    monitor: Monitor = "val_loss"
    min_delta: NonNegative = 0.0
    restore_best_weights: bool = False


Callback = Annotated[Annotated[EarlyStopping, Tag("early_stopping")], by_kind]
