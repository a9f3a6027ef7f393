"""User data: the options that describe it, so that a network can be checked before any file is read."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from cnnlab.experiment.choice import FLOAT32_MAX, NULL, any_schema, list_schema
from cnnlab.experiment.data.base import (
    ClassNames,
    DataPath,
    DataSpec,
    ImageShape,
    NumClasses,
    UserData,
    UserValidation,
)
from cnnlab.experiment.data.image_files import Folder, Table

MAX_EXAMPLES = 10_000_000
MAX_LABEL_OFFSET = 2**31


def _as_range(value: Any) -> Any:
    if value is None:
        return None
    ends = tuple(value) if isinstance(value, list | tuple) else ()
    if not (
        len(ends) == 2
        and all(type(end) in (int, float) and abs(end) < FLOAT32_MAX for end in ends)
        and ends[0] < ends[1]
    ):
        raise PydanticCustomError("range_expected", "expected [black, white], such as [0, 1], [-1, 1] or [0, 255]")
    return tuple(map(float, ends))


ValueRange = Annotated[
    tuple[float, float] | None,
    BeforeValidator(_as_range),
    any_schema(list_schema({"type": "number"}, 2, 2), NULL),
]


class UserArrays(UserData):
    """Arrays in files."""

    image_shape: ImageShape
    """[height, width, channels] of every image."""
    num_classes: NumClasses
    """The number of classes."""
    class_names: ClassNames = None
    """Their names, in the order of the labels; the default is their numbers."""
    label_offset: Annotated[int, Field(ge=0, le=MAX_LABEL_OFFSET)] = 0
    """The label of the first class, such as 1 where labels count from 1."""
    range: ValueRange = None
    """[black, white], the values that become 0 and 255: [0, 1], [-1, 1], [0, 255]. Without it the range is
    inferred from the values, where that is unambiguous.
    """

    @model_validator(mode="after")
    def _check_class_names(self) -> Self:
        if self.class_names and len(self.class_names) != self.num_classes:
            raise PydanticCustomError("misfit", f"{len(self.class_names)} class_names for {self.num_classes} classes")
        return self


class _Files(UserArrays):
    """Images and labels in separate files; the test set is optional."""

    train_images: DataPath
    """The training images."""
    train_labels: DataPath
    """Their labels."""
    test_images: DataPath | None = None
    """The test images."""
    test_labels: DataPath | None = None
    """Their labels."""

    @model_validator(mode="after")
    def _check_pairs(self) -> Self:
        if (self.test_images is None) != (self.test_labels is None):
            raise PydanticCustomError("misfit", "test_images and test_labels go together: give both or neither")
        return self


class Idx(_Files):
    """Two IDX files, or four with a test set: unsigned bytes of images, integers of labels; gzipped or not.

    Relative paths are looked up in `dir`, beside this file, then in `$CNNLAB_DATA_DIR`.
    """

    usage: ClassVar[tuple[str, ...]] = (
        "data: {name: idx, image_shape: [28, 28, 1], num_classes: 26, "
        "train_images: letters-images.gz, train_labels: letters-labels.gz}",
    )
    name: Literal["idx"]


class Raw(_Files):
    """Files of pixels, uint8, and of labels, both without headers.

    Relative paths are looked up in `dir`, beside this file, then in `$CNNLAB_DATA_DIR`.
    """

    usage: ClassVar[tuple[str, ...]] = (
        "data: {name: raw, image_shape: [48, 48, 1], num_classes: 2, label_format: one_hot_float32, "
        "train_images: a.bin, train_labels: b.bin, test_images: c.bin, test_labels: d.bin}",
    )
    name: Literal["raw"]
    label_format: Literal["uint8", "one_hot_float32"] = "uint8"
    """`uint8`, one byte per label, or `one_hot_float32`, one float32 per label and class."""


class Npz(UserArrays):
    """A NumPy archive with the arrays `x_train`, `y_train` and, optionally, `x_test`, `y_test`, `x_val`, `y_val`.

    The names `train_images`, `train_labels` and so on are read too. Images are uint8 from 0 to 255, or numbers in
    `range`; labels are integers, or one-hot.
    """

    usage: ClassVar[tuple[str, ...]] = (
        "data: {name: npz, file: bloodmnist.npz, image_shape: [28, 28, 3], num_classes: 8}",
    )
    name: Literal["npz"]
    file: DataPath
    """The archive. Relative paths are looked up in `dir`, beside this file, then in `$CNNLAB_DATA_DIR`."""
    validation: UserValidation = "auto"
    """As for every data set; `auto` uses those of the archive if it has any, else a tenth."""


class Synthetic(DataSpec):
    """Random images, with one pattern per class: to test whether training runs and learns."""

    class_names: ClassVar[tuple[str, ...] | None] = None
    usage: ClassVar[tuple[str, ...]] = ("data: {name: synthetic, image_shape: [32, 32, 3], num_classes: 10}",)
    name: Literal["synthetic"]
    image_shape: ImageShape = (28, 28, 1)
    """[height, width, channels] of every image."""
    num_classes: NumClasses = 10
    """The number of classes."""
    train_examples: Annotated[int, Field(gt=0, le=MAX_EXAMPLES)] = 2000
    """The number of training images, before validation is held out."""
    test_examples: Annotated[int, Field(gt=0, le=MAX_EXAMPLES)] = 500
    """The number of test images."""
    noise: Annotated[float, Field(ge=0, le=1)] = 0.5
    """The share of noise in an image, from 0 to 1."""

    def published_sizes(self) -> tuple[int, int]:
        """As set by the options."""
        return self.train_examples, self.test_examples


USER: tuple[type[DataSpec], ...] = (Folder, Table, Idx, Npz, Raw, Synthetic)
"""In the order in which `cnnlab data list` and the reference show them."""
