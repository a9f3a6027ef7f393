"""`cnnlab data preview`."""

from pathlib import Path
from typing import Annotated

import typer

from cnnlab.cli.data.target import Target, data_of, is_data_set
from cnnlab.cli.options import Set

COLUMNS = 10


def preview(
    target: Target,
    set: Set = None,
    out: Annotated[Path, typer.Option(help="The PNG file to write.", metavar="FILE")] = Path("preview.png"),
    split: Annotated[str, typer.Option(help="train, validation or test.")] = "train",
    count: Annotated[int, typer.Option(help="How many pictures.", min=1, max=1000)] = 50,
    augment: Annotated[
        bool, typer.Option("--augment", help="The first batch of an epoch, changed at random as in training.")
    ] = False,
    epoch: Annotated[int, typer.Option(help="Which epoch, with --augment.", min=1, max=1_000_000)] = 1,
) -> None:
    """Draw a grid of labelled pictures of a data set or an experiment, as they are, or as training gets them."""
    from cnnlab import data
    from cnnlab.analysis import grid
    from cnnlab.config.lint import check
    from cnnlab.config.load import read
    from cnnlab.config.overrides import parse_sets
    from cnnlab.errors import RequestError

    spec = data_of(target, set or [])
    if augment and split != "train":
        raise RequestError(f"--augment --split {split}: only training pictures are augmented")
    if augment and is_data_set(target):
        raise RequestError(f"--augment: {target} is a data set; name an experiment, which says how")
    if augment:
        loaded = read(target, parse_sets(set or []))
        check(loaded)
        experiment = loaded.experiment
    dataset = data.load(spec)
    if augment:
        from cnnlab.cli.tensorflow import quietly_imported

        quietly_imported()
        from cnnlab.training.preview import first_batch

        seen = first_batch(experiment, dataset, epoch)
        images, titles = seen.images[:count], seen.titles[:count]
        heading = f"{experiment.name}: training pictures of epoch {epoch}, seed {experiment.seed}"
    else:
        splits = dataset.splits()
        if split not in splits:
            raise RequestError(f"--split {split}: there are no such examples; there are {' and '.join(splits)}")
        from cnnlab.data.splits import subset

        chosen = subset(splits[split], count)
        images, titles = chosen.images[:], [dataset.class_names[label] for label in chosen.labels]
        heading = f"{dataset.name}: {len(chosen):,} of {len(splits[split]):,} {split} pictures"
    grid.draw(images, titles, heading, out, COLUMNS)
    print(out)
