"""MNIST and Fashion-MNIST in all common layouts: which files are found, published or damaged."""

import dataclasses
import gzip
import hashlib
import io
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from cnnlab.data import load
from cnnlab.data.loaders import LOADERS
from cnnlab.data.sources import fashion_mnist, mnist, mnist_format
from cnnlab.errors import DownloadError
from cnnlab.experiment.data import FashionMnist, Mnist
from tests.conftest import DATA_DIR, needs_mnist
from tests.data.data_files import (
    assert_refused,
    idx_bytes,
    mnist_arrays,
    mnist_files,
    warnings_about_files,
    within_limits,
    write_mnist,
)

MODULES = {"mnist": mnist, "fashion_mnist": fashion_mnist}
SPECS = {"mnist": Mnist, "fashion_mnist": FashionMnist}
both = pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])


def spec(name, **options):
    return SPECS[name](name=name, validation=0, **options)


@pytest.fixture
def genuine(monkeypatch):
    """A function that makes the small variant pass as the published data set."""

    def take(name):
        published = MODULES[name].PUBLISHED
        for file, content in mnist_files().items():
            digest = hashlib.new(published.algorithm, content).hexdigest()
            monkeypatch.setitem(published.digests, file, digest)

    return take


def npz_bytes(arrays):
    """The archive of Keras."""
    content = io.BytesIO()
    parts = {"train": "train", "t10k": "test"}
    names = {
        f"{part}-{kind}": f"{x}_{parts[part]}"
        for part in parts
        for kind, x in (("images-idx3-ubyte", "x"), ("labels-idx1-ubyte", "y"))
    }
    np.savez(content, **{names[name]: array for name, array in arrays.items()})
    return content.getvalue()


def named(pattern, wrap=bytes):
    """Files with names derived from LeCun's."""
    return lambda: {
        pattern.format(name, dotted=name.replace("-idx", ".idx")): wrap(c) for name, c in mnist_files().items()
    }


def mixed():
    """Two files gzipped, two not, one with a dot."""
    first, second, third, fourth = mnist_files().items()
    return {
        f"{first[0]}.gz": gzip.compress(first[1]),
        second[0]: second[1],
        third[0].replace("-idx", ".idx"): third[1],
        f"{fourth[0]}.gz": fourth[1],  # decompressed by a browser, which kept the name
    }


LAYOUTS = {
    "gzipped": ("mnist", named("{}.gz", gzip.compress)),
    "unpacked": ("mnist", named("{}")),
    "dotted": ("mnist", named("{dotted}")),
    "dotted and gzipped": ("mnist", named("{dotted}.gz", gzip.compress)),
    "mixed": ("mnist", mixed),
    "torchvision's": ("MNIST/raw", named("{}")),
    "Keras's": (".", lambda: {"mnist.npz": npz_bytes(mnist_arrays())}),
    "Keras's in a folder": ("mnist", lambda: {"mnist.npz": npz_bytes(mnist_arrays())}),
}  # fmt: skip


def lay_out(folder, name, layout):
    """Write the small variant in that layout, with `name` in place of `mnist`."""
    place, files = LAYOUTS[layout]
    fashionable = {"MNIST/raw": "FashionMNIST/raw"}.get(place, place.replace("mnist", "fashion_mnist"))
    folder = folder / (fashionable if name == "fashion_mnist" else place)
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in files().items():
        (folder / (f"{name}.npz" if file.endswith(".npz") else file)).write_bytes(content)
    return folder


def assert_small(dataset):
    arrays = mnist_arrays()
    for part, examples in (("train", dataset.train), ("t10k", dataset.test)):
        np.testing.assert_array_equal(examples.images[..., 0], arrays[f"{part}-images-idx3-ubyte"])
        np.testing.assert_array_equal(examples.labels, arrays[f"{part}-labels-idx1-ubyte"])
    assert dataset.train.images.shape == (40, 28, 28, 1)
    assert dataset.train.labels.dtype == np.int32


@both
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_found_and_the_published_data_recognised(data_dir, genuine, capsys, name, layout):
    genuine(name)
    lay_out(data_dir, name, layout)
    dataset = load(spec(name))
    assert_small(dataset)
    assert dataset.genuine is True
    assert warnings_about_files(capsys.readouterr().err) == ""


@both
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_found_in_a_user_folder(tmp_path, data_dir, name, layout):
    folder = lay_out(tmp_path / "user", name, layout)
    assert_small(load(spec(name, dir=str(folder))))
    assert_small(load(spec(name, dir=str(tmp_path / "user"))))


