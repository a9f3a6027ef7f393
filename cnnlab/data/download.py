"""Fetching a file from mirrors, checked by what it contains."""

import gzip
import hashlib
import http.client
import os
import ssl
import urllib.error
import urllib.request
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from cnnlab import __version__
from cnnlab.errors import DownloadError
from cnnlab.terminal import download_progress

TIMEOUT = 20  # seconds without a byte
CHUNK = 1 << 16
NETWORK_ERRORS = (  # and not OSError, which a disk raises too
    urllib.error.URLError,
    http.client.HTTPException,
    ssl.SSLError,
    TimeoutError,
    ConnectionError,
)


def data_folders() -> list[Path]:
    """Where data sets may be: `$CNNLAB_DATA_DIR` if set, then the user's cache folder. The first is written to."""
    chosen = os.environ.get("CNNLAB_DATA_DIR")
    return [Path(chosen), cache_folder()] if chosen else [cache_folder()]


def cache_folder() -> Path:
    """Where cnnlab keeps what it can fetch again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cnnlab"


def fetch(urls: Sequence[str], destination: Path, sha256: str) -> None:
    """Download a gzip file whose decompressed content has this SHA-256 from the first mirror that serves it.

    `destination` appears complete and checked, or not at all. Raises DownloadError naming each mirror's fault.
    """
    temporary = destination.with_name(f".{os.getpid()}.{destination.name}")
    faults: list[str] = []
    reached = False
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        for url in urls:
            try:
                _download(url, temporary)
            except NETWORK_ERRORS as error:
                faults.append(f"{url}: {_reason(error)}")
                reached |= isinstance(error, urllib.error.HTTPError | http.client.HTTPException)
                continue
            reached = True
            if _content_sha256(temporary) == sha256:
                temporary.replace(destination)
                return
            faults.append(f"{url}: not the genuine file (its SHA-256 differs)")
    except OSError as error:
        raise DownloadError(f"{destination}: cannot be written: {error.strerror}; set CNNLAB_DATA_DIR") from None
    finally:
        temporary.unlink(missing_ok=True)
    why = "cannot be downloaded" if reached else "no network to download it: no mirror can be reached"
    raise DownloadError(f"{destination.name}: {why} ({'; '.join(faults)})")


def _download(url: str, path: Path) -> None:
    request = urllib.request.Request(url, headers={"User-Agent": f"cnnlab/{__version__}"})
    with urllib.request.urlopen(request, timeout=TIMEOUT) as response, path.open("wb") as file:
        length = response.headers.get("Content-Length", "")
        with download_progress() as progress:
            task = progress.add_task(url.rpartition("/")[2], total=int(length) if length.isdecimal() else None)
            while chunk := response.read(CHUNK):
                file.write(chunk)
                progress.advance(task, len(chunk))


def _content_sha256(path: Path) -> str | None:
    """SHA-256 of the decompressed bytes; None where they cannot be decompressed."""
    digest = hashlib.sha256()
    try:
        with gzip.open(path) as file:
            _update(digest, file)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        return None
    return digest.hexdigest()


def _update(digest: "hashlib._Hash", file: BinaryIO | gzip.GzipFile) -> None:
    while chunk := file.read(CHUNK):
        digest.update(chunk)


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None) or error
    return str(getattr(reason, "strerror", None) or reason)
