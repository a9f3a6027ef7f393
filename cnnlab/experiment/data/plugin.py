"""Data sets that other packages bring: an entry point of the group `cnnlab.data`.

    # pyproject.toml of your package
    [project.entry-points."cnnlab.data"]
    faces = "my_package.faces:Faces"

    # my_package/faces.py
    from typing import ClassVar, Literal
    from cnnlab.experiment.data.plugin import PluginData

    class Faces(PluginData):
        name: Literal["faces"]
        image_shape: ClassVar[tuple[int, int, int]] = (48, 48, 1)
        class_names: ClassVar[tuple[str, ...]] = ("woman", "man")
        def read(self):
            return x_train, y_train, x_test, y_test

and `data: faces` works in every experiment. Fields of the class become options, with defaults and checks.
"""

from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic_core import PydanticCustomError

from cnnlab.experiment.data.base import DataSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

GROUP = "cnnlab.data"


class PluginData(DataSpec):
    """Examples that a class of yours reads."""

    image_shape: ClassVar[tuple[int, int, int]]
    class_names: ClassVar[tuple[str, ...]]

    @property
    def num_classes(self) -> int:
        """As many as have names."""
        return len(self.class_names)

    def read(self) -> "tuple[NDArray[np.uint8], NDArray[Any], NDArray[np.uint8], NDArray[Any]]":
        """Training images (n, *image_shape) uint8 and labels (n,) from 0, then the same for testing."""
        raise NotImplementedError(f"{type(self).__name__}.read")


def names() -> list[str]:
    """The names that entry points give, sorted. Reading them takes milliseconds, so only what needs them does."""
    return sorted(point.name for point in _points())


def validate(value: Any) -> PluginData:
    """The data set of an entry point, from what stands in the file. Raises what pydantic wants where it is none."""
    if isinstance(value, PluginData):
        return value
    name = value.get("name") if isinstance(value, dict) else value
    point = next(point for point in _points() if point.name == name)
    try:
        model = point.load()
    except Exception as error:
        raise PydanticCustomError(
            "misfit", "{name}: {value} cannot be imported: {error}", _words(point, error)
        ) from error
    if not (isinstance(model, type) and issubclass(model, PluginData)):
        raise PydanticCustomError("misfit", "{name}: {value} is no subclass of PluginData", _words(point))
    missing = [attribute for attribute in ("image_shape", "class_names") if getattr(model, attribute, None) is None]
    if missing:
        raise PydanticCustomError("misfit", "{name}: {value} lacks {error}", _words(point, " and ".join(missing)))
    if len(model.image_shape) != 3:
        raise PydanticCustomError(
            "misfit", "{name}: {value}: image_shape is not (height, width, channels)", _words(point)
        )
    unknown = [key for key in value if key not in model.model_fields] if isinstance(value, dict) else []
    if unknown:
        known = ", ".join(sorted(model.model_fields))
        raise PydanticCustomError(
            "misfit", "unknown key '{key}'; expected one of {known}", {"key": unknown[0], "known": known}
        )
    return model.model_validate(value)


def _words(point: EntryPoint, error: object = "") -> dict[str, str]:
    return {"name": point.name, "value": point.value, "error": " ".join(str(error).split())[:200]}


def _points() -> list[EntryPoint]:
    return list(entry_points(group=GROUP))
