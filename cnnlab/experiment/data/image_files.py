"""User data in image files, one per example, whose classes are given by folders or by a table."""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from cnnlab.experiment.choice import any_schema, list_schema
from cnnlab.experiment.data.base import LONGEST_SIDE, DataPath, NumClasses, UserData, UserValidation
from cnnlab.experiment.data.group import Group, OptionalFileGroup, OptionalTableGroup


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
ColumnName = Annotated[str, Field(min_length=1)]


class ImageFiles(UserData):
    """Images that are decoded once and cached."""

    class_names: ClassVar[tuple[str, ...] | None] = None
    image_size: ImageSize
    """The side of every image in pixels, or [height, width]."""
    channels: Literal[1, 3] = 3
    """3 for colour, 1 for grey."""
    num_classes: NumClasses
    """The number of classes."""
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

    if TYPE_CHECKING:  # each has those kinds that it can

        @property
        def group(self) -> Group | None:
            """Which files belong together."""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        return (*self.image_size, self.channels)


class Folder(ImageFiles):
    """A folder of images: `train/CLASS/*.jpg`, `test/CLASS/*.jpg` and, optionally, `validation/CLASS/*.jpg`.

    A folder of classes only, `CLASS/*.jpg`, is split by `test` and `validation`. Formats: PNG, JPEG, BMP, GIF, WebP,
    TIFF, PPM, AVIF and JPEG 2000, also in subfolders of the classes. All images are converted to one size and to grey
    or colour, once: the decoded images are cached in the user's cache folder, which may be deleted.
    """

    usage: ClassVar[tuple[str, ...]] = ("data: {name: folder, path: pets, image_size: 64, num_classes: 37}",)
    name: Literal["folder"]
    path: DataPath
    """The folder. Relative paths are looked up in `dir`, beside this file, then in `$CNNLAB_DATA_DIR`."""
    group: OptionalFileGroup = None
    """Which files belong together, such as those of one person: all of a group are on one side of every split. A
    regular expression over file names, or one of the [kinds of groups](#datagroup).
    """
    validation: UserValidation = "auto"
    """As for every data set; `auto` uses the folder `validation` if there is one, else a tenth."""


class Table(ImageFiles):
    """A table of images: a CSV, TSV or Parquet file with a row per image, which has its file and its class.

    The first row of a CSV or TSV file names the columns; the text is in UTF-8. Paths of images are relative to the
    table. Images are decoded and cached as those of `folder` are.
    """

    usage: ClassVar[tuple[str, ...]] = (
        "data: {name: table, file: labels.csv, image: path, label: class, image_size: 64, num_classes: 10}",
    )
    name: Literal["table"]
    file: DataPath
    """The table. Relative paths are looked up in `dir`, beside this file, then in `$CNNLAB_DATA_DIR`."""
    image: ColumnName
    """The column of the images' files."""
    label: ColumnName
    """The column of the classes."""
    split: ColumnName | None = None
    """The column of the splits, whose values are `train`, `validation` and `test`; without it `test` and `validation`
    split the images.
    """
    group: OptionalTableGroup = None
    """Which files belong together, such as those of one person: all of a group are on one side of every split. A
    column such as `{column: patient}`, or one of the [kinds of groups](#datagroup).
    """
    validation: UserValidation = "auto"
    """As for every data set; `auto` uses the rows whose split is `validation` if there are any, else a tenth."""
