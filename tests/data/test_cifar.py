"""CIFAR-10 and CIFAR-100: extracted, or as the downloaded archive, which is not trusted."""

import dataclasses
import gzip
import hashlib
import io
import os
import tarfile

import numpy as np
import pytest

from cnnlab.data import load
from cnnlab.data.loaders import LOADERS
from cnnlab.data.sources import cifar, cifar10, cifar100
from cnnlab.errors import DownloadError
from cnnlab.experiment.data import Cifar10, Cifar100
from tests.conftest import DATA_DIR, needs_cifar10
from tests.data.data_files import assert_refused, cifar_files, warnings_about_files, write_folder

MODULES = {"cifar10": cifar10, "cifar100": cifar100}
TEN = cifar10.PUBLISHED
ARCHIVE = TEN.archive
both = pytest.mark.parametrize("name", ["cifar10", "cifar100"])
either = pytest.mark.parametrize("packed", [False, True], ids=["folder", "archive"])


def spec(name="cifar10", **options):
    return (Cifar10 if name == "cifar10" else Cifar100)(name=name, validation=0, **options)


def member(name, content=b"", **fields):
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def tar_gz(*members, format=tarfile.PAX_FORMAT):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=format) as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return gzip.compress(packed.getvalue(), mtime=0)


def members(published, contents=None):
    files = contents if contents is not None else cifar_files(published)
    return [member(f"{published.folder}/{name}", content) for name, content in files.items()]


def write(folder, published, packed):
    """Write the small variant into `folder`; its path."""
    if not packed:
        return write_folder(folder / published.folder, cifar_files(published))
    (folder / published.archive).write_bytes(tar_gz(*members(published)))
    return folder / published.archive


@both
@either
def test_records_are_labels_then_planes(data_dir, name, packed):
    published = MODULES[name].PUBLISHED
    write(data_dir, published, packed)
    dataset = load(spec(name))
    contents = cifar_files(published)
    train = np.frombuffer(b"".join(contents[file] for file in published.train_files), np.uint8)
    records = train.reshape(-1, published.label_bytes + 3072)
    assert dataset.train.images.shape == (20 * len(published.train_files), 32, 32, 3)
    assert dataset.train.labels.tolist() == records[:, published.label_bytes - 1].tolist()
    row, column = 2, 5
    for plane in range(3):
        place = published.label_bytes + plane * 1024 + row * 32 + column
        np.testing.assert_array_equal(dataset.train.images[:, row, column, plane], records[:, place])
    (test,) = (contents[file] for file in published.test_files)
    assert dataset.test.images[0, 31, 31, 2] == test[published.label_bytes + 3071]


@pytest.mark.parametrize(
    ("labels", "expected", "names"),
    [("fine", list(range(20)), {0: "apple", 99: "worm"}), ("coarse", list(range(20))[::-1], {0: "aquatic_mammals", 19: "vehicles_2"})],
)  # fmt: skip
def test_cifar100_has_fine_and_coarse_labels(data_dir, labels, expected, names):
    write(data_dir, cifar100.PUBLISHED, packed=False)
    dataset = load(spec("cifar100", labels=labels))
    assert dataset.test.labels.tolist() == expected
    assert {number: dataset.class_names[number] for number in names} == names
    assert dataset.num_classes == max(names) + 1


@both
@either
def test_data_are_found_in_dir_too(tmp_path, data_dir, name, packed):
    (tmp_path / "user").mkdir()
    place = write(tmp_path / "user", MODULES[name].PUBLISHED, packed)
    for folder in (tmp_path / "user", place):
        assert len(load(spec(name, dir=str(folder))).test) == 20


@both
@either
def test_a_variant_is_used_with_a_warning_that_names_it(data_dir, capsys, name, packed):
    published = MODULES[name].PUBLISHED
    place = write(data_dir, published, packed)
    assert load(spec(name)).genuine is False
    count = len(published.files)
    assert warnings_about_files(capsys.readouterr().err) == (
        f"cnnlab: warning: {place}: a variant, not the genuine {published.title}: {count} of its {count} files differ; "
        "used unchanged\n"
    )