def test_fashion_mnist_is_found_under_the_folder_name_of_its_authors(data_dir):
    write_mnist(data_dir / "fashion-mnist")
    assert load(spec("fashion_mnist")).class_names[9] == "ankle_boot"


@both
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_variant_is_used_with_a_warning_that_names_it(data_dir, capsys, name, layout):
    lay_out(data_dir, name, layout)
    dataset = load(spec(name))
    assert_small(dataset)
    assert dataset.genuine is False
    warning = warnings_about_files(capsys.readouterr().err)
    assert len(warning.splitlines()) == 1
    assert warning.startswith(f"cnnlab: warning: {data_dir}")
    assert f"a variant, not the genuine {MODULES[name].PUBLISHED.title}; used unchanged" in warning


def test_one_differing_file_makes_a_variant_and_is_named(data_dir, genuine, capsys):
    genuine("mnist")
    folder = write_mnist(data_dir / "mnist")
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx_bytes(np.full(20, 3, np.uint8))))
    assert load(spec("mnist")).genuine is False
    assert warnings_about_files(capsys.readouterr().err) == (
        f"cnnlab: warning: {folder / 't10k-labels-idx1-ubyte.gz'}: a variant, not the genuine MNIST, 1 of its four "
        "files differ; used unchanged\n"
    )


def test_dir_takes_precedence_over_the_data_folder(tmp_path, data_dir):
    lay_out(data_dir, "mnist", "gzipped")
    folder = lay_out(tmp_path / "user", "mnist", "gzipped")
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx_bytes(np.full(40, 7, np.uint8))))
    assert load(spec("mnist", dir=str(tmp_path / "user"))).train.labels[0] == 7
    assert load(spec("mnist")).train.labels[0] == 0


@needs_mnist
@pytest.mark.parametrize("wrapper", ["gz", "unpacked", "npz"])
def test_the_published_mnist_is_recognised_in_every_container(tmp_path, data_dir, capsys, wrapper):
    place = DATA_DIR
    if wrapper != "gz":
        place = data_dir
        contents = {
            path.name.removesuffix(".gz"): gzip.decompress(path.read_bytes())
            for path in (DATA_DIR / "mnist").glob("*-ubyte.gz")
        }
        (place / "mnist").mkdir()
        if wrapper == "unpacked":
            for name, content in contents.items():
                (place / "mnist" / name).write_bytes(content)
        else:
            arrays = {
                name: np.frombuffer(content, np.uint8, offset=16 if "images" in name else 8)
                for name, content in contents.items()
            }
            arrays = {name: array.reshape(-1, 28, 28) if "images" in name else array for name, array in arrays.items()}
            (place / "mnist.npz").write_bytes(npz_bytes(arrays))
    dataset = load(spec("mnist", dir=str(place)))
    assert (len(dataset.train), len(dataset.test)) == (60_000, 10_000)
    assert np.bincount(dataset.train.labels)[:2].tolist() == [5923, 6742]
    assert dataset.genuine is True
    assert "variant" not in warnings_about_files(capsys.readouterr().err)


def flip(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 0xFF]) + content[middle + 1 :]


def zipped(change):
    return lambda good: gzip.compress(change(gzip.decompress(good)))


HUGE = bytes([0, 0, 8, 3]) + struct.pack(">3I", 2**32 - 1, 2**32 - 1, 2**32 - 1)


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("train-images", lambda good: good[: len(good) // 2], "truncated or damaged .gz"),
        ("train-images", flip, "truncated or damaged .gz"),
        ("train-images", lambda good: good[:-4] + b"\0\0\0\0", "truncated or damaged .gz"),
        ("train-images", lambda good: b"", "not an IDX file: starts with nothing, expected such as 00 00 08 03"),
        ("train-images", lambda good: b"not gzip", "not an IDX file: starts with 6e 6f 74 20"),
        ("train-images", zipped(lambda good: b"\x89PNG...."), "not an IDX file: starts with 89 50 4e 47"),
        ("train-images", zipped(lambda good: good[:-5]), "its header promises 31,360 bytes of data, the file has 31,355"),
        ("train-images", zipped(lambda good: good + b"x"), "the file has more"),
        ("train-images", zipped(lambda good: HUGE), "expected at most 2,147,483,648"),
        ("train-images", zipped(lambda good: idx_bytes(np.zeros((40, 20, 20), np.uint8))), "images of 20×20×1, expected 28×28×1"),
        ("t10k-images", zipped(lambda good: idx_bytes(np.zeros((20, 28, 28), np.int32))), "3 dimensions of int32; expected"),
        ("train-labels", zipped(lambda good: idx_bytes(np.zeros(39, np.uint8))), "39 labels for the 40 images of train-images-idx3-ubyte.gz"),
        ("train-labels", zipped(lambda good: idx_bytes(np.full(40, 10, np.uint8))), "has a label 10; the labels of 10 classes are 0 to 9"),
        ("t10k-labels", zipped(lambda good: idx_bytes(np.full(20, -1, np.int8))), "has a label -1; the labels of 10 classes are 0 to 9"),
    ],
)  # fmt: skip
def test_a_damaged_file_is_named(data_dir, name, damage, message):
    path = write_mnist(data_dir / "mnist") / f"{name}-idx{3 if 'images' in name else 1}-ubyte.gz"
    path.write_bytes(damage(path.read_bytes()))
    assert_refused(spec("mnist"), f"{path}: ", message)


