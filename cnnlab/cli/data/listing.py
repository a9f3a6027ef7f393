"""`cnnlab data list`."""

from typing import Annotated

import typer

from cnnlab.cli.tables import Format, render


def listing(format: Annotated[Format, typer.Option(help="How to print the table.")] = Format.TABLE) -> None:
    """List the data sets that an experiment can name, and where they are on this machine."""
    from cnnlab.config.documentation import documentation
    from cnnlab.config.schema_lookup import models_at
    from cnnlab.data import catalog

    summaries = {
        model.model_fields["name"].annotation.__args__[0]: documentation(model).summary  # type: ignore[union-attr]
        for model in models_at(("data",))
        if hasattr(model.model_fields["name"].annotation, "__args__")
    }
    rows = []
    for entry in catalog.entries():
        spec = entry.spec
        sizes = spec.published_sizes() if spec else None
        rows.append(
            {
                "name": entry.name,
                "train": sizes[0] if sizes else None,
                "test": sizes[1] if sizes else None,
                "shape": "×".join(map(str, spec.image_shape)) if spec else None,
                "classes": spec.num_classes if spec else None,
                "licence": (spec.licence or None) if spec else None,
                "here": entry.place or f"no: cnnlab data fetch {entry.name}",
                "about": summaries.get(entry.name, ""),
            }
        )
    columns = list(rows[0])
    if format is Format.TABLE:
        columns.remove("about")
    print(render(rows, columns, format))
