"""`fetch` with a real server on loopback that fails in every way a mirror can."""

import contextlib
import fcntl
import gzip
import hashlib
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import Request

import pytest

from cnnlab.data import download, locks, mirror, remote
from cnnlab.data.download import fetch
from cnnlab.data.remote import Remote
from cnnlab.errors import DownloadError

CONTENT = bytes(range(256)) * 2000
BODY = CONTENT  # as served
HALF = len(BODY) // 2
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Server:
    """Answers each path with its script: functions of the handler, used in turn, the last one repeatedly."""

    def __init__(self):
        self.scripts = {}
        self.requests = []  # (path, Range header)
        self.over = threading.Event()  # ends stalled responses

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(handler):
                self.requests.append((handler.path, handler.headers["Range"]))
                script = self.scripts.get(handler.path, [status(404)])
                answer = script.pop(0) if len(script) > 1 else script[0]
                handler.close_connection = True
                with contextlib.suppress(ConnectionError):  # the client closed the connection
                    answer(handler)

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = False
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def url(self, name):
        return f"http://127.0.0.1:{self.server.server_port}/{name}"

    def ranges(self, name):
        return [asked for path, asked in self.requests if path == f"/{name}"]

    def close(self):
        self.over.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def head(handler, code, **headers):
    handler.send_response(code)
    for key, value in headers.items():
        handler.send_header(key.replace("_", "-"), str(value))
    handler.end_headers()


def status(code, **headers):
    return lambda handler: head(handler, code, Content_Length=0, **headers)


def serve(body=BODY, sent=None, promised=None, ranges=True):
    """Respond with `body` or the requested range; `sent` truncates it, `promised` sets Content-Length."""

    def answer(handler):
        match = re.fullmatch(r"bytes=(\d+)-", handler.headers["Range"] or "") if ranges else None
        start = int(match[1]) if match else 0
        if start >= len(body):
            head(handler, 416, Content_Length=0, Content_Range=f"bytes */{len(body)}")
            return
        rest = body[start:]
        extent = {"Content_Range": f"bytes {start}-{len(body) - 1}/{len(body)}"} if match else {}
        head(handler, 206 if match else 200, Content_Length=len(rest) if promised is None else promised, **extent)
        handler.wfile.write(rest[:sent])

    return answer


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(mirror, "BACKOFF", 0.01)
    monkeypatch.setattr(mirror, "TIMEOUT", 10.0)
    server = Server()
    yield server
    server.close()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "new" / "folder"


def is_genuine(path):
    return remote.content_sha256(path) == DIGEST


def remote_file(*urls, **changes):
    return Remote(**{"name": "file", "urls": urls, "max_bytes": len(BODY) + 1000, "is_genuine": is_genuine, **changes})


def assert_fetched(folder, *urls, **changes):
    """Fetch into `folder`, which then contains only the published file."""
    fetch(remote_file(*urls, **changes), folder / "file")
    assert (folder / "file").read_bytes() == BODY
    assert [path.name for path in folder.iterdir()] == ["file"]


def fetch_error(folder, *urls, remaining=(), **changes):
    """The error of a fetch into `folder`, which then contains only partial files of the URLs `remaining`."""
    with pytest.raises(DownloadError) as caught:
        fetch(remote_file(*urls, **changes), folder / "file")
    assert "\n" not in str(caught.value)
    left = {path for path in folder.iterdir() if path.suffix != ".lock"}
    assert left == {partial(folder, url) for url in remaining}
    return str(caught.value)


def partial(folder, url):
    return folder / f".file.{hashlib.sha256(url.encode()).hexdigest()[:8]}.part"


def wait_for_bytes(path):
    for _ in range(30_000):
        if path.exists() and path.stat().st_size:
            return
        time.sleep(0.01)


def leave_partial(folder, url, content):
    folder.mkdir(parents=True)
    partial(folder, url).write_bytes(content)


def test_mirrors_are_tried_in_order_until_one_serves_the_published_file(server, folder):
    server.scripts = {"/corrupt": [serve(b"x" * 50)], "/good": [serve()], "/unneeded": [serve()]}
    assert_fetched(folder, *map(server.url, ("missing", "corrupt", "good", "unneeded")))
    assert [path for path, _ in server.requests] == ["/missing", "/corrupt", "/good"]