@both
@either
def test_the_published_data_are_recognised_by_their_sha256(data_dir, monkeypatch, capsys, name, packed):
    published = MODULES[name].PUBLISHED
    digests = {file: hashlib.sha256(content).hexdigest() for file, content in cifar_files(published).items()}
    parts = {part: {file: digests[file] for file in getattr(published, part)} for part in ("train_files", "test_files")}
    genuine = cifar.loader(dataclasses.replace(published, **parts), label_byte=lambda _: 0)
    monkeypatch.setitem(LOADERS, name, genuine)
    write(data_dir, published, packed)
    assert load(spec(name)).genuine is True
    assert warnings_about_files(capsys.readouterr().err) == ""


@needs_cifar10
def test_the_real_cifar10_has_the_published_sizes(data_dir):
    dataset = load(spec(dir=str(DATA_DIR)))
    assert (len(dataset.train), len(dataset.test)) == (50_000, 10_000)
    assert np.bincount(dataset.train.labels).tolist() == [5000] * 10
    assert np.bincount(dataset.test.labels).tolist() == [1000] * 10
    assert 100 < dataset.train.images.mean() < 140


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: No such file"),
        (b"", "damaged: 0 bytes, expected a multiple of 3,073"),
        (bytes(3074), "damaged: 3,074 bytes, expected a multiple of 3,073"),
        (bytes([11]) + bytes(3072), "damaged: has a label 11; CIFAR-10's are 0 to 9"),
    ],
)
def test_a_damaged_file_is_named(data_dir, content, message):
    path = write(data_dir, TEN, packed=False) / "data_batch_3.bin"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    assert_refused(spec(), f"{path}: {message}")


@pytest.mark.parametrize(("labels", "byte"), [("fine", 1), ("coarse", 0)])
def test_an_out_of_range_cifar100_label_is_reported(data_dir, labels, byte):
    record = bytearray(3074)
    record[byte] = 100
    folder = write_folder(data_dir / "cifar-100-binary", {"train.bin": bytes(record), "test.bin": bytes(3074)})
    assert_refused(spec("cifar100", labels=labels), f"{folder / 'train.bin'}: damaged: has a label 100")


def test_an_oversized_file_is_rejected_without_reading_it(data_dir):
    path = write(data_dir, TEN, packed=False) / "test_batch.bin"
    os.truncate(path, 1 << 40)  # a sparse file
    assert_refused(spec(), f"{path}: 1,099,511,627,776 bytes; expected at most 268,435,456")


@pytest.mark.parametrize(
    "make", [os.mkdir, os.mkfifo, lambda path: os.symlink("/dev/zero", path)], ids=["folder", "pipe", "endless"]
)
def test_a_file_that_is_not_regular_is_named_without_blocking(data_dir, make):
    path = write(data_dir, TEN, packed=False) / "test_batch.bin"
    path.unlink()
    make(path)
    assert_refused(spec(), f"{path}: ")


def cut(share):
    return lambda good: good[: int(len(good) * share)]


def flipped(good):
    middle = len(good) // 2
    return good[:middle] + bytes([good[middle] ^ 0xFF]) + good[middle + 1 :]