def test_a_folder_in_place_of_a_file_is_named(data_dir):
    path = write_mnist(data_dir / "mnist") / "t10k-labels-idx1-ubyte.gz"
    path.unlink()
    path.mkdir()
    assert_refused(spec("mnist"), f"{path}: not a file")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (npz_bytes(mnist_arrays())[:5000], "truncated, damaged or no NumPy archive"),
        (npz_bytes(dict(list(mnist_arrays().items())[:2])), "expected the arrays x_train, y_train, x_test and y_test"),
        (npz_bytes({**mnist_arrays(), "train-labels-idx1-ubyte": np.full(40, 11)}), "has a label 11"),
        (npz_bytes({**mnist_arrays(), "train-images-idx3-ubyte": np.zeros((40, 28, 28))}), "3 dimensions of float64"),
    ],
    ids=["truncated", "without test", "labels", "floats"],
)
def test_a_damaged_archive_is_named(data_dir, content, message):
    (data_dir / "mnist.npz").write_bytes(content)
    assert_refused(spec("mnist"), f"{data_dir / 'mnist.npz'}: ", message)


@pytest.fixture
def mirror(monkeypatch):
    """The URL of a server on loopback with the small variant, and the paths requested."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            content = gzip.compress(mnist_files()[self.path.rpartition("/")[2].removesuffix(".gz")])
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("CNNLAB_OFFLINE", raising=False)
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    thread.join()
    server.server_close()


def have_urls(monkeypatch, *urls):
    monkeypatch.setitem(LOADERS, "mnist", mnist_format.loader(dataclasses.replace(mnist.PUBLISHED, urls=urls)))


@pytest.mark.parametrize("by", ["CNNLAB_MIRROR", "published URLs"])
def test_missing_files_are_downloaded_once(data_dir, monkeypatch, genuine, mirror, capsys, by):
    url, asked = mirror
    genuine("mnist")
    if by == "CNNLAB_MIRROR":
        have_urls(monkeypatch)
        monkeypatch.setenv("CNNLAB_MIRROR", url)
        asked_for = [f"/mnist/{name}.gz" for name in mnist_files()]
    else:
        have_urls(monkeypatch, f"{url}/")
        asked_for = [f"/{name}.gz" for name in mnist_files()]
    for _ in range(2):
        dataset = load(spec("mnist"))
        assert_small(dataset)
        assert dataset.genuine is True
    assert asked == asked_for
    assert sorted(path.name for path in (data_dir / "mnist").iterdir()) == sorted(
        f"{name}.gz" for name in mnist_files()
    )


def test_only_missing_files_are_downloaded(data_dir, monkeypatch, genuine, mirror):
    url, asked = mirror
    genuine("mnist")
    have_urls(monkeypatch, f"{url}/")
    (write_mnist(data_dir / "mnist") / "t10k-images-idx3-ubyte.gz").unlink()
    assert_small(load(spec("mnist")))
    assert asked == ["/t10k-images-idx3-ubyte.gz"]


def test_without_a_network_one_line_names_an_alternative(data_dir, monkeypatch):
    monkeypatch.delenv("CNNLAB_OFFLINE", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    have_urls(monkeypatch, "http://127.0.0.1:9/")  # the discard port: nothing listens
    with within_limits(), pytest.raises(DownloadError) as caught:
        load(spec("mnist"))
    message = str(caught.value)
    assert "\n" not in message
    assert "no network to download it: no mirror can be reached" in message
    assert f"put the four .gz files into {data_dir / 'mnist'}, or use other data: " in message