def test_a_failed_fetch_reports_the_fault_of_each_mirror_in_one_line(server, folder):
    server.scripts = {"/corrupt": [serve(b"x" * 50)]}
    message = fetch_error(folder, server.url("missing"), server.url("corrupt"))
    assert message.startswith(f"file: cannot be downloaded ({server.url('missing')}: HTTP 404 Not Found; ")
    assert message.endswith(f"{server.url('corrupt')}: not the genuine file (its content differs))")


def test_an_existing_file_is_neither_fetched_nor_locked(server, folder):
    (folder / ".file.lock").mkdir(parents=True)  # as in a read-only folder
    (folder / "file").write_bytes(b"what it is")
    fetch(remote_file(server.url("good")), folder / "file")
    assert (folder / "file").read_bytes() == b"what it is"
    assert server.requests == []


@pytest.mark.parametrize("code", [500, 503, 429])
def test_a_busy_server_is_retried(server, folder, code):
    server.scripts = {"/busy": [status(code), status(code), serve()]}
    assert_fetched(folder, server.url("busy"))
    assert len(server.requests) == 3


def test_a_server_that_stays_busy_is_abandoned_after_four_attempts(server, folder):
    server.scripts = {"/busy": [status(503)], "/good": [serve()]}
    assert_fetched(folder, server.url("busy"), server.url("good"))
    assert len(server.ranges("busy")) == 4


def test_backoff_grows_and_respects_a_bounded_retry_after(server, folder, monkeypatch):
    pauses = []
    monkeypatch.setattr(mirror.time, "sleep", pauses.append)
    later = [status(503, Retry_After=value) for value in ("2", "86400", "Fri, 31 Dec 1999 23:59:59 GMT")]
    server.scripts = {"/busy": [*later, serve()]}
    assert_fetched(folder, server.url("busy"))
    assert pauses == [2.0, mirror.MAX_RETRY_AFTER, 0.04]


@pytest.mark.parametrize("code", [400, 401, 403, 404, 410, 416])
def test_a_client_error_is_not_retried(server, folder, code):
    server.scripts = {"/refused": [status(code)], "/good": [serve()]}
    assert_fetched(folder, server.url("refused"), server.url("good"))
    assert len(server.requests) == 2


def test_without_a_network_it_fails_immediately_and_reports_it(folder, monkeypatch):
    def no_name_server(host, *arguments):
        if host == "mirror":
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return really_look_up(host, *arguments)

    monkeypatch.setenv("NO_PROXY", "*")
    really_look_up = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", no_name_server)
    monkeypatch.setattr(mirror.time, "sleep", lambda seconds: pytest.fail("it tries again"))
    message = fetch_error(folder, "http://127.0.0.1:9/file", "http://mirror/file")  # the discard port: nothing listens
    assert message.startswith("file: no network to download it: no mirror can be reached (")
    assert "http://127.0.0.1:9/file: Connection refused; http://mirror/file: Temporary failure" in message


def test_an_answering_mirror_is_not_reported_as_a_missing_network(server, folder):
    urls = ["http://127.0.0.1:9/file", server.url("missing")]
    for order in (urls, urls[::-1]):
        assert "file: cannot be downloaded (" in fetch_error(folder, *order)


def close(handler):
    handler.connection.shutdown(socket.SHUT_RDWR)


def not_http(handler):
    handler.wfile.write(b"SSH-2.0-\x1b[31mOpenSSH\r\n")


@pytest.mark.parametrize("broken", [close, not_http])
def test_a_connection_that_breaks_before_the_response_is_retried(server, folder, broken):
    server.scripts = {"/broken": [broken, serve()]}
    assert_fetched(folder, server.url("broken"))
    server.scripts = {"/broken": [broken]}
    assert "\x1b" not in fetch_error(folder / "again", server.url("broken"))
    assert len(server.requests) == 6


def test_a_truncated_download_is_resumed(server, folder):
    server.scripts = {"/cut": [serve(sent=HALF), serve(sent=1000), serve()]}
    assert_fetched(folder, server.url("cut"))
    assert server.ranges("cut") == [None, f"bytes={HALF}-", f"bytes={HALF + 1000}-"]


def test_a_connection_reset_during_the_download_is_resumed(server, folder):
    url = server.url("reset")

    def reset(handler):
        serve(sent=HALF)(handler)
        wait_for_bytes(partial(folder, url))  # a reset discards data in flight
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(handler.connection.detach())

    server.scripts = {"/reset": [reset, serve()]}
    assert_fetched(folder, url)
    assert re.fullmatch(r"bytes=\d+-", server.ranges("reset")[1])


