import gzip
import hashlib
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from cnnlab.data import download, idx, load, mnist
from cnnlab.errors import DataError, DownloadError
from cnnlab.experiment.data import Mnist
from tests.conftest import needs_mnist


def idx_bytes(array):
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def small_mnist(count=40):
    """The four files' contents, gzipped, for `count` examples a split."""
    images = np.arange(count * 784, dtype=np.uint32).astype(np.uint8).reshape(count, 28, 28)
    labels = (np.arange(count) % 10).astype(np.uint8)
    contents = {}
    for prefix in ("train", "t10k"):
        contents[f"{prefix}-images-idx3-ubyte.gz"] = gzip.compress(idx_bytes(images))
        contents[f"{prefix}-labels-idx1-ubyte.gz"] = gzip.compress(idx_bytes(labels))
    return contents


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """`$CNNLAB_DATA_DIR/mnist` with a small variant of MNIST, and no other place to look."""
    monkeypatch.setenv("CNNLAB_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "mnist").mkdir()
    for name, content in small_mnist().items():
        (tmp_path / "mnist" / name).write_bytes(content)
    return tmp_path / "mnist"


def test_a_variant_is_used_with_a_warning_that_names_it(folder, capsys):
    source = mnist.load()
    assert source.train.images.shape == (40, 28, 28, 1)
    assert source.train.images.dtype == np.uint8
    assert source.test.labels.dtype == np.int32
    warnings = capsys.readouterr().err.splitlines()
    assert len(warnings) == 4
    assert f"{folder / 'train-images-idx3-ubyte.gz'}: not the genuine MNIST" in warnings[0]


@needs_mnist
def test_the_genuine_files_are_recognised(capsys):
    source = mnist.load()
    assert (len(source.train), len(source.test)) == (60_000, 10_000)
    assert np.bincount(source.train.labels)[:2].tolist() == [5923, 6742]
    assert capsys.readouterr().err == ""


def flip(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 0xFF]) + content[middle + 1 :]


HUGE = bytes([0, 0, 8, 3]) + struct.pack(">3I", 2**32 - 1, 2**32 - 1, 2**32 - 1)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("train-images", lambda good: good[: len(good) // 2], "truncated or damaged .gz"),
        ("train-images", flip, "truncated or damaged .gz"),
        ("train-images", lambda good: b"", "not an IDX file: starts with nothing, expected 00 00 08 03"),
        ("train-images", lambda good: b"not gzip", "truncated or damaged .gz"),
        ("train-images", lambda good: gzip.compress(b"\x89PNG...."), "not an IDX file: starts with 89 50 4e 47"),
        ("train-images", lambda good: gzip.compress(gzip.decompress(good)[:-5]), "its header promises 31,360 bytes of data, the file has 31,355"),
        ("train-images", lambda good: gzip.compress(gzip.decompress(good) + b"x"), "the file has more"),
        ("train-images", lambda good: gzip.compress(HUGE), "expected at most 2,147,483,648"),
        ("train-images", lambda good: gzip.compress(idx_bytes(np.zeros((40, 20, 20), np.uint8))), "images of 20×20; MNIST's are 28×28"),
        ("train-labels", lambda good: gzip.compress(idx_bytes(np.zeros(39, np.uint8))), "39 labels for the 40 images of train-images-idx3-ubyte.gz"),
        ("train-labels", lambda good: gzip.compress(idx_bytes(np.full(40, 10, np.uint8))), "has a label 10; MNIST's labels are 0 to 9"),
    ],
)  # fmt: skip
def test_a_bad_file_is_named(folder, name, content, message):
    path = next(folder.glob(f"{name}*"))
    path.write_bytes(content(path.read_bytes()))
    with pytest.raises(DataError) as caught:
        mnist.load()
    assert str(path) in str(caught.value)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_in_the_place_of_a_file_is_an_error(folder):
    path = folder / "t10k-labels-idx1-ubyte.gz"
    path.unlink()
    path.mkdir()
    with pytest.raises(DataError, match="not a file"):
        idx.read(path, 1)


@pytest.fixture
def mirror():
    """A server on loopback that answers from `replies`: path to (status, promised length, body)."""

    class Handler(BaseHTTPRequestHandler):
        replies = {}  # noqa: RUF012

        def do_GET(self):
            status, length, body = self.replies.get(self.path, (404, 0, b""))
            self.send_response(status)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/", Handler.replies
    server.shutdown()
    server.server_close()
    thread.join()


def test_download_tries_the_mirrors_in_order_and_checks_the_content(tmp_path, mirror):
    url, replies = mirror
    good, content = gzip.compress(b"the content"), b"the content"
    replies["/short"] = (200, len(good), good[:-4])
    replies["/wrong"] = (200, 27, gzip.compress(b"another")[:27])
    replies["/good"] = (200, len(good), good)
    target = tmp_path / "new" / "file.gz"
    urls = [url + path for path in ("missing", "short", "wrong", "good")]
    download.fetch(urls, target, hashlib.sha256(content).hexdigest())
    assert gzip.decompress(target.read_bytes()) == content
    assert [path.name for path in target.parent.iterdir()] == ["file.gz"]


def test_download_that_fails_leaves_nothing_and_tells_each_mirrors_fault(tmp_path, mirror):
    url, replies = mirror
    replies["/wrong"] = (200, 5, b"wrong")
    with pytest.raises(DownloadError) as caught:
        download.fetch([url + "missing", url + "wrong"], tmp_path / "file.gz", "0" * 64)
    assert "file.gz: cannot be downloaded (" in str(caught.value)
    assert "missing: Not Found" in str(caught.value)
    assert "wrong: not the genuine file" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_mnist_is_downloaded_where_it_is_missing(tmp_path, monkeypatch, mirror):
    url, replies = mirror
    for name, content in small_mnist().items():
        replies[f"/{name}"] = (200, len(content), content)
        monkeypatch.setitem(mnist.SHA256, name, hashlib.sha256(gzip.decompress(content)).hexdigest())
    monkeypatch.setattr(mnist, "MIRRORS", (url + "down/", url))
    monkeypatch.setenv("CNNLAB_DATA_DIR", str(tmp_path))
    assert len(mnist.load().train) == 40
    replies.clear()
    assert len(load(Mnist(name="mnist", validation=0)).train) == 40  # now from the folder


def test_without_a_network_one_line_says_what_works(tmp_path, monkeypatch):
    monkeypatch.setattr(mnist, "MIRRORS", ("http://127.0.0.1:9/",))  # the discard port: nothing listens
    monkeypatch.setenv("CNNLAB_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(DownloadError) as caught:
        mnist.load()
    assert "no network to download it: no mirror can be reached" in str(caught.value)
    assert "Connection refused" in str(caught.value)
    assert "--data digits works now" in str(caught.value)
    assert "\n" not in str(caught.value)
