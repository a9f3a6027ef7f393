"""Fetching a file from mirrors: tried again, resumed, and checked by what it contains."""

import contextlib
import gzip
import hashlib
import os
import tempfile
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.progress import Progress, TaskID

from cnnlab.data.locks import alone
from cnnlab.data.mirror import CHUNK, Fault, chunks, extent, open_url
from cnnlab.errors import DataError, DownloadError, printable
from cnnlab.terminal import download_progress

ATTEMPTS = 4  # at one mirror
BACKOFF = 1.0  # seconds before the second attempt, doubled before each later one
LARGEST_CONTENT = 1 << 31  # bytes; what decompresses to more is a bomb


@dataclass(frozen=True)
class Remote:
    """A file that mirrors serve, tried in the order of `urls`.

    A download of more than `max_bytes` is refused. `is_genuine` looks at the content of a complete file;
    a DataError from it also means no.
    """

    name: str
    urls: tuple[str, ...]
    max_bytes: int
    is_genuine: Callable[[Path], bool]


@dataclass(frozen=True)
class _Download:
    remote: Remote
    url: str
    partial: Path
    progress: Progress
    task: TaskID


def data_folders() -> list[Path]:
    """Where data sets may be: `$CNNLAB_DATA_DIR` if set, then the user's cache folder. The first is written to."""
    chosen = os.environ.get("CNNLAB_DATA_DIR")
    return [Path(chosen), cache_folder()] if chosen else [cache_folder()]


def cache_folder() -> Path:
    """Where cnnlab keeps what it can fetch again."""
    chosen = os.environ.get("XDG_CACHE_HOME")
    try:
        return Path(chosen or Path.home() / ".cache") / "cnnlab"
    except RuntimeError:  # neither $HOME nor an entry for this user
        return Path(tempfile.gettempdir()) / "cnnlab"


def mirrors(*bases: str) -> tuple[str, ...]:
    """The base URLs to try, each with a slash at its end: `$CNNLAB_MIRROR` if set, then `bases`."""
    chosen = os.environ.get("CNNLAB_MIRROR", "").strip()
    return tuple(base.rstrip("/") + "/" for base in (chosen, *bases) if base)


def file_sha256(path: Path) -> str:
    """SHA-256 of the bytes as they are."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def content_sha256(path: Path) -> str | None:
    """SHA-256 of the bytes, decompressed if they are gzip; None where they cannot be, or to over LARGEST_CONTENT."""
    with path.open("rb") as file:
        if file.read(2) != b"\x1f\x8b":
            return file_sha256(path)
    digest, size = hashlib.sha256(), 0
    try:
        with gzip.open(path) as content:
            while chunk := content.read(CHUNK):
                size += len(chunk)
                if size > LARGEST_CONTENT:
                    return None
                digest.update(chunk)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        return None
    return digest.hexdigest()


def fetch(remote: Remote, destination: Path) -> None:
    """Download `remote` from the first mirror that serves the genuine file, unless `destination` exists.

    `destination` appears complete and checked, or not at all. What had arrived when the network failed stays beside
    it, for the next fetch to go on from. Raises DownloadError naming each mirror's fault, or the disk's, or saying
    that `$CNNLAB_OFFLINE` is set.
    """
    try:
        if destination.exists():
            return  # also where the folder is read-only and no lock can be made
        if os.environ.get("CNNLAB_OFFLINE"):
            raise DownloadError(f"{destination.name}: is not here, and CNNLAB_OFFLINE forbids downloads")
        destination.parent.mkdir(parents=True, exist_ok=True)
        lock = destination.with_name(f".{destination.name}.lock")
        with alone(lock, f"downloads {destination.name}"):
            if not destination.exists():
                _fetch_from_mirrors(remote, destination)
            # Only now that the file is there: whoever waits for this lock finds it, whichever lock a third one takes.
            _remove(lock)
    except OSError as error:  # of the disk: the network's are faults by now
        reason = error.strerror or error
        raise DownloadError(printable(f"{destination}: cannot be written: {reason}; set CNNLAB_DATA_DIR")) from None


def _remove(*paths: Path) -> None:
    for path in paths:
        with contextlib.suppress(OSError):
            path.unlink()


def _fetch_from_mirrors(remote: Remote, destination: Path) -> None:
    partials = [_partial(destination, url) for url in remote.urls]
    faults: list[str] = []
    reached = not remote.urls
    with download_progress() as progress:
        task = progress.add_task(remote.name, total=None)
        for url, partial in zip(remote.urls, partials, strict=True):
            try:
                _obtain(_Download(remote, url, partial, progress, task))
                partial.replace(destination)
            except Fault as fault:
                faults.append(f"{url}: {fault}")
                reached |= fault.reached
            except OSError:
                _remove(*partials)  # a full disk needs the room
                raise
            else:
                _remove(*partials)
                return
    why = "cannot be downloaded" if reached else "no network to download it: no mirror can be reached"
    raise DownloadError(printable(f"{destination.name}: {why} ({'; '.join(faults) or 'no mirror is known'})"))


def _partial(destination: Path, url: str) -> Path:
    """Where the bytes so far are: a place for each URL, as mirrors serve different .gz wrappers of one content."""
    return destination.with_name(f".{destination.name}.{hashlib.sha256(url.encode()).hexdigest()[:8]}.part")


def _obtain(download: _Download) -> None:
    """Leave the genuine file at `download.partial`, or raise Fault."""
    for _ in range(2):
        resumed = _complete(download)
        if _is_genuine(download):
            return
        download.partial.unlink()
        if not resumed:  # else its beginning may be of another version: once more, from the beginning
            break
    raise Fault("not the genuine file (its content differs)")


def _is_genuine(download: _Download) -> bool:
    try:
        return download.remote.is_genuine(download.partial)
    except (DataError, gzip.BadGzipFile, EOFError, zlib.error):
        return False


def _complete(download: _Download) -> bool:
    """Attempt it until it is complete or hopeless. Whether bytes of an earlier attempt are in it."""
    name = download.remote.name
    attempt = 0
    while True:
        attempt += 1
        download.progress.update(download.task, description=f"{name} (attempt {attempt})" if attempt > 1 else name)
        try:
            return _attempt(download)
        except Fault as fault:
            if fault.discard:
                download.partial.unlink(missing_ok=True)
            if not fault.retry or attempt == ATTEMPTS:
                raise
            time.sleep(max(BACKOFF * 2 ** (attempt - 1), fault.pause))


def _attempt(download: _Download) -> bool:
    partial, max_bytes = download.partial, download.remote.max_bytes
    offset = partial.stat().st_size if partial.exists() else 0
    with open_url(download.url, offset) as response:
        size, total = extent(response, offset)
        resumed = size > 0
        too_large = Fault(f"larger than the {max_bytes:,} bytes expected", discard=True)
        if total is not None and total > max_bytes:
            raise too_large
        download.progress.reset(download.task, total=total, completed=size)
        with partial.open("ab" if resumed else "wb") as file:
            for chunk in chunks(response):
                size += len(chunk)
                if size > max_bytes:
                    raise too_large
                file.write(chunk)
                download.progress.advance(download.task, len(chunk))
            file.flush()
            os.fsync(file.fileno())
    if total is not None and size < total:
        raise Fault(f"broke off after {size:,} of {total:,} bytes", retry=True)
    return resumed
