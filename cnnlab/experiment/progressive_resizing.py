"""Training on smaller images first."""

from itertools import groupby
from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from cnnlab.experiment.choice import Strict

ImageSize = tuple[int, int]
"""(height, width) in pixels."""


class ProgressiveResizing(Strict):
    """Trains on smaller images in the first epochs, which take less time, and on images of full size in the last ones.

    Images are resized bilinearly after augmentation, `zero_padding` and `scale`. The network must have the same weights
    for every size, as with global pooling before its dense layers. Validation and test images keep their size, and so
    do those of `bench`, `find-rate` and `look`. The options are those of MosaicML Composer's `ProgressiveResizing`.
    """

    initial_scale: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Height and width of the images in the first epochs, as a fraction of the full ones."""
    delay_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """Fraction of the epochs with the initial size."""
    finetune_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Fraction of the epochs, at the end, with the full size. In between the size grows linearly."""
    size_increment: Annotated[int, Field(gt=0, le=4096)] = 4
    """Sizes are rounded to multiples of so many pixels. Each size is compiled anew."""

    @model_validator(mode="after")
    def _check_fractions(self) -> Self:
        if (total := self.delay_fraction + self.finetune_fraction) > 1:
            raise PydanticCustomError(
                "misfit",
                "delay_fraction and finetune_fraction add up to {total}; expected at most 1",
                {"total": f"{total:g}"},
            )
        return self

    def size(self, full: ImageSize, epoch: int, epochs: int) -> ImageSize:
        """The size of images of `full` size in an epoch, counted from 0, of so many."""
        grown, growing = epoch / epochs - self.delay_fraction, 1 - self.delay_fraction - self.finetune_fraction
        part = min(1.0, max(0.0, grown) / growing) if growing > 0 else float(grown >= 0)
        scale = self.initial_scale + (1 - self.initial_scale) * part
        height, width = (self._rounded(side, scale) for side in full)
        return height, width

    def _rounded(self, side: int, scale: float) -> int:
        if scale > 1 - 1e-9:  # fractions of epochs are not exact
            return side
        return max(1, min(side, self.size_increment * round(side * scale / self.size_increment)))

    def stages(self, full: ImageSize, epochs: int) -> list[tuple[int, ImageSize]]:
        """The first epoch, counted from 0, of each size, in the order of training."""
        by_size = groupby(range(epochs), lambda epoch: self.size(full, epoch, epochs))
        return [(next(members), size) for size, members in by_size]
