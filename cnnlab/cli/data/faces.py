"""`cnnlab data faces`."""

from pathlib import Path
from typing import Annotated

import typer


def faces(
    folder: Annotated[
        Path | None,
        typer.Argument(help="Where to write them; gender/ in the data folder unless given.", show_default=False),
    ] = None,
    train: Annotated[int, typer.Option(help="Training images.", min=2, max=1_000_000, metavar="N")] = 10_000,
    test: Annotated[int, typer.Option(help="Test images.", min=2, max=1_000_000, metavar="N")] = 10_000,
    seed: Annotated[int, typer.Option(help="The seed of the random numbers.", min=0)] = 0,
) -> None:
    """Draw faces of women and men, for the shipped gender experiments: the lecture's photographs are not public.

    Four files in the lecture's format: images of 48 × 48 grey bytes, labels of two float32. The faces are random
    ellipses, not photographs; what a network learns from them does not apply to people.
    """
    from cnnlab.data import faces as drawing
    from cnnlab.data.locate import data_folders

    for path in drawing.write(folder or data_folders()[0] / "gender", train, test, seed):
        print(path)
