"""`cnnlab describe`."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cnnlab.cli.options import Config, Set
from cnnlab.cli.tables import Format, render

if TYPE_CHECKING:
    from cnnlab.experiment.description import Description


def describe(
    config: Config,
    set: Set = None,
    compare: Annotated[
        str | None,
        typer.Option(
            help="Another experiment to compare with: both side by side, and the relative change.",
            metavar="CONFIG",
            show_default=False,
        ),
    ] = None,
    weights_only: Annotated[
        bool, typer.Option("--weights-only", help="Count weights without biases, as the slides do.")
    ] = False,
    format: Annotated[Format, typer.Option(help="How to print the table.")] = Format.TABLE,
) -> None:
    """Print output shape, parameters and cost of every layer of an experiment's network, without training it.

    Multiplications and additions are those of the forward pass for one example, with one addition per multiplication;
    comparisons (max pooling, ReLU) are not counted. Training costs up to three times as much: for the gradient of the
    weights, and for that of the input if an earlier layer is trained. A receptive field is at most the image.
    `cnnlab describe conv --compare mlp-mse` shows what convolution saves.
    """
    this = _describe(config, set or [], weights_only)
    if compare is None:
        _print_one(this, format)
        return
    from cnnlab.experiment.description import side_by_side

    other = _describe(compare, [], weights_only)
    rows = side_by_side(other, this)
    columns = ["quantity", "other", "this", "change"]
    if format in (Format.TABLE, Format.MD):
        names = dict(zip(columns, ["", *_headings(other, this), "change"], strict=True))
        rows = [{names[key]: _as_text(value) for key, value in row.items()} for row in rows]
        columns = list(names.values())
    print(render(rows, columns, format))


def _describe(config: str, sets: list[str], weights_only: bool) -> "Description":
    from cnnlab.config.load import read
    from cnnlab.config.overrides import parse_sets
    from cnnlab.errors import ConfigError
    from cnnlab.experiment.description import Description
    from cnnlab.experiment.network import LayerError
    from cnnlab.paths import show_path

    loaded = read(config, parse_sets(sets))
    try:
        return Description.from_experiment(loaded.experiment, weights_only=weights_only)
    except LayerError as error:
        raise ConfigError(f"{loaded.place(error.path)}: {show_path(error.path)}: {error}") from None


def _headings(other: "Description", this: "Description") -> tuple[str, str]:
    names = other.experiment.name, this.experiment.name
    return names if names[0] != names[1] else ("other", "this")


def _print_one(description: "Description", format: Format) -> None:
    from cnnlab.experiment.description import COLUMNS

    rows, total = description.rows(), description.total()
    if format is Format.JSON:
        print(json.dumps({"name": description.experiment.name, "layers": rows, **description.totals()}, indent=2))
        return
    rows.append(total)
    if format is Format.CSV:
        print(render(rows, COLUMNS, format))
        return
    image = " × ".join(map(str, description.summary.image_shape))
    print(f"{description.experiment.name}: images of {image}, float32\n")
    words = [{key: _as_text(value, key) for key, value in row.items()} for row in rows]
    print(render(words, COLUMNS, format))
    print()
    for line in _totals(description):
        print(line)


def _totals(description: "Description") -> list[str]:
    totals = description.totals()
    lines = []
    if (untrained := totals["parameters"] - totals["trainable"]) and not description.weights_only:
        lines.append(f"parameters: {totals['trainable']:,} trainable, {untrained:,} not")
    lines.append(
        f"forward, one example: {totals['forward_multiplications']:,} multiplications, "
        f"{totals['forward_additions']:,} additions; activations of a batch of {totals['batch_size']:,}: "
        f"{totals['activation_memory']}"
    )
    if totals["train_examples"] is not None:
        lines.append(
            f"training, one epoch of {totals['train_examples']:,} examples in {totals['steps_per_epoch']:,} steps: "
            f"{totals['epoch_multiplications']:.4g} multiplications, {totals['epoch_additions']:.4g} additions"
        )
    if adversarial := description.experiment.train.adversarial:
        lines.append(
            f"not counted: adversarial training repeats the forward and backward pass {adversarial.steps:,} more times"
        )
    if len(description.experiment.stages) > 1:
        lines.append(
            f"counted for images of full size; by progressive resizing they are {description.experiment.shown_stages}"
        )
    return lines


def _as_text(value: Any, key: str = "") -> Any:
    """Lists as text: `(28, 28, 4)`, and `5×5` for pixels."""
    if not isinstance(value, list):
        return value
    return "×".join(map(str, value)) if key == "receptive_field" else str(tuple(value))
