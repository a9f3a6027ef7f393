"""The network of a run: a diagram of its layers, and what each costs."""

from typing import Any

from cnnlab.errors import printable
from cnnlab.experiment.description import Description
from cnnlab.experiment.network import LayerError
from cnnlab.report.blocks import Column, Diagram, Facts, Node, Section, Table, Text
from cnnlab.report.source import Source
from cnnlab.report.words import number, text


def section(source: Source) -> Section:
    """The layers as a diagram and as a table."""
    try:
        if source.experiment is None:
            raise ValueError(f"its config.yaml {source.config_fault}")
        description = Description.from_experiment(source.experiment)
    except (LayerError, ValueError) as error:
        return Section("Network", "network", [Text(f"Not drawn: {printable(str(error))}", "note")])
    rows = description.rows()
    shape = "×".join(map(str, description.summary.image_shape))
    nodes = [Node("image", "input", shape)]
    for line, row in zip(description.summary.lines, rows, strict=True):
        kind = line.spec.kind if line.spec is not None else line.place.name.rpartition(".")[2].rstrip("_0123456789")
        nodes.append(
            Node(
                row["layer"],
                kind,
                "×".join(map(str, row["output_shape"])),
                _details(line.spec),
                row["parameters"],
                row["multiplications"],
                len(line.place.path) // 3 - 1 if len(line.place.path) > 3 else 0,
            )
        )
    columns = [
        Column("layer"),
        Column("output shape"),
        Column("parameters", is_numeric=True),
        Column("multiplications", "Of the forward pass for one example.", is_numeric=True),
        Column("additions", "Of the forward pass for one example.", is_numeric=True),
        Column("receptive field", "Pixels of the image that one output depends on."),
    ]
    cells = [
        [
            text(row["layer"]),
            text("×".join(map(str, row["output_shape"]))),
            *(number(row[key]) for key in ("parameters", "multiplications", "additions")),
            text("×".join(map(str, row["receptive_field"]))),
        ]
        for row in [*rows, description.total()]
    ]
    table = Section("Table of layers", "layers", [Table("Cost of each layer", columns, cells)], is_folded=True)
    total = description.total()
    facts = Facts(
        [
            ("parameters", f"{total['parameters']:,}"),
            ("multiplications of a forward pass", f"{total['multiplications']:,}"),
            ("weights in float32", f"{total['weight_memory']}"),
        ]
    )
    return Section("Network", "network", [facts, Diagram("Layers from the image to the output", nodes)], [table])


def _details(spec: Any) -> str:
    """`5×5, 6 filters, relu`, of what the layer has."""
    if spec is None:
        return ""
    parts = []
    if (size := getattr(spec, "kernel_size", getattr(spec, "pool_size", None))) is not None:
        parts.append(_sides(size, both=True))
    if (filters := getattr(spec, "filters", None)) is not None:
        parts.append(f"{filters} filters")
    if (strides := getattr(spec, "strides", None)) not in (None, 1, (1, 1)):
        parts.append(f"stride {_sides(strides)}")
    if (rate := getattr(spec, "rate", None)) is not None:
        parts.append(f"rate {rate:g}")
    if (activation := getattr(spec, "activation", "linear")) != "linear":
        parts.append(str(activation))
    return ", ".join(parts)


def _sides(size: Any, *, both: bool = False) -> str:
    """`5×5`; of equal sides only one, unless `both` are wanted."""
    sides = tuple(size) if isinstance(size, list | tuple) else (size, size)
    return str(sides[0]) if len(set(sides)) == 1 and not both else "×".join(map(str, sides))