def test_the_next_fetch_resumes_a_failed_one(server, folder):
    url = server.url("cut")
    server.scripts = {"/cut": [serve(sent=100)]}
    message = fetch_error(folder, url, remaining=[url])
    assert f"broke off after 400 of {len(BODY):,} bytes" in message
    server.scripts = {"/cut": [serve()]}
    assert_fetched(folder, url)
    assert server.ranges("cut")[-1] == "bytes=400-"


def test_a_partial_file_belongs_to_its_url(server, folder):
    server.scripts = {"/cut": [serve(sent=100)], "/good": [serve()]}
    assert_fetched(folder, server.url("cut"), server.url("good"))
    assert server.ranges("good") == [None]


def test_a_server_that_sends_partial_ranges_is_asked_for_the_rest(server, folder):
    def piece(handler):
        start = int((handler.headers["Range"] or "bytes=0-")[6:-1])
        end = min(start + 200_000, len(BODY))
        head(handler, 206, Content_Length=end - start, Content_Range=f"bytes {start}-{end - 1}/{len(BODY)}")
        handler.wfile.write(BODY[start:end])

    server.scripts = {"/pieces": [piece]}
    assert_fetched(folder, server.url("pieces"))
    assert server.ranges("pieces") == [None, "bytes=200000-", "bytes=400000-"]


def test_a_server_that_ignores_ranges_is_read_from_the_start(server, folder):
    server.scripts = {"/cut": [serve(sent=HALF), serve(ranges=False)]}
    assert_fetched(folder, server.url("cut"))
    assert server.ranges("cut") == [None, f"bytes={HALF}-"]


def test_a_server_that_answers_with_another_range_is_read_from_the_start(server, folder):
    def other(handler):
        head(handler, 206, Content_Length=100, Content_Range=f"bytes 0-99/{len(BODY)}")
        handler.wfile.write(BODY[:100])

    server.scripts = {"/cut": [serve(sent=HALF), other, serve()]}
    assert_fetched(folder, server.url("cut"))
    assert server.ranges("cut") == [None, f"bytes={HALF}-", None]


def test_an_unsatisfiable_range_is_read_from_the_start(server, folder):
    leave_partial(folder, server.url("file"), BODY + b"longer, of an earlier version")
    server.scripts = {"/file": [serve()]}
    assert_fetched(folder, server.url("file"))
    assert server.ranges("file") == [f"bytes={len(BODY) + 29}-", None]


def test_a_partial_of_an_earlier_version_costs_one_more_download(server, folder):
    leave_partial(folder, server.url("file"), b"x" * HALF)
    server.scripts = {"/file": [serve()]}
    assert_fetched(folder, server.url("file"))
    assert server.ranges("file") == [f"bytes={HALF}-", None]


def test_a_mirror_that_is_still_corrupt_from_the_start_is_abandoned(server, folder):
    leave_partial(folder, server.url("corrupt"), b"x" * HALF)
    server.scripts = {"/corrupt": [serve(b"y" * len(BODY))], "/good": [serve()]}
    assert_fetched(folder, server.url("corrupt"), server.url("good"))
    assert server.ranges("corrupt") == [f"bytes={HALF}-", None]


def test_a_mirror_that_truncates_corrupt_content_is_abandoned(server, folder):
    corrupt = b"y" * len(BODY)
    server.scripts = {"/corrupt": [*[serve(corrupt, sent=HALF), serve(corrupt)] * 2, status(404)], "/good": [serve()]}
    assert_fetched(folder, server.url("corrupt"), server.url("good"))
    assert server.ranges("corrupt") == [None, f"bytes={HALF}-"] * 2


def test_a_content_length_that_is_too_long_is_an_error(server, folder):
    server.scripts = {"/long": [serve(promised=len(BODY) + 10)], "/good": [serve()]}
    assert_fetched(folder, server.url("long"), server.url("good"))
    assert f"bytes={len(BODY)}-" in server.ranges("long")


def test_a_content_length_that_is_too_short_is_an_error(server, folder):
    server.scripts = {"/short": [serve(promised=len(BODY) - 10)], "/good": [serve()]}
    assert_fetched(folder, server.url("short"), server.url("good"))
    assert server.ranges("short") == [None]


