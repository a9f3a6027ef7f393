"""`cnnlab data fetch`."""

from typing import Annotated

import typer


def fetch(
    names: Annotated[list[str], typer.Argument(help="Data sets that `cnnlab data list` lists.", show_default=False)],
) -> None:
    """Download missing data sets, checked by SHA-256, into $CNNLAB_DATA_DIR or the user's cache folder.

    An interrupted download is resumed; mirrors are tried in order, `$CNNLAB_MIRROR` first if that is set.
    """
    from cnnlab.data import catalog

    specs = [catalog.named(name) for name in names]
    for spec in specs:
        was_here = catalog.place_of(spec)
        files = catalog.fetch(spec)
        if not files:
            print(f"{spec.name}: nothing to fetch: {was_here}")
        else:
            print(f"{spec.name}: {'already in' if was_here else 'fetched into'} {catalog.place_of(spec)}")
