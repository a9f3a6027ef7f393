"""Files that mirrors serve, and digests of what they send."""

import gzip
import hashlib
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

CHUNK_BYTES = 1 << 16
MAX_CONTENT_BYTES = 1 << 31  # what decompresses to more is a bomb


@dataclass(frozen=True)
class Remote:
    """A file that mirrors serve, tried in the order of `urls`.

    A download of more than `max_bytes` is refused. `is_genuine` checks the content of a complete file.
    """

    name: str
    urls: tuple[str, ...]
    max_bytes: int
    is_genuine: Callable[[Path], bool]


def mirrors(*bases: str) -> tuple[str, ...]:
    """The base URLs to try, each with a slash at its end: `$CNNLAB_MIRROR` if set, then `bases`."""
    chosen = os.environ.get("CNNLAB_MIRROR", "").strip()
    return tuple(base.rstrip("/") + "/" for base in (chosen, *bases) if base)


def file_sha256(path: Path) -> str:
    """SHA-256 of the bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def content_sha256(path: Path) -> str | None:
    """SHA-256 of the bytes, decompressed if they are gzip; None where they cannot be, or to over MAX_CONTENT_BYTES."""
    with path.open("rb") as file:
        if file.read(2) != b"\x1f\x8b":
            return file_sha256(path)
    digest, size = hashlib.sha256(), 0
    try:
        with gzip.open(path) as content:
            while chunk := content.read(CHUNK_BYTES):
                size += len(chunk)
                if size > MAX_CONTENT_BYTES:
                    return None
                digest.update(chunk)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        return None
    return digest.hexdigest()
