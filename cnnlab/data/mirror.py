"""One answer of a mirror: asking for a file or the rest of it, and reading it as long as it comes."""

import http.client
import re
import ssl
import time
import urllib.error
from collections.abc import Iterator
from typing import IO
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from cnnlab import __version__

SCHEMES = ("http", "https")
TIMEOUT = 20.0  # seconds without an answer or a byte
SLOW_WINDOW, SLOW_BYTES = 30.0, 30_000  # fewer bytes in so many seconds: stalled, though not silent
LONGEST_RETRY_AFTER = 5.0  # seconds; a server may ask for more
CHUNK = 1 << 16


class Fault(Exception):
    """Why a mirror failed; `retry`: it may do better; `discard`: the bytes so far are of no use; `pause` in seconds."""

    def __init__(
        self, why: str, *, retry: bool = False, reached: bool = True, discard: bool = False, pause: float = 0.0
    ) -> None:
        super().__init__(" ".join(why.split())[:200])  # a server may have written it
        self.retry, self.reached, self.discard, self.pause = retry, reached, discard, pause


def open_url(url: str, offset: int) -> http.client.HTTPResponse:
    """The mirror's answer to a request for the file from byte `offset` on. Raises Fault."""
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
        fp.close()  # else urllib reads all of its body, which may be endless
        if urlsplit(newurl).scheme not in (SCHEMES if req.type == "http" else ("https",)):
            raise Fault(f"redirects to {newurl}, which is not safe")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _refusal(error: urllib.error.HTTPError, offset: int) -> Fault:
    why = f"HTTP {error.code} {error.reason}"
    if error.code == 416 and offset:
        return Fault(why, retry=True, discard=True)
    wait = error.headers.get("Retry-After", "")
    pause = min(float(wait), LONGEST_RETRY_AFTER) if wait.isdecimal() else 0.0
    return Fault(why, retry=error.code >= 500 or error.code == 429, pause=pause)


def extent(response: http.client.HTTPResponse, offset: int) -> tuple[int, int | None]:
    """Where in the file the body begins, and how many bytes the whole file has, if that is known."""
    if response.status != http.HTTPStatus.PARTIAL_CONTENT:
        return 0, response.length
    sent = re.match(r"bytes ([0-9]{1,18})-[0-9]+/([0-9]{1,18})?", response.headers.get("Content-Range", ""))
    if sent is None or int(sent[1]) != offset:
        raise Fault("sent another part than was asked for", retry=True, discard=True)
    if sent[2]:
        return offset, int(sent[2])
    return offset, None if response.length is None else offset + response.length


def chunks(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """The body, as it comes. Raises Fault where it breaks off, stops or is too slow."""
    window, received = time.monotonic(), 0
    while True:
        try:
            chunk = response.read1(CHUNK)  # read() would wait for all of the chunk
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
