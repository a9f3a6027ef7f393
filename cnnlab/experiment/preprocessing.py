"""Preprocessing of images: padding and scaling of every image, augmentation of training images."""

from typing import Annotated, Literal

from pydantic import Field

from cnnlab.experiment.augmentation import Augmentation
from cnnlab.experiment.choice import Strict


class Preprocessing(Strict):
    """Preprocessing of images before the network; padding and scaling are part of the saved model."""

    zero_padding: Annotated[int, Field(ge=0, le=512)] = 0
    """Rows and columns of black pixels added on each side of an image."""
    scale: Literal["zero_one", "minus_one_one", "standardize"] = "zero_one"
    """Range of the pixel values: `zero_one`, 0 to 1; `minus_one_one`, -1 to 1; or `standardize`, mean 0 and standard
    deviation 1 per channel over the training examples.
    """
    augmentation: Annotated[list[Augmentation], Field(max_length=20)] = Field(default_factory=list)
    """Random changes of training images, in this order, drawn again in every epoch."""
