"""Fetches a file from the first mirror that serves the genuine one, checked by its digest."""

import contextlib
import hashlib
import os
from pathlib import Path

from cnnlab.data.locks import exclusive
from cnnlab.data.remote import Remote
from cnnlab.errors import DownloadError
from cnnlab.terminal import download_progress


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
