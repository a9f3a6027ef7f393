"""User data: the options that describe it, so that a network can be checked before any file is read."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from cnnlab.experiment.choice import FLOAT32_MAX, NULL, any_schema, list_schema
from cnnlab.experiment.data.base import (
    LONGEST_SIDE,
    ClassNames,
    DataPath,
    DataSpec,
    ImageShape,
    NumClasses,
    Share,
    UserValidation,
)

MAX_EXAMPLES = 10_000_000
MAX_LABEL_OFFSET = 2**31


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
    any_schema(
        {"type": "integer", "minimum": 1, "maximum": LONGEST_SIDE}, list_schema({"type": "integer", "minimum": 1}, 2, 2)
    ),
]


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


class UserData(DataSpec):
    """Examples in files of the user."""

    test: Share = 0.2
    """The part of the training examples that becomes the test set if the data have none, stratified, always the
    same: a count or a fraction.
    """


class Folder(UserData):
    """A folder of images: `train/CLASS/*.jpg`, `test/CLASS/*.jpg` and, optionally, `validation/CLASS/*.jpg`.

    A folder of classes only, `CLASS/*.jpg`, is split by `test` and `validation`. Formats: PNG, JPEG, BMP, GIF, WebP,
    TIFF, PPM, AVIF and JPEG 2000, also in subfolders of the classes. All images are converted to one size and to grey
    or colour, once: the decoded images are cached in the user's cache folder, which may be deleted.
    """

    class_names: ClassVar[tuple[str, ...] | None] = None
    usage: ClassVar[tuple[str, ...]] = ("data: {name: folder, path: pets, image_size: 64, num_classes: 37}",)
    name: Literal["folder"]
    path: DataPath
    """The folder. Relative paths are looked up in `dir`, beside this file, then in `$CNNLAB_DATA_DIR`."""
    image_size: ImageSize
    """The side of every image in pixels, or [height, width]."""
    channels: Literal[1, 3] = 3
    """3 for colour, 1 for grey."""
    num_classes: NumClasses
    """The number of classes, one folder per class."""
    fit: Literal["stretch", "crop", "pad"] = "stretch"
    """How an image is resized: `stretch` both sides, `crop` the longer one, or `pad` the shorter one."""
    bit_depth: Annotated[int, Field(gt=0, le=32)] | None = None
    """For grey images of more than 8 bits whose files do not state the value of white: 12 uses the upper 8 of 12
    bits. Without it the largest value of all images becomes white.
    """
    class_order: Literal["numeric", "text"] = "numeric"
    """`numeric` sorts classes by number if all names are numbers, `text` always alphabetically."""
    on_error: Literal["fail", "skip"] = "fail"
    """`fail` at a file that cannot be decoded, or `skip` and record it."""
    validation: UserValidation = "auto"
    """As for every data set; `auto` uses the folder `validation` if there is one, else a tenth."""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        return (*self.image_size, self.channels)


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


USER: tuple[type[DataSpec], ...] = (Folder, Idx, Npz, Raw, Synthetic)
"""In the order in which `cnnlab data list` and the reference show them."""
