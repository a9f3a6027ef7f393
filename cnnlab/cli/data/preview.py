"""`cnnlab data preview`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cnnlab.cli.data.target import Target, data_of, is_data_set
from cnnlab.cli.options import Set
from cnnlab.errors import RequestError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cnnlab.data import Dataset

    Grid = tuple[NDArray[np.uint8], list[str], str]
    """Images, what each is called, and the heading above all."""

COLUMNS = 10


def preview(
    target: Target,
    set: Set = None,
    out: Annotated[Path, typer.Option(help="The file to write: .png, .svg or .pdf.", metavar="FILE")] = Path(
        "preview.png"
    ),
    split: Annotated[str, typer.Option(help="train, validation or test.")] = "train",
    count: Annotated[int, typer.Option(help="How many images.", min=1, max=1000)] = 50,
    augment: Annotated[
        bool, typer.Option("--augment", help="The first batch of an epoch, changed at random as in training.")
    ] = False,
    epoch: Annotated[int, typer.Option(help="Which epoch, with --augment.", min=1, max=1_000_000)] = 1,
) -> None:
    """Draw a grid of labelled images of a data set or an experiment, unchanged or as training gets them."""
    from cnnlab.plots import grid
    from cnnlab.plots.figure import check_target

    check_target(out, "--out")
    if augment and split != "train":
        raise RequestError(f"--augment --split {split}: only training images are augmented")
    if augment and is_data_set(target):
        raise RequestError(f"--augment: {target} is a data set; name an experiment, which defines the augmentation")
    sets = set or []
    images, titles, heading = _augmented(target, sets, epoch) if augment else _unchanged(target, sets, split, count)
    grid.draw(images[:count], titles[:count], heading, out, COLUMNS)
    print(out)


def _augmented(config: str, sets: list[str], epoch: int) -> "Grid":
    from cnnlab import data
    from cnnlab.cli.tensorflow import import_tensorflow
    from cnnlab.config.lint import check
    from cnnlab.config.load import read
    from cnnlab.config.overrides import parse_sets

    loaded = read(config, parse_sets(sets))
    check(loaded)
    experiment = loaded.experiment
    dataset = _drawable(data.load(experiment.data))
    import_tensorflow()
    from cnnlab.training.preview import first_batch

    seen = first_batch(experiment, dataset, epoch)
    heading = f"{experiment.name}: the first batch of epoch {epoch}, seed {experiment.seed}, {len(seen.titles)} images"
    return seen.images, seen.titles, heading


def _drawable(dataset: "Dataset") -> "Dataset":
    """With classes called what the fonts here can write."""
    from dataclasses import replace

    from cnnlab.plots.figure import class_labels

    return replace(dataset, class_names=tuple(class_labels(dataset.class_names)))


def _unchanged(target: str, sets: list[str], split: str, count: int) -> "Grid":
    """So many images of a split, each class with its share."""
    from cnnlab import data
    from cnnlab.data.splits import subset
    from cnnlab.messages import join_names

    dataset = _drawable(data.load(data_of(target, sets)))
    splits = dataset.splits()
    if split not in splits:
        raise RequestError(f"--split {split}: no such split; expected {join_names(list(splits), conjunction='or')}")
    chosen = subset(splits[split], count)
    titles = [dataset.class_names[label] for label in chosen.labels]
    return chosen.images[:], titles, f"{dataset.name}: {len(chosen):,} of {len(splits[split]):,} {split} images"
