"""One part of a cross-validation."""

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from cnnlab.experiment.choice import Strict

MAX_FOLDS = 1000


class Fold(Strict):
    """One fold of a cross-validation: the test set of this run; `train --folds` sets it in one run per fold.

    All training examples are divided into folds, which are stratified and keep groups together. This fold is measured
    after the last epoch, as a test set is; validation examples are held out of the other folds. The test set of the
    data is not used.
    """

    usage: ClassVar[tuple[str, ...]] = ("fold: {number: 1, of: 5}",)
    number: Annotated[int, Field(ge=1, le=MAX_FOLDS)]
    """Which fold, from 1."""
    of: Annotated[int, Field(ge=2, le=MAX_FOLDS)]
    """The number of folds."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """The seed of the partition."""

    @model_validator(mode="after")
    def _check_number(self) -> Self:
        if self.number > self.of:
            raise PydanticCustomError("misfit", f"fold {self.number} of {self.of}; expected 1 to {self.of}")
        return self
