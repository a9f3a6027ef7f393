"""Downloads one file from one server: resumed after an interruption, retried after a transient failure."""

import http.client
import os
import re
import ssl
import time
import urllib.error
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from rich.progress import Progress, TaskID

from cnnlab import __version__
from cnnlab.data.remote import CHUNK_BYTES, Remote

ATTEMPTS = 4
BACKOFF = 1.0  # seconds before the second attempt, doubled before each later one
MAX_RETRY_AFTER = 5.0  # seconds; a server may ask for more
SCHEMES = ("http", "https")
TIMEOUT = 20.0  # seconds without an answer or a byte
SLOW_WINDOW, SLOW_BYTES = 30.0, 30_000  # fewer bytes in this many seconds count as stalled


class Fault(Exception):
    """Why a server failed.

    `retry`: another attempt may succeed, after `pause` seconds; `reached`: there was a connection; `discard`: the bytes
    received so far are useless.
    """

    def __init__(
        self, reason: str, *, retry: bool = False, reached: bool = True, discard: bool = False, pause: float = 0.0
    ) -> None:
        super().__init__(" ".join(reason.split())[:200])  # a server may have written it
        self.retry, self.reached, self.discard, self.pause = retry, reached, discard, pause


@dataclass(frozen=True)
class Download:
    """A file from one URL to the path `partial`, shown as `task` of a progress bar."""

    remote: Remote
    url: str
    partial: Path
    progress: Progress
    task: TaskID

    def run(self) -> None:
        """Leave the genuine file at `partial`. Raises Fault, or OSError of the disk."""
        for _ in range(2):
            resumed = self._complete()
            if self.remote.is_genuine(self.partial):
                return
            self.partial.unlink()
            if not resumed:  # else its beginning may be of another version: start over
                break
        raise Fault("not the genuine file (its content differs)")

    def _complete(self) -> bool:
        """Attempt until the file is complete. Returns whether it has bytes of an earlier attempt."""
        attempt = 1
        while True:
            try:
                return self._attempt()
            except Fault as fault:
                if fault.discard:
                    self.partial.unlink(missing_ok=True)
                if not fault.retry or attempt == ATTEMPTS:
                    raise
                time.sleep(max(BACKOFF * 2 ** (attempt - 1), fault.pause))
            attempt += 1
            self.progress.update(self.task, description=f"{self.remote.name} (attempt {attempt})")

    def _attempt(self) -> bool:
        offset = self.partial.stat().st_size if self.partial.exists() else 0
        with open_url(self.url, offset) as response:
            size, total = extent(response, offset)
            resumed = size > 0
            max_bytes = self.remote.max_bytes
            too_large = Fault(f"larger than the {max_bytes:,} bytes expected", discard=True)
            if total is not None and total > max_bytes:
                raise too_large
            self.progress.reset(self.task, total=total, completed=size)
            with self.partial.open("ab" if resumed else "wb") as file:
                for chunk in chunks(response):
                    size += len(chunk)
                    if size > max_bytes:
                        raise too_large
                    file.write(chunk)
                    self.progress.advance(self.task, len(chunk))
                file.flush()
                os.fsync(file.fileno())
        if total is not None and size < total:
            raise Fault(f"broke off after {size:,} of {total:,} bytes", retry=True)
        return resumed


def open_url(url: str, offset: int) -> http.client.HTTPResponse:
    """The response to a request for the file from byte `offset` on. Raises Fault."""
    headers = {"User-Agent": f"cnnlab/{__version__}"} | ({"Range": f"bytes={offset}-"} if offset else {})
    try:
        if urlsplit(url).scheme not in SCHEMES:
            raise Fault("not an http:// or https:// URL")
        opener = build_opener(_Redirects)
        response: http.client.HTTPResponse = opener.open(Request(url, headers=headers), timeout=TIMEOUT)
        return response
    except urllib.error.HTTPError as error:
        error.close()
        raise _refusal(error, offset) from None
    except urllib.error.URLError as error:  # while connecting
        broken = isinstance(error.reason, ConnectionError | ssl.SSLEOFError)
        retry = broken and not isinstance(error.reason, ConnectionRefusedError)
        reached = retry or isinstance(error.reason, ssl.SSLError)
        raise Fault(_reason(error.reason), retry=retry, reached=reached) from None
    except (http.client.InvalidURL, ValueError) as error:
        raise Fault(f"not a usable URL: {error}") from None
    except (http.client.HTTPException, OSError) as error:
        raise Fault(_reason(error), retry=True) from None


class _Redirects(HTTPRedirectHandler):
    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: http.client.HTTPMessage, newurl: str
    ) -> Request | None:
        fp.close()  # unread: the body may be endless
        if urlsplit(newurl).scheme not in (SCHEMES if req.type == "http" else ("https",)):
            raise Fault(f"redirects to {newurl}, which is not safe")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _refusal(error: urllib.error.HTTPError, offset: int) -> Fault:
    reason = f"HTTP {error.code} {error.reason}"
    if error.code == 416 and offset:
        return Fault(reason, retry=True, discard=True)
    wait = error.headers.get("Retry-After", "")
    pause = min(float(wait), MAX_RETRY_AFTER) if wait.isdecimal() else 0.0
    return Fault(reason, retry=error.code >= 500 or error.code == 429, pause=pause)


def extent(response: http.client.HTTPResponse, offset: int) -> tuple[int, int | None]:
    """The byte of the file at which the body begins, and the size of the complete file, None if unknown."""
    if response.status != http.HTTPStatus.PARTIAL_CONTENT:
        return 0, response.length
    sent = re.match(r"bytes ([0-9]{1,18})-[0-9]+/([0-9]{1,18})?", response.headers.get("Content-Range", ""))
    if sent is None or int(sent[1]) != offset:
        raise Fault("sent another range than requested", retry=True, discard=True)
    if sent[2]:
        return offset, int(sent[2])
    return offset, None if response.length is None else offset + response.length


def chunks(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """The body as it arrives. Raises Fault where it breaks off, stops or is too slow."""
    window, received = time.monotonic(), 0
    while True:
        try:
            chunk = response.read1(CHUNK_BYTES)  # read() would wait for a full chunk
        except (http.client.HTTPException, OSError, ValueError) as error:
            raise Fault(_reason(error), retry=True) from None
        if not chunk:
            return
        yield chunk
        received += len(chunk)
        if (now := time.monotonic()) - window >= SLOW_WINDOW:
            if received < SLOW_BYTES:
                raise Fault(f"sent only {received:,} bytes in {now - window:.0f} s", retry=True)
            window, received = now, 0


def _reason(error: object) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer for {TIMEOUT:g} s"
    if isinstance(error, http.client.IncompleteRead):
        return "broke off"
    return str(getattr(error, "strerror", None) or error)