def chunked(*chunks, end=b"0\r\n\r\n"):
    def answer(handler):
        head(handler, 200, Transfer_Encoding="chunked")
        for chunk in chunks:
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        handler.wfile.write(end)

    return answer


def test_a_chunked_download_without_a_length_is_complete(server, folder):
    server.scripts = {"/chunked": [chunked(BODY[:HALF], BODY[HALF:])]}
    assert_fetched(folder, server.url("chunked"))
    assert len(server.requests) == 1


def test_a_truncated_chunked_download_is_resumed(server, folder):
    server.scripts = {"/chunked": [chunked(BODY[:HALF], end=b""), serve()]}
    assert_fetched(folder, server.url("chunked"))
    assert server.ranges("chunked") == [None, f"bytes={HALF}-"]


def test_a_download_delimited_by_connection_close_is_complete(server, folder):
    def plain(handler):
        head(handler, 200)
        handler.wfile.write(BODY)

    server.scripts = {"/plain": [plain]}
    assert_fetched(folder, server.url("plain"))


def test_a_connection_that_stays_open_is_not_waited_for(server, folder):
    def stay(handler):
        serve()(handler)
        server.over.wait()

    server.scripts = {"/open": [stay]}
    assert_fetched(folder, server.url("open"))


def test_a_file_larger_than_expected_is_rejected_before_reading(server, folder):
    server.scripts = {"/large": [serve(sent=0, promised=10**15)]}
    message = fetch_error(folder, server.url("large"), max_bytes=5000)
    assert "larger than the 5,000 bytes expected" in message
    assert len(server.requests) == 1


def test_an_endless_body_is_rejected(server, folder):
    def endless(handler):
        head(handler, 200)
        for _ in range(100):
            handler.wfile.write(BODY)

    server.scripts = {"/endless": [endless]}
    assert f"larger than the {len(BODY) + 1000:,} bytes expected" in fetch_error(folder, server.url("endless"))
    assert len(server.requests) == 1


def test_a_silent_server_times_out(server, folder, monkeypatch):
    monkeypatch.setattr(mirror, "TIMEOUT", 0.2)
    server.scripts = {"/silent": [lambda handler: server.over.wait()], "/good": [serve()]}
    assert_fetched(folder, server.url("silent"), server.url("good"))
    assert len(server.ranges("silent")) == 4


def test_a_stalled_download_is_resumed(server, folder, monkeypatch):
    monkeypatch.setattr(mirror, "TIMEOUT", 0.5)

    def stall(handler):
        serve(sent=HALF)(handler)
        server.over.wait()

    server.scripts = {"/stall": [stall, serve()]}
    assert_fetched(folder, server.url("stall"))
    assert server.ranges("stall") == [None, f"bytes={HALF}-"]


def test_a_slow_trickle_is_resumed(server, folder, monkeypatch):
    monkeypatch.setattr(mirror, "SLOW_WINDOW", 0.3)

    def trickle(handler):
        head(handler, 200, Content_Length=len(BODY))
        for byte in BODY[:200]:
            handler.wfile.write(bytes([byte]))
            if server.over.wait(0.02):
                return

    server.scripts = {"/trickle": [trickle, serve()]}
    assert_fetched(folder, server.url("trickle"))
    assert len(server.requests) == 2
    assert 0 < int(server.ranges("trickle")[1][6:-1]) < 200


def test_a_redirect_is_followed_with_the_range(server, folder):
    server.scripts = {"/old": [status(302, Location="/new")], "/new": [serve(sent=HALF), serve()]}
    assert_fetched(folder, server.url("old"))
    assert server.ranges("new") == [None, f"bytes={HALF}-"]


@pytest.mark.parametrize("target", ["/loop", "file:///etc/hosts", "ftp://127.0.0.1/file", "http://[broken/"])
def test_an_invalid_redirect_is_an_error(server, folder, target):
    server.scripts = {"/loop": [status(301, Location=target)], "/good": [serve()]}
    assert_fetched(folder, server.url("loop"), server.url("good"))


def test_the_body_of_a_redirect_is_not_read(server, folder):
    ended = []

    def endless(handler):
        head(handler, 302, Location="/good")
        for _ in range(100):
            handler.wfile.write(BODY)
        ended.append(True)

    server.scripts = {"/old": [endless], "/good": [serve()]}
    assert_fetched(folder, server.url("old"))
    assert not ended


