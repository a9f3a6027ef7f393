"""Damaged and malicious files: each gives a one-line error that names it, quickly and with little memory."""

import gzip
import io
import json
import os
import shutil
import struct
import subprocess
import sys
import tarfile
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image
from pydantic import TypeAdapter

from cnnlab.data.sources import cifar10
from cnnlab.errors import printable
from cnnlab.experiment.data import Data
from tests.data.data_files import assert_refused, cifar_files, idx_bytes, write_folder, write_image, write_mnist

MEMORY_KIB = 4 << 20
PETS = {"name": "folder", "path": "pets", "image_size": 8, "num_classes": 2}
NPZ = {"name": "npz", "file": "a.npz", "image_shape": [8, 8, 1], "num_classes": 2}
IDX = {"name": "idx", "image_shape": [8, 8, 1], "num_classes": 2, "train_images": "a", "train_labels": "b"}
RAW = {**IDX, "name": "raw"}
IMAGES, LABELS = np.zeros((10, 8, 8), np.uint8), np.arange(10, dtype=np.uint8) % 2
ARCHIVE = cifar10.PUBLISHED.archive

CASES = {}


def case(what, data, named):
    """Register a function that writes a data set in which the file `named` is unusable."""

    def add(make):
        CASES[what] = (make, data, named)
        return make

    return add


# MNIST


def mnist_file(what, named, change):
    def make(folder):
        path = write_mnist(folder / "mnist") / named
        path.write_bytes(change(path.read_bytes()))

    CASES[what] = (make, {"name": "mnist"}, f"mnist/{named}")


def flipped(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 16]) + content[middle + 1 :]


