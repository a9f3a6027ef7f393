"""Data sets of other packages: an entry point of the group `cnnlab.data`.

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
    """Examples that your class reads."""

    image_shape: ClassVar[tuple[int, int, int]]
    class_names: ClassVar[tuple[str, ...]]

    @property
    def num_classes(self) -> int:
        """The number of class names."""
        return len(self.class_names)

    def read(self) -> "tuple[NDArray[np.uint8], NDArray[Any], NDArray[np.uint8], NDArray[Any]]":
        """Training images (n, *image_shape) uint8 and labels (n,) from 0, then the same for testing."""
        raise NotImplementedError(f"{type(self).__name__}.read")


def names() -> list[str]:
    """The names of all entry points, sorted. Reading them takes milliseconds, so it is done on demand."""
    return sorted(point.name for point in _points())


def validate(value: Any) -> PluginData:
    """The data set of an entry point, from its value in a file. Raises PydanticCustomError where it is not one."""
    if isinstance(value, PluginData):
        return value
    name = value.get("name") if isinstance(value, dict) else value
    point = next(point for point in _points() if point.name == name)
    try:
        model = point.load()
    except Exception as error:
        raise _misfit(point, f" cannot be imported: {' '.join(str(error).split())[:200]}") from error
    if not (isinstance(model, type) and issubclass(model, PluginData)):
        raise _misfit(point, " is no subclass of PluginData")
    missing = [attribute for attribute in ("image_shape", "class_names") if getattr(model, attribute, None) is None]
    if missing:
        raise _misfit(point, f" lacks {' and '.join(missing)}")
    if len(model.image_shape) != 3:
        raise _misfit(point, ": image_shape is not (height, width, channels)")
    unknown = [key for key in value if key not in model.model_fields] if isinstance(value, dict) else []
    if unknown:
        known = ", ".join(sorted(model.model_fields))
        raise PydanticCustomError(
            "misfit", "unknown key '{key}'; expected one of {known}", {"key": unknown[0], "known": known}
        )
    return model.model_validate(value)


def _misfit(point: EntryPoint, reason: str) -> PydanticCustomError:
    return PydanticCustomError("misfit", "{text}", {"text": f"{point.name}: {point.value}{reason}"})


def _points() -> list[EntryPoint]:
    return list(entry_points(group=GROUP))
