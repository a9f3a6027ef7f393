"""`cnnlab data preview`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cnnlab.cli.data.target import Target, data_of, is_data_set, is_path_of_images
from cnnlab.cli.options import Set
from cnnlab.errors import RequestError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cnnlab.data import Dataset

    Grid = tuple[NDArray[np.uint8], list[str], str]
    """Images, what each is called, and the heading above all."""

COLUMNS = 10
SIDE = 120  # pixels that images are enlarged to, at least, with --augment


def preview(
    target: Target,
    set: Set = None,
    out: Annotated[Path, typer.Option(help="The file to write: .png, .svg or .pdf.", metavar="FILE")] = Path(
        "preview.png"
    ),
    split: Annotated[str, typer.Option(help="train, validation or test.")] = "train",
    count: Annotated[int, typer.Option(help="How many images.", min=1, max=1000)] = 50,
    augment: Annotated[
        bool,
        typer.Option(
            "--augment",
            help="Each augmentation of an experiment by itself, and the first batch of an epoch as training gets it.",
        ),
    ] = False,
    epoch: Annotated[int, typer.Option(help="Which epoch, with --augment.", min=1, max=1_000_000)] = 1,
) -> None:
    """Draw labelled images of a data set or an experiment, unchanged or as training gets them.

    With --augment, the file is a PNG: for each step of the augmentation one image at the ends of the step's range and
    with eight random numbers of the epoch, then the images of the first batch after all steps.
    """
    from cnnlab.plots import grid
    from cnnlab.plots.figure import check_target

    check_target(out, "--out")
    if augment and out.suffix.lower() != ".png":
        raise RequestError(f"--out {out}: with --augment, expected a file name that ends in .png")
    if augment and split != "train":
        raise RequestError(f"--augment --split {split}: only training images are augmented")
    if augment and (is_data_set(target) or is_path_of_images(target)):
        raise RequestError(f"--augment: {target} is a data set; name an experiment, which defines the augmentation")
    sets = set or []
    if augment:
        _draw_augmented(target, sets, epoch, count, out)
    else:
        grid.draw(*_unchanged(target, sets, split, count), out, COLUMNS)
    print(out)


def _draw_augmented(config: str, sets: list[str], epoch: int, count: int, out: Path) -> None:
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
    from cnnlab.config.documentation import documentation
    from cnnlab.plots.page import Section, draw_single
    from cnnlab.plots.tiles import Tiles, as_colours
    from cnnlab.terminal import warn
    from cnnlab.training.preview import each_step, first_batch

    if not experiment.preprocessing.augmentation:
        warn("preprocessing.augmentation is empty: training images are not changed")
    sections = [
        Section(
            f"{index}. {seen.step.kind}: {seen.range}",
            [[Tiles("", as_colours(seen.images), captions=seen.titles, smallest=SIDE)]],
            documentation(type(seen.step)).text.partition("\n")[0],
        )
        for index, seen in enumerate(each_step(experiment, dataset, epoch), start=1)
    ]
    batch = first_batch(experiment, dataset, epoch)
    images, titles = batch.images[:count], batch.titles[:count]
    heading = f"The first batch of epoch {epoch}, after all steps: {len(titles)} of {len(batch.titles)} images"
    sections.append(Section(heading, [[Tiles("", as_colours(images), captions=titles, smallest=SIDE)]]))
    draw_single(sections, f"{experiment.name}: augmentation in epoch {epoch}, seed {experiment.seed}", out)


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
