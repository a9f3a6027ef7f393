"""Which examples an experiment uses, chosen by `name`, and what is known of them without reading any."""

from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, Union

from pydantic import Discriminator, PlainValidator, Tag, TypeAdapter, WithJsonSchema

from cnnlab.experiment.data import plugin
from cnnlab.experiment.data.base import DataSpec
from cnnlab.experiment.data.image_files import Folder, ImageFiles, Table
from cnnlab.experiment.data.plugin import PluginData
from cnnlab.experiment.data.published import PUBLISHED, Cifar10, Cifar100, Digits, FashionMnist, Mnist
from cnnlab.experiment.data.user import USER, Idx, Npz, Raw, Synthetic

__all__ = [
    "DATA_NAMES",
    "PLUGIN",
    "Cifar10",
    "Cifar100",
    "Data",
    "DataSpec",
    "Digits",
    "FashionMnist",
    "Folder",
    "Idx",
    "ImageFiles",
    "Mnist",
    "Npz",
    "PluginData",
    "Raw",
    "Synthetic",
    "Table",
    "num_outputs",
    "spec_of",
]  # fmt: skip

SPECS: dict[str, type[DataSpec]] = {spec.name_values()[0]: spec for spec in (*PUBLISHED, *USER)}
"""The data sets that come with cnnlab, by name."""
DATA_NAMES = tuple(SPECS)
PLUGIN = "entry point"
"""The tag of those that do not."""


def _tag_of(value: Any) -> str | None:
    name = value.get("name") if isinstance(value, dict) else getattr(value, "name", value)
    if not isinstance(name, str):
        return None
    return PLUGIN if name not in SPECS and name in plugin.names() else name


_PLUGIN_NAME = {"type": "string", "not": {"enum": list(DATA_NAMES)}}
_Plugin = Annotated[
    PluginData,
    PlainValidator(plugin.validate),
    WithJsonSchema(
        {
            "title": "PluginData",
            "description": "A data set that another package brings.",
            "anyOf": [_PLUGIN_NAME, {"type": "object", "properties": {"name": _PLUGIN_NAME}, "required": ["name"]}],
        }
    ),
    Tag(PLUGIN),
]
if TYPE_CHECKING:
    Data: TypeAlias = DataSpec
else:
    Data = Annotated[
        Union[(*(Annotated[spec, Tag(name)] for name, spec in SPECS.items()), _Plugin)], Discriminator(_tag_of)
    ]

_ADAPTER: TypeAdapter[Data] = TypeAdapter(Data)


def spec_of(value: Any) -> Data:
    """What stands under `data` in a file, or is only a name. Raises pydantic's ValidationError."""
    return _ADAPTER.validate_python(value)


def num_outputs(data: Data) -> int:
    """The number of classes in use: one output of the network each."""
    return len(data.classes) if data.classes else data.num_classes