@pytest.mark.parametrize(("target", "safe"), [("https://b/file", True), ("http://a/file", False)])
def test_a_redirect_never_downgrades_from_https_to_http(tmp_path, target, safe):
    arguments = (Request("https://a/file"), (tmp_path / "body").open("wb"), 302, "Found", {}, target)
    if safe:
        assert mirror._Redirects().redirect_request(*arguments).full_url == target
    else:
        with pytest.raises(mirror.Fault, match="redirects to http://a/file, which is not safe"):
            mirror._Redirects().redirect_request(*arguments)


@pytest.mark.parametrize("url", ["file://{0}", "{0}", "ftp://127.0.0.1:9/file", "data:,file", "http://[/", "http://h:x/", "http://127.0.0.1:9/ä"])  # fmt: skip
def test_a_url_that_is_not_http_is_an_error(tmp_path, folder, url):
    (tmp_path / "local").write_bytes(BODY)
    message = fetch_error(folder, url.format(tmp_path / "local"))
    assert "not an http:// or https:// URL" in message or "not a usable URL" in message


def test_the_user_mirror_comes_first(monkeypatch):
    monkeypatch.delenv("CNNLAB_MIRROR", raising=False)
    assert remote.mirrors("https://a/", "https://b/") == ("https://a/", "https://b/")
    monkeypatch.setenv("CNNLAB_MIRROR", "http://our-server/data")
    assert remote.mirrors("https://a/") == ("http://our-server/data/", "https://a/")


FETCH = """
import sys
from pathlib import Path
from cnnlab.data import download, locks, remote

folder, *urls = sys.argv[1:]
locks.SILENT_WAIT = 0.1
check = lambda path: remote.content_sha256(path) == {digest!r}
download.fetch(remote.Remote("file", tuple(urls), 10**9, check), Path(folder) / "file")
"""


def start_fetch(log, folder, *urls):
    command = [sys.executable, "-c", FETCH.format(digest=DIGEST), str(folder), *urls]
    with log.open("w") as file:
        return subprocess.Popen(command, stderr=file)


def test_one_of_two_processes_downloads_and_the_other_waits(server, folder, tmp_path):
    logs = [tmp_path / "first.log", tmp_path / "second.log"]

    def wait(handler):
        while not any(log.read_text() for log in logs) and not server.over.is_set():
            time.sleep(0.01)
        serve()(handler)

    server.scripts = {"/file": [wait]}
    processes = [start_fetch(log, folder, server.url("file")) for log in logs]
    assert [process.wait(timeout=300) for process in processes] == [0, 0]
    outputs = sorted(log.read_text() for log in logs)
    assert outputs == ["", "waiting for another process that downloads file\n"]
    assert server.ranges("file") == [None]
    assert (folder / "file").read_bytes() == BODY
    assert [path.name for path in folder.iterdir()] == ["file"]


def test_a_killed_process_blocks_no_other_and_its_partial_is_resumed(server, folder, tmp_path):
    url = server.url("file")

    def kill(handler):
        serve(sent=HALF)(handler)
        wait_for_bytes(partial(folder, url))
        process.kill()

    server.scripts = {"/file": [kill, serve()]}
    process = start_fetch(tmp_path / "log", folder, url)
    assert process.wait(timeout=300) == -signal.SIGKILL
    assert (folder / ".file.lock").exists()
    assert_fetched(folder, url)
    assert re.fullmatch(r"bytes=\d+-", server.ranges("file")[1])


def test_waiting_for_another_process_is_reported_once(server, folder, monkeypatch, capsys):
    monkeypatch.setattr(locks, "SILENT_WAIT", 0.05)
    server.scripts = {"/good": [serve()]}
    folder.mkdir(parents=True)
    other = (folder / ".file.lock").open("w")
    fcntl.flock(other, fcntl.LOCK_EX)
    timer = threading.Timer(0.2, other.close)
    timer.start()
    assert_fetched(folder, server.url("good"))
    timer.join()
    assert capsys.readouterr().err == "waiting for another process that downloads file\n"


