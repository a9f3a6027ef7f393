"""Data sets of one's own: what has to be said of them so that a network can be checked before any is read."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from cnnlab.experiment.data.base import LONGEST_SIDE, DataSpec, ImageShape, NumClasses, OwnValidation, Share

MAX_EXAMPLES = 10_000_000


def _as_image_size(value: Any) -> Any:
    sides = tuple(value) if isinstance(value, list | tuple) else (value, value)
    if len(sides) != 2 or not all(type(side) is int and 0 < side <= LONGEST_SIDE for side in sides):
        raise PydanticCustomError(
            "image_size_expected", f"expected a side or [height, width], integers from 1 to {LONGEST_SIDE}"
        )
    return sides


ImageSize = Annotated[
    tuple[int, int],
    BeforeValidator(_as_image_size),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": LONGEST_SIDE},
                {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 2, "maxItems": 2},
            ]
        }
    ),
]


class OwnData(DataSpec):
    """Examples of one's own.

    test: what is set aside as the test set where there is none, stratified, always the same: a count or a fraction.
    """

    test: Share = 0.2


class Folder(OwnData):
    """A folder of pictures: `train/CLASS/*.jpg`, `test/CLASS/*.jpg` and, if you like, `validation/CLASS/*.jpg`.

    A folder of nothing but classes, `CLASS/*.jpg`, is divided by `test` and `validation`. PNG, JPEG, BMP, GIF, WebP,
    TIFF and PPM are read; each picture is brought to one size and to grey or colour, once: what was decoded is kept in
    the user's cache folder, and may be deleted.

    path: the folder, looked for in `dir`, in `$CNNLAB_DATA_DIR`, then in the working directory.
    image_size: the side of every picture in pixels, or [height, width].
    channels: 3 for colour, 1 for grey.
    num_classes: how many classes there are, a folder each.
    fit: how a picture comes to its size: `stretch` both sides, `crop` what is too long, or `pad` what is too short.
    validation: as for every data set; `auto` takes the folder `validation` where there is one, else a tenth.
    Example: data: {name: folder, path: pets, image_size: 64, num_classes: 37}
    """

    name: Literal["folder"]
    path: str
    image_size: ImageSize
    channels: Literal[1, 3] = 3
    num_classes: NumClasses
    fit: Literal["stretch", "crop", "pad"] = "stretch"
    validation: OwnValidation = "auto"

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        return (*self.image_size, self.channels)


class _Files(OwnData):
    """Examples in files of one's own, of which the test set may be missing.

    image_shape: [height, width, channels] of every picture.
    num_classes: how many classes there are.
    train_images: the training pictures.
    train_labels: their labels, from 0.
    test_images: the test pictures.
    test_labels: their labels.
    """

    image_shape: ImageShape
    num_classes: NumClasses
    train_images: str
    train_labels: str
    test_images: str | None = None
    test_labels: str | None = None

    @model_validator(mode="after")
    def _check_pairs(self) -> Self:
        if (self.test_images is None) != (self.test_labels is None):
            raise PydanticCustomError("misfit", "test_images and test_labels go together: give both or neither")
        return self


class Idx(_Files):
    """Two IDX files, or four with a test set: unsigned bytes of pictures, integers of labels; gzipped or not.

    A relative path is looked for in `dir`, in `$CNNLAB_DATA_DIR`, then in the working directory.

    Example: data: {name: idx, image_shape: [28, 28, 1], num_classes: 26, train_images: letters-images.gz, train_labels: letters-labels.gz}
    """  # noqa: E501 - an example is one line

    name: Literal["idx"]


class Raw(_Files):
    """Files of nothing but pixels, uint8, and files of nothing but labels.

    A relative path is looked for in `dir`, in `$CNNLAB_DATA_DIR`, then in the working directory.

    label_format: `uint8`, a byte a label, or `one_hot_float32`, as many float32 a label as there are classes.
    Example: data: {name: raw, image_shape: [48, 48, 1], num_classes: 2, label_format: one_hot_float32, train_images: a.bin, train_labels: b.bin, test_images: c.bin, test_labels: d.bin}
    """  # noqa: E501 - an example is one line

    name: Literal["raw"]
    label_format: Literal["uint8", "one_hot_float32"] = "uint8"


class Npz(OwnData):
    """A NumPy archive with the arrays `x_train`, `y_train` and, if there are, `x_test`, `y_test`, `x_val`, `y_val`.

    The names `train_images`, `train_labels` and so on are read too. Pictures are uint8, or floats in [0, 1] or
    [0, 255]; labels are integers from 0, or one-hot. A relative path is looked for in `dir`, in `$CNNLAB_DATA_DIR`,
    then in the working directory.

    file: the archive.
    image_shape: [height, width, channels] of every picture.
    num_classes: how many classes there are.
    validation: as for every data set; `auto` takes the archive's own where it has some, else a tenth.
    Example: data: {name: npz, file: bloodmnist.npz, image_shape: [28, 28, 3], num_classes: 8}
    """

    name: Literal["npz"]
    file: str
    image_shape: ImageShape
    num_classes: NumClasses
    validation: OwnValidation = "auto"


class Synthetic(DataSpec):
    """Pictures drawn at random, each class with a pattern of its own: to see whether something runs, and learns.

    image_shape: [height, width, channels] of every picture.
    num_classes: how many classes there are.
    train_examples: how many pictures to train on, before anything is held out.
    test_examples: how many to measure on.
    noise: how much of a picture is noise, from 0 to 1.
    Example: data: {name: synthetic, image_shape: [32, 32, 3], num_classes: 10}
    """

    name: Literal["synthetic"]
    image_shape: ImageShape = (28, 28, 1)
    num_classes: NumClasses = 10
    train_examples: Annotated[int, Field(gt=0, le=MAX_EXAMPLES)] = 2000
    test_examples: Annotated[int, Field(gt=0, le=MAX_EXAMPLES)] = 500
    noise: Annotated[float, Field(ge=0, le=1)] = 0.5

    def published_sizes(self) -> tuple[int, int]:
        """As asked for."""
        return self.train_examples, self.test_examples