def header(*sizes):
    return bytes([0, 0, 8, len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes)


def bomb(start):
    """A small gzip file of 8 GB: all members are equal."""
    return gzip.compress(start) + gzip.compress(bytes(1 << 24)) * 512


IMAGES_GZ, LABELS_GZ = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"
mnist_file("a .gz that ends early", IMAGES_GZ, lambda good: good[: len(good) // 2])
mnist_file("a .gz with another bit", IMAGES_GZ, flipped)
mnist_file("an empty .gz", IMAGES_GZ, lambda good: b"")
mnist_file("an IDX file that is none", LABELS_GZ, lambda good: gzip.compress(b"IDX"))
mnist_file("an IDX file of more than a machine has", IMAGES_GZ, lambda good: gzip.compress(header(*[2**32 - 1] * 3)))
mnist_file("an IDX file that does not have what it says", IMAGES_GZ, lambda good: gzip.compress(header(2**20, 28, 28)))
mnist_file("labels out of range", LABELS_GZ, lambda good: gzip.compress(idx_bytes(np.full(40, 10, np.uint8))))
mnist_file("a gzip bomb", IMAGES_GZ, lambda good: bomb(header(40, 28, 28)))
mnist_file("a gzip bomb that says so", IMAGES_GZ, lambda good: bomb(header(2**31 // 784, 28, 28)))


# Archives


def pack(folder, *members):
    with tarfile.open(folder / ARCHIVE, "w:gz", compresslevel=1) as archive:
        for info, content in members:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def cifar_members():
    return [
        (tarfile.TarInfo(f"cifar-10-batches-bin/{name}"), content)
        for name, content in cifar_files(cifar10.PUBLISHED).items()
    ]


@case("a tar whose paths climb out", {"name": "cifar10"}, ARCHIVE)
def _(folder):
    pack(folder, (tarfile.TarInfo("../../climbed"), b"x"), *cifar_members())


@case("a tar with an absolute path", {"name": "cifar10"}, ARCHIVE)
def _(folder):
    pack(folder, (tarfile.TarInfo(str(folder / "climbed")), b"x"), *cifar_members())


@case("a tar of a terabyte of holes", {"name": "cifar10"}, ARCHIVE)
def _(folder):
    holes = tarfile.TarInfo("cifar-10-batches-bin/test_batch.bin")
    holes.pax_headers = {"GNU.sparse.map": "0,0", "GNU.sparse.size": str(1 << 40)}
    pack(folder, *cifar_members()[:-1], (holes, b""))


@case("a tar bomb", {"name": "cifar10"}, ARCHIVE)
def _(folder):
    pack(folder, *cifar_members()[:-1], (tarfile.TarInfo("padding"), b""))
    content = gzip.decompress((folder / ARCHIVE).read_bytes()).rstrip(b"\0")
    big = tarfile.TarInfo("cifar-10-batches-bin/test_batch.bin")
    big.size = 1 << 33
    padded = content + bytes(-len(content) % 512) + big.tobuf(tarfile.GNU_FORMAT)
    (folder / ARCHIVE).write_bytes(bomb(padded))


@case("records that are cut", {"name": "cifar10"}, "cifar-10-batches-bin/data_batch_2.bin")
def _(folder):
    contents = cifar_files(cifar10.PUBLISHED)
    contents["data_batch_2.bin"] = contents["data_batch_2.bin"][:-1]
    write_folder(folder / "cifar-10-batches-bin", contents)


@case("a NaN in an .npz", NPZ, "a.npz")
def _(folder):
    np.savez(folder / "a.npz", x_train=np.full((10, 8, 8), np.nan), y_train=LABELS)


class Trap:
    """Creates a folder when unpickled."""

    def __reduce__(self):
        return os.mkdir, ("climbed",)


@case("a pickle in an .npz", NPZ, "a.npz")
def _(folder):
    np.savez(folder / "a.npz", x_train=IMAGES, y_train=np.array([Trap()] * 10, object))


@case("an .npz that ends early", NPZ, "a.npz")
def _(folder):
    np.savez(folder / "a.npz", x_train=IMAGES, y_train=LABELS)
    os.truncate(folder / "a.npz", 400)


@case("an .npz that is a pickle", NPZ, "a.npz")
def _(folder):
    import pickle

    (folder / "a.npz").write_bytes(pickle.dumps(Trap()))


@case("an empty .npz", NPZ, "a.npz")
def _(folder):
    (folder / "a.npz").write_bytes(b"")


@case("an .npz bomb", NPZ, "a.npz")
def _(folder):
    shape, parts = (3 << 24, 8, 8), 192  # 3 GiB of zeros in 192 equal parts
    start = io.BytesIO()
    np.lib.format.write_array_header_1_0(start, {"descr": "|u1", "fortran_order": False, "shape": shape})
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(start.getvalue()) + packer.flush(zlib.Z_FULL_FLUSH)
    packed += (packer.compress(bytes(1 << 24)) + packer.flush(zlib.Z_FULL_FLUSH)) * parts + packer.flush()
    with zipfile.ZipFile(folder / "a.npz", "w") as archive:
        archive.writestr("x_train.npy", packed)
        archive.writestr("y_train.npy", b"")
    content = bytearray((folder / "a.npz").read_bytes())
    entry = content.find(b"PK\x01\x02")
    for method, size in ((8, 22), (entry + 10, entry + 24)):  # compression method and uncompressed size in both headers
        struct.pack_into("<H", content, method, 8)
        struct.pack_into("<I", content, size, len(start.getvalue()) + (parts << 24))
    (folder / "a.npz").write_bytes(content)


# Headerless files


@case("raw labels out of range", RAW, "b")
def _(folder):
    IMAGES.tofile(folder / "a")
    (LABELS * 2).tofile(folder / "b")


# Images


def pets(folder):
    """Two classes of two good images each."""
    for name in ("cat/1.png", "cat/2.jpg", "dog/1.png", "dog/2.bmp"):
        write_image(folder / "pets" / name)
    return folder / "pets"


def image(what, change, name="x.jpg"):
    """A fifth image, whose path is passed to `change` to write it."""
    CASES[what] = (lambda folder: change(pets(folder) / "cat" / name), PETS, f"pets/cat/{name}")


def written(content):
    return lambda path: path.write_bytes(content)


def file_of(format, size=(40, 40), **options):
    content = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(noise).save(content, format, **options)
    return content.getvalue()


def chunk(kind, content, crc=None):
    crc = zlib.crc32(kind + content) if crc is None else crc
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc)


def png(side, *chunks):
    """A grey PNG with this side length in its header."""
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">2I5B", side, side, 8, 0, 0, 0, 0)) + b"".join(chunks)


def png_bomb(path):
    """40,000×40,000 pixels, 1.6 GB, in 1.6 MB."""
    packer = zlib.compressobj(1)
    first = packer.compress(bytes(40_001 * 100)) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(40_001 * 100)) + packer.flush(zlib.Z_FULL_FLUSH)
    packed = first + block * 399  # equal rows; the checksum is never reached
    path.write_bytes(png(40_000, chunk(b"IDAT", packed), chunk(b"IEND", b"")))


def tiff(change):
    """A TIFF with another type of StripOffsets."""
    content = bytearray(file_of("TIFF"))
    place = content.find(struct.pack("<2H", 273, 4), struct.unpack_from("<I", content, 4)[0])
    struct.pack_into("<H", content, place + 2, change)
    return bytes(content)


image("an image that is text", written(b"an image"))
image("an empty image", written(b""))
image("an image that ends early", written(file_of("JPEG")[:-800]))
image("an image that ends within its header", written(file_of("JPEG")[:100]))
image("an image of another format", written(b"%PDF-1.4\n" + bytes(100)), "x.png")
image("a PNG with a broken chunk", written(file_of("PNG").replace(b"IDAT", b"IDA\xc1")), "x.png")
image(
    "a PNG with a wrong checksum",
    written(png(8, chunk(b"IDAT", zlib.compress(bytes(72)), crc=7), chunk(b"IEND", b""))),
    "x.png",
)
image("a PNG with damaged pixels", written(png(8, chunk(b"IDAT", b"no zlib"), chunk(b"IEND", b""))), "x.png")
image("a PNG bomb", png_bomb, "x.png")
image("a PNG bomb that is but a header", written(png(40_000)), "x.png")
image("a PNG a little too large", written(png(9_460)), "x.png")
image("a GIF that ends early", written(file_of("GIF")[:900]), "x.gif")
image("a WebP that ends early", written(file_of("WEBP")[:-99]), "x.webp")
image("a TIFF whose compression is damaged", written(flipped(file_of("TIFF", compression="tiff_deflate"))), "x.tif")
image("a TIFF of odd numbers", written(tiff(11)), "x.tif")
image("an image that is a pipe", os.mkfifo)
image("an image that is a link to itself", lambda path: path.symlink_to(path))
image("an image that is a link to nothing", lambda path: path.symlink_to("nowhere"))
image("an image that is endless", lambda path: path.symlink_to("/dev/zero"))
image("an image that is too large a file", lambda path: (path.write_bytes(b"\xff\xd8"), os.truncate(path, 1 << 40)))
image("an image whose name is no UTF-8", written(b"an image"), os.fsdecode(b"x\xe9.jpg"))
image("an image whose name is two lines", written(b"an image"), "x\n.jpg")


@case("a class without images", PETS, "pets/dog")
def _(folder):
    shutil.rmtree(pets(folder) / "dog")
    (folder / "pets" / "dog").mkdir()


@case("a folder that is a link to itself", PETS, "")
def _(folder):
    (folder / "pets").symlink_to(folder / "pets")


# The tests


@pytest.fixture
def corrupt(request, data_dir):
    """The data of an experiment, and the path that its error must name."""
    make, data, named = CASES[request.param]
    make(data_dir)
    return data, str(data_dir / named)


def assert_nothing_climbed_out(tmp_path):
    assert not list(tmp_path.rglob("climbed"))


@pytest.mark.parametrize("corrupt", CASES, indirect=True)
def test_corrupt_data_are_a_one_line_error_that_names_the_file(tmp_path, corrupt):
    data, named = corrupt
    assert_refused(TypeAdapter(Data).validate_python(data), named)
    assert_nothing_climbed_out(tmp_path)


@pytest.mark.parametrize(
    "corrupt",
    [
        "raw labels out of range",
        "a NaN in an .npz",
        "labels out of range",
        "records that are cut",
        "an image that is text",
        "a class without images",
    ],
    indirect=True,
)
def test_unreadable_data_are_a_one_line_error_that_names_them(corrupt):
    data, named = corrupt
    os.chmod(named, 0)
    if os.access(named, os.R_OK):
        pytest.skip("root may read everything")
    try:
        assert_refused(TypeAdapter(Data).validate_python(data), f"{named}: cannot be read: Permission denied")
    finally:
        os.chmod(named, 0o700)


EXPERIMENT = """\
name: x
data: {data}
model: {{layers: [flatten, {{dense: {classes}}}]}}
train: {{epochs: 1, batch_size: 2, optimizer: sgd}}
"""
THROUGH_THE_COMMAND_LINE = [
    "a PNG bomb",
    "an image whose name is no UTF-8",
    "a TIFF whose compression is damaged",  # libtiff writes to standard error
]


@pytest.mark.parametrize("corrupt", THROUGH_THE_COMMAND_LINE, indirect=True)
def test_the_command_line_reports_it_in_one_line_within_four_gib(tmp_path, corrupt):
    data, named = corrupt
    experiment = EXPERIMENT.format(data=json.dumps(data), classes=data.get("num_classes", 10))
    (tmp_path / "x.yaml").write_text(experiment)
    done = subprocess.run(
        ["/bin/sh", "-c", f'ulimit -v {MEMORY_KIB}; exec "$@"', "sh", sys.executable, "-m", "cnnlab", "data", "info", "x.yaml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    (line,) = done.stderr.splitlines()
    assert printable(named) in line
    assert_nothing_climbed_out(tmp_path)
