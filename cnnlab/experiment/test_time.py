"""Averaging predictions over several views of an image."""

from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from cnnlab.experiment.choice import Strict


class TestTime(Strict):
    """Averages the outputs of the network over several views of each image: test-time augmentation.

    In validation, `evaluate`, `predict` and exported networks. Training, `look` and `fool` use the image as it is, and
    so does `model.keras` of the run folder.
    """

    __test__ = False  # no test of pytest's

    flip: bool = False
    """Whether to also predict the mirrored image, with the same weight."""
    translate: Annotated[int, Field(ge=0, le=512)] = 0
    """Distance in pixels: also predicts the image shifted by so many up and left, and down and right; these two have
    half of the weight. Exposed pixels are black. Jordan 2024, "94% on CIFAR-10 in 3.29 seconds".
    """

    @model_validator(mode="after")
    def _check_views(self) -> Self:
        if not (self.flip or self.translate):
            raise PydanticCustomError("misfit", "expected flip: true, translate: N, or both")
        return self