def tar_cut(good):
    """A complete .gz of a truncated archive."""
    content = gzip.decompress(good)
    return gzip.compress(content[: len(content) // 2])


def with_first(*fields, **named):
    """The archive with an additional first member."""
    return lambda good: tar_gz(member(*fields, **named), *members(TEN))


def links(kind):
    def damage(good):
        linked = [member(f"{TEN.folder}/{name}", type=kind, linkname="/etc/passwd") for name in TEN.files]
        return tar_gz(*linked)

    return damage


def header_of(*fields):
    """The archive with a changed first header and a valid checksum."""

    def damage(good):
        content = bytearray(gzip.decompress(good))
        for place, value in fields:
            content[place : place + len(value)] = value
        content[148:156] = b" " * 8
        content[148:156] = b"%06o\0 " % sum(content[:512])
        return gzip.compress(bytes(content))

    return damage


ENDLESS = b"\x80" + b"\x7f" * 11  # the size in base 256


def pax(**headers):
    return with_first(
        f"{TEN.folder}/readme", pax_headers={key.replace("_", "."): value for key, value in headers.items()}
    )


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        pytest.param(lambda good: b"", "truncated or damaged", id="empty"),
        pytest.param(lambda good: b"not gzip", "truncated or damaged", id="no gzip"),
        pytest.param(lambda good: gzip.compress(b"no tar" * 1000), "truncated or damaged", id="no tar"),
        pytest.param(cut(0.5), "truncated or damaged", id="truncated"),
        pytest.param(flipped, "truncated or damaged", id="other byte"),
        pytest.param(tar_cut, "truncated or damaged", id="archive truncated"),
        pytest.param(lambda good: tar_gz(*members(TEN)[1:]), "has no data_batch_1.bin; expected the binary version", id="a file is missing"),
        pytest.param(lambda good: tar_gz(), "has no data_batch_1.bin", id="without files"),
        pytest.param(links(tarfile.SYMTYPE), "has no data_batch_1.bin", id="links"),
        pytest.param(links(tarfile.LNKTYPE), "has no data_batch_1.bin", id="hard links"),
        pytest.param(links(tarfile.FIFOTYPE), "has no data_batch_1.bin", id="pipes"),
        pytest.param(links(tarfile.DIRTYPE), "has no data_batch_1.bin", id="folders"),
        pytest.param(with_first("../data_batch_1.bin", b"x"), "has a member ../data_batch_1.bin outside of its folder", id="climbs out"),
        pytest.param(with_first("a/../../x", b"x"), "has a member a/../../x outside of its folder", id="climbs out within"),
        pytest.param(with_first("/etc/x", b"x"), "has a member /etc/x outside of its folder", id="absolute"),
        pytest.param(with_first("../a\nb", b"x"), "outside of its folder", id="climbs out over two lines"),
        pytest.param(lambda good: tar_gz(*members(TEN, dict.fromkeys(TEN.files, b"\x0b" + bytes(3072)))), "has a label 11", id="labels"),
        pytest.param(header_of((124, ENDLESS)), "", id="endless member"),
        pytest.param(lambda good: header_of((124, ENDLESS))(with_first("readme")(good)), "truncated or damaged", id="endless member to skip"),
        pytest.param(header_of((124, b"\xff" * 12)), "", id="member of less than nothing"),
        pytest.param(pax(GNU_sparse_map="one,two"), "truncated or damaged", id="map of holes that is none"),
        pytest.param(pax(GNU_sparse_major="1", GNU_sparse_minor="0"), "truncated or damaged", id="map of holes missing"),
    ],
)  # fmt: skip
def test_an_invalid_archive_is_named_and_nothing_is_extracted(tmp_path, data_dir, damage, message):
    path = write(data_dir, TEN, packed=True)
    path.write_bytes(damage(path.read_bytes()))
    assert_refused(spec(), path, message)
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == [path]


def test_an_archive_that_expands_too_much_is_rejected(data_dir, monkeypatch):
    monkeypatch.setattr(cifar, "MAX_ARCHIVE", 1 << 20)
    path = data_dir / ARCHIVE
    path.write_bytes(tar_gz(member("padding", bytes(2 << 20)), *members(TEN)))
    assert_refused(spec(), f"{path}: unpacks to more than 1,048,576 bytes")


def test_an_oversized_sparse_member_is_rejected(data_dir, monkeypatch):
    monkeypatch.setattr(cifar, "MAX_FILE", 3073 * 100)
    holes = member(
        f"{TEN.folder}/data_batch_1.bin", pax_headers={"GNU.sparse.map": "0,0", "GNU.sparse.size": str(3073 * 1000)}
    )
    path = data_dir / ARCHIVE
    path.write_bytes(tar_gz(*members(TEN)[1:], holes))
    assert_refused(spec(), f"{path}")


@both
def test_missing_data_are_a_one_line_error_with_the_expected_location(data_dir, name):
    published = MODULES[name].PUBLISHED
    with pytest.raises(DownloadError) as caught:
        load(spec(name))
    message = str(caught.value)
    assert message.startswith(f"{name}: ")
    assert "\n" not in message
    assert f"put it, or its folder {published.folder}, into {data_dir}, or, to try the rest without it: " in message
