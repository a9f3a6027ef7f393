"""Fetches a file from the first mirror that serves the genuine one, checked by its digest."""

import contextlib
import gzip
import hashlib
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cnnlab.data.locks import exclusive
from cnnlab.errors import DownloadError
from cnnlab.terminal import download_progress

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


def fetch(remote: Remote, destination: Path) -> None:
    """Download `remote` from the first mirror that serves the genuine file, unless `destination` exists.

    `destination` appears complete and checked, or not at all. The partial file of an interrupted download stays beside
    it and is resumed by the next fetch. Raises DownloadError naming each mirror's fault, or the disk's, or saying
    that `$CNNLAB_OFFLINE` is set.
    """
    try:
        if destination.exists():
            return  # also where the folder is read-only and no lock can be made
        if os.environ.get("CNNLAB_OFFLINE"):
            raise DownloadError(f"{destination.name}: missing, and CNNLAB_OFFLINE forbids downloads")
        destination.parent.mkdir(parents=True, exist_ok=True)
        lock = destination.with_name(f".{destination.name}.lock")
        with exclusive(lock, f"downloads {destination.name}"):
            if not destination.exists():
                _fetch_from_mirrors(remote, destination)
            # Only now that the file is there: whoever waits for this lock finds it, whichever lock a third one takes.
            _remove(lock)
    except OSError as error:  # of the disk: the network's are faults by now
        reason = error.strerror or error
        raise DownloadError(f"{destination}: cannot be written: {reason}; set CNNLAB_DATA_DIR") from None


def _remove(*paths: Path) -> None:
    for path in paths:
        with contextlib.suppress(OSError):
            path.unlink()


def _fetch_from_mirrors(remote: Remote, destination: Path) -> None:
    from cnnlab.data.mirror import Download, Fault  # an HTTP client is slow to import, and rarely needed

    # One partial file for each URL, since mirrors serve different .gz files of one content.
    partials = {url: destination.with_name(f".{destination.name}.{_short_digest(url)}.part") for url in remote.urls}
    reasons: list[str] = []  # not the faults, whose tracebacks would keep sockets open
    reached = not remote.urls
    with download_progress() as progress:
        task = progress.add_task(remote.name, total=None)
        for url, partial in partials.items():
            try:
                Download(remote, url, partial, progress, task).run()
                partial.replace(destination)
            except Fault as fault:
                reasons.append(f"{url}: {fault}")
                reached |= fault.reached
            except OSError:
                _remove(*partials.values())  # a full disk needs the room
                raise
            else:
                _remove(*partials.values())
                return
    why = "cannot be downloaded" if reached else "no network to download it: no mirror can be reached"
    raise DownloadError(f"{destination.name}: {why} ({'; '.join(reasons) or 'no mirror is known'})")


def _short_digest(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()[:8]
