"""Which examples an experiment takes, told by `name`, and what is known of them without reading any."""

from typing import Annotated, Any

from pydantic import Discriminator, PlainValidator, Tag, TypeAdapter, WithJsonSchema

from cnnlab.experiment.data import plugin
from cnnlab.experiment.data.base import DataSpec
from cnnlab.experiment.data.plugin import PluginData
from cnnlab.experiment.data.published import Cifar10, Cifar100, Digits, FashionMnist, Mnist
from cnnlab.experiment.data.user import Folder, Idx, Npz, Raw, Synthetic

__all__ = [
    "CUSTOM",
    "DATA_NAMES",
    "Cifar10",
    "Cifar100",
    "Data",
    "DataSpec",
    "Digits",
    "FashionMnist",
    "Folder",
    "Idx",
    "Mnist",
    "Npz",
    "PluginData",
    "Raw",
    "Synthetic",
    "num_outputs",
    "spec_of",
]  # fmt: skip

DATA_NAMES = (
    "digits", "mnist", "fashion_mnist", "cifar10", "cifar100", "folder", "idx", "npz", "raw", "synthetic",
)  # fmt: skip
"""Those that come with cnnlab."""
CUSTOM = "entry point"
"""The tag of those that do not."""


def _tag_of(value: Any) -> str | None:
    name = value.get("name") if isinstance(value, dict) else getattr(value, "name", value)
    if not isinstance(name, str):
        return None
    return CUSTOM if name not in DATA_NAMES and name in plugin.names() else name


Data = Annotated[
    Annotated[Digits, Tag("digits")]
    | Annotated[Mnist, Tag("mnist")]
    | Annotated[FashionMnist, Tag("fashion_mnist")]
    | Annotated[Cifar10, Tag("cifar10")]
    | Annotated[Cifar100, Tag("cifar100")]
    | Annotated[Folder, Tag("folder")]
    | Annotated[Idx, Tag("idx")]
    | Annotated[Npz, Tag("npz")]
    | Annotated[Raw, Tag("raw")]
    | Annotated[Synthetic, Tag("synthetic")]
    | Annotated[
        PluginData,
        PlainValidator(plugin.validate),
        WithJsonSchema(
            {
                "title": "PluginData",
                "description": "A data set that another package brings.",
                "anyOf": [
                    {"type": "string", "not": {"enum": list(DATA_NAMES)}},
                    {
                        "type": "object",
                        "properties": {"name": {"type": "string", "not": {"enum": list(DATA_NAMES)}}},
                        "required": ["name"],
                    },
                ],
            }
        ),
        Tag(CUSTOM),
    ],
    Discriminator(_tag_of),
]


_ADAPTER: TypeAdapter[Data] = TypeAdapter(Data)


def spec_of(value: Any) -> Data:
    """What stands under `data` in a file, or is only a name. Raises pydantic's ValidationError."""
    return _ADAPTER.validate_python(value)


def num_outputs(data: Data) -> int:
    """How many classes are kept: one output of the network each."""
    return len(data.classes) if data.classes else data.num_classes