def test_ctrl_c_leaves_a_partial_that_the_next_fetch_resumes(server, folder, tmp_path):
    """In a new process: in this one, garbage collection callbacks may receive the interrupt and ignore it."""
    url = server.url("file")

    def interrupt(handler):
        serve(sent=HALF)(handler)
        wait_for_bytes(partial(folder, url))
        process.send_signal(signal.SIGINT)
        server.over.wait()

    server.scripts = {"/file": [interrupt, serve()]}
    process = start_fetch(tmp_path / "log", folder, url)
    assert process.wait(timeout=300) == -signal.SIGINT
    arrived = partial(folder, url).read_bytes()
    assert arrived
    assert BODY.startswith(arrived)
    assert_fetched(folder, url)
    assert server.ranges("file") == [None, f"bytes={len(arrived)}-"]


def test_a_full_disk_is_reported_and_its_space_freed(server, folder, monkeypatch):
    url = server.url("file")
    leave_partial(folder, url, BODY[:HALF])
    server.scripts = {"/file": [serve()]}
    really_open = Path.open

    def full(path, mode="r", *arguments):
        return really_open(Path("/dev/full") if path.suffix == ".part" else path, mode, *arguments)

    monkeypatch.setattr(Path, "open", full)
    message = fetch_error(folder, url, server.url("never"))
    assert message == f"{folder / 'file'}: cannot be written: No space left on device; set CNNLAB_DATA_DIR"
    assert server.ranges("never") == []


def test_a_file_is_flushed_to_disk_before_it_appears(server, folder, monkeypatch):
    synced = []
    monkeypatch.setattr(mirror.os, "fsync", lambda _: synced.append((folder / "file").exists()))
    server.scripts = {"/good": [serve()]}
    assert_fetched(folder, server.url("good"))
    assert synced == [False]


def test_a_folder_that_cannot_be_created_is_named(tmp_path):
    (tmp_path / "new").write_text("a file")
    with pytest.raises(
        DownloadError, match=r"new/folder/file: cannot be written: Not a directory; set CNNLAB_DATA_DIR"
    ):
        fetch(remote_file("http://127.0.0.1:9/"), tmp_path / "new" / "folder" / "file")


def test_nothing_is_printed_without_a_terminal(server, folder, capsys):
    server.scripts = {"/busy": [status(503), serve()]}
    assert_fetched(folder, server.url("missing"), server.url("busy"))
    assert capsys.readouterr() == ("", "")


def test_the_progress_bar_starts_at_the_resumed_position(server, folder, monkeypatch):
    leave_partial(folder, server.url("file"), BODY[:HALF])
    server.scripts = {"/file": [serve()]}
    bars = []
    really_progress = download.download_progress
    monkeypatch.setattr(download, "download_progress", lambda: bars.append(really_progress()) or bars[0])
    started = []
    monkeypatch.setattr(mirror.Progress, "reset", lambda bar, task, **state: started.append(state))
    assert_fetched(folder, server.url("file"))
    assert started == [{"total": len(BODY), "completed": HALF}]
    assert bars[0].tasks[0].completed == len(BODY) - HALF  # progress since the start, without a reset


def test_content_sha256_ignores_gzip_compression(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(gzip.compress(b"one") + gzip.compress(b" two"))
    assert remote.content_sha256(path) == hashlib.sha256(b"one two").hexdigest()
    assert remote.file_sha256(path) == hashlib.sha256(path.read_bytes()).hexdigest()
    path.write_bytes(b"one two")
    assert remote.content_sha256(path) == remote.file_sha256(path) == hashlib.sha256(b"one two").hexdigest()


@pytest.mark.parametrize("damage", [lambda good: good[:-9], lambda good: good[:2], lambda good: good + b"x", lambda good: good[:15] + b"xxxx" + good[19:]])  # fmt: skip
def test_damaged_gzip_has_no_content_sha256(tmp_path, damage):
    (tmp_path / "file").write_bytes(damage(gzip.compress(os.urandom(1000))))
    assert remote.content_sha256(tmp_path / "file") is None


def test_a_gzip_bomb_has_no_content_sha256(tmp_path, monkeypatch):
    monkeypatch.setattr(remote, "MAX_CONTENT_BYTES", 10**6)
    (tmp_path / "file").write_bytes(gzip.compress(bytes(10**6)))
    assert remote.content_sha256(tmp_path / "file") == hashlib.sha256(bytes(10**6)).hexdigest()
    (tmp_path / "file").write_bytes(gzip.compress(bytes(10**6 + 1)))
    assert remote.content_sha256(tmp_path / "file") is None
