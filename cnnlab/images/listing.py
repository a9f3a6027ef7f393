"""The image files that a command line names."""

import glob
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cnnlab.errors import RequestError
from cnnlab.images.decode import SUFFIXES


@dataclass(frozen=True)
class ImageFile:
    """The path of an image, and the names of the folders that it lies in below a folder that was named."""

    path: str
    folders: tuple[str, ...] = ()


@dataclass
class Listing:
    """The files, in the order in which they were named and within a folder by path; `skipped` others in folders."""

    files: list[ImageFile] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    has_folders: bool = False


def list_images(arguments: Sequence[str]) -> Listing:
    """The images at `arguments`: files, folders with all that is in them, or patterns such as 'photos/*.png'.

    In folders, files without a suffix of images and hidden ones are skipped. Raises RequestError where an argument
    does not exist, or names no image.
    """
    listing = Listing()
    for argument in arguments:
        if os.path.isdir(argument):
            _add_folder(argument, listing)
        elif os.path.exists(argument):
            listing.files.append(ImageFile(argument))
        else:
            _add_matches(argument, listing)
    return listing


def _add_matches(pattern: str, listing: Listing) -> None:
    matches = sorted(glob.glob(pattern, recursive=True)) if glob.has_magic(pattern) else []
    if not matches:
        found = "matches no files" if glob.has_magic(pattern) else "no such file or folder"
        raise RequestError(f"{pattern}: {found}; expected images, folders of images, or - for a list of paths")
    for match in matches:
        if os.path.isdir(match):
            _add_folder(match, listing)
        else:
            listing.files.append(ImageFile(match))


def _add_folder(folder: str, listing: Listing) -> None:
    listing.has_folders = True
    count = len(listing.files)
    for where, folders, names in os.walk(folder, followlinks=True):
        folders.sort()
        inside = Path(where).relative_to(folder).parts
        for name in sorted(names):
            path = os.path.join(where, name)
            if name.startswith(".") or os.path.splitext(name)[1].lower() not in SUFFIXES:
                listing.skipped.append(path)
            else:
                listing.files.append(ImageFile(path, inside))
    if len(listing.files) == count:
        suffixes = ", ".join(sorted(SUFFIXES)[:6])
        raise RequestError(f"{folder}: no images in this folder; expected files such as {suffixes}")
