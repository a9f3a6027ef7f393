"""User files: IDX, NumPy archives, headerless files."""

import gzip
import io
import os
import struct
import zipfile

import numpy as np
import pytest
from pydantic import ValidationError

from cnnlab.data import load
from cnnlab.data.locate import data_folders
from cnnlab.errors import ConfigError, DataError
from cnnlab.experiment.data import Idx, Npz, Raw
from tests.data.data_files import assert_refused, idx_bytes

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (12, 4, 5), dtype=np.uint8)
LABELS = np.arange(12, dtype=np.uint8) % 3
TEST_IMAGES, TEST_LABELS = IMAGES[:6][::-1], LABELS[:6][::-1]
ONE_HOT = np.eye(3, dtype=np.float32)[LABELS]
FILES = {"train_images": "a", "train_labels": "b", "test_images": "c", "test_labels": "d"}
SHAPE = {"image_shape": [4, 5, 1], "num_classes": 3, "validation": 0}
NO_TEST = {"test_images": None, "test_labels": None}


def idx(**changes):
    return Idx(**{"name": "idx", **SHAPE, **FILES, **changes})


def raw(**changes):
    return Raw(**{"name": "raw", **SHAPE, **FILES, **changes})


def npz(**changes):
    return Npz(**{"name": "npz", "file": "a.npz", **SHAPE, **changes})


@pytest.fixture
def idx_files(data_dir):
    arrays = {"a": IMAGES, "b": LABELS, "c": TEST_IMAGES, "d": TEST_LABELS}
    for name, array in arrays.items():
        (data_dir / name).write_bytes(idx_bytes(array))
    return data_dir


@pytest.fixture
def raw_files(data_dir):
    """The same pixels, and labels as in the Idemia lecture."""
    IMAGES.tofile(data_dir / "a")
    ONE_HOT.tofile(data_dir / "b")
    TEST_IMAGES.tofile(data_dir / "c")
    np.eye(3, dtype=np.float32)[TEST_LABELS].tofile(data_dir / "d")
    return data_dir


def write_npz(folder, **arrays):
    np.savez(folder / "a.npz", **arrays)


@pytest.fixture
def npz_file(data_dir):
    write_npz(data_dir, x_train=IMAGES, y_train=LABELS, x_test=TEST_IMAGES, y_test=TEST_LABELS)
    return data_dir


# IDX


@pytest.mark.parametrize("channels", [1, 3])
def test_idx_images_are_grey_or_colour(idx_files, channels):
    images = IMAGES if channels == 1 else np.stack([IMAGES, 255 - IMAGES, IMAGES // 2], axis=-1)
    for name in ("a", "c"):
        (idx_files / name).write_bytes(idx_bytes(images[:12] if name == "a" else images[:6]))
    dataset = load(idx(image_shape=[4, 5, channels]))
    np.testing.assert_array_equal(dataset.train.images, images.reshape(12, 4, 5, channels))
    assert dataset.train.images.dtype == np.uint8
    assert dataset.test.labels.tolist() == TEST_LABELS.tolist()
    assert dataset.class_names == ("0", "1", "2")


def test_idx_compression_is_detected_by_content(idx_files):
    (idx_files / "a").rename(idx_files / "a.gz")
    (idx_files / "b").write_bytes(gzip.compress(idx_bytes(LABELS)))
    dataset = load(idx(train_images="a.gz"))
    np.testing.assert_array_equal(dataset.train.images[..., 0], IMAGES)
    np.testing.assert_array_equal(dataset.train.labels, LABELS)


@pytest.mark.parametrize("kind", ["int8", "int16", "int32"])
def test_idx_labels_can_have_any_integer_type(idx_files, kind):
    (idx_files / "b").write_bytes(idx_bytes(LABELS.astype(kind)))
    labels = load(idx()).train.labels
    assert labels.tolist() == LABELS.tolist()
    assert labels.dtype == np.int32


def header(kind, *sizes):
    return bytes([0, 0, kind, len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("a", b"", "not an IDX file: starts with nothing, expected such as 00 00 08 03 for images"),
        ("a", b"\x89PNG....", "not an IDX file: starts with 89 50 4e 47"),
        ("a", header(7, 12, 4, 5) + IMAGES.tobytes(), "not an IDX file: starts with 00 00 07 03"),
        ("a", b"\0\0\x08\0", "not an IDX file"),
        ("a", header(8, 12, 4, 5)[:-1], "truncated within its header"),
        ("a", header(8, 2**32 - 1, 2**32 - 1, 2**32 - 1), "values; expected at most 2,147,483,648"),
        ("b", header(8, 0, 2**32 - 1, 2**32 - 1, 2**32 - 1), "values; expected at most 2,147,483,648"),
        ("a", header(0x0E, 2**25, 1, 1), "its header promises 268,435,456 bytes of data, the file has 0"),
        ("a", idx_bytes(IMAGES)[:-7], "its header promises 240 bytes of data, the file has 233"),
        ("a", idx_bytes(IMAGES) + b"x", "its header promises 240 bytes of data, the file has more"),
        ("a", gzip.compress(idx_bytes(IMAGES))[:-20], "truncated or damaged .gz"),
        ("a", idx_bytes(IMAGES.astype(np.float32)), "3 dimensions of float32; expected images, 3 or 4 of uint8"),
        ("a", idx_bytes(IMAGES.astype(np.int32)), "3 dimensions of int32"),
        ("a", idx_bytes(LABELS), "1 dimensions of uint8"),
        ("a", idx_bytes(IMAGES.reshape(12, 5, 4)), "images of 5×4×1, expected 4×5×1"),
        ("a", idx_bytes(np.zeros((12, 4, 5, 3), np.uint8)), "images of 4×5×3, expected 4×5×1"),
        ("b", idx_bytes(LABELS[:-1]), "11 labels for the 12 images of a"),
        ("b", idx_bytes(LABELS + np.uint8(1)), "has a label 3; the labels of 3 classes are 0 to 2"),
        ("b", idx_bytes(LABELS.astype(np.int32) - 1), "has a label -1; the labels of 3 classes are 0 to 2"),
        ("b", idx_bytes(LABELS.astype(np.float32)), "type >f4; expected one integer each"),
        ("b", idx_bytes(np.zeros((12, 2), np.uint8)), "labels of shape (12, 2)"),
        ("d", idx_bytes(TEST_LABELS + np.uint8(7)), "has a label 9"),
    ],
)  # fmt: skip
def test_an_invalid_idx_file_is_named(idx_files, file, content, message):
    (idx_files / file).write_bytes(content)
    assert_refused(idx(), f"{idx_files / file}: ", message)


def test_an_idx_file_without_examples_is_rejected(idx_files):
    (idx_files / "a").write_bytes(idx_bytes(IMAGES[:0]))
    (idx_files / "b").write_bytes(idx_bytes(LABELS[:0]))
    assert_refused(idx(), f"{idx_files / 'b'}: has no examples")


# NumPy archives


@pytest.mark.parametrize("names", [("x_{}", "y_{}"), ("{}_images", "{}_labels")])
@pytest.mark.parametrize("validation", ["val", "validation"])
def test_npz_arrays_can_have_either_naming(data_dir, names, validation):
    arrays = {"train": (IMAGES, LABELS), "test": (TEST_IMAGES, TEST_LABELS), validation: (IMAGES[3:9], LABELS[3:9])}
    write_npz(
        data_dir,
        **{name.format(part): array for part in arrays for name, array in zip(names, arrays[part], strict=True)},
    )
    dataset = load(npz(validation="auto"))
    np.testing.assert_array_equal(dataset.train.images[..., 0], IMAGES)
    np.testing.assert_array_equal(dataset.validation.images[..., 0], IMAGES[3:9])
    np.testing.assert_array_equal(dataset.test.images[..., 0], TEST_IMAGES)
    assert [part.labels.tolist() for part in dataset.splits().values()] == [
        LABELS.tolist(), LABELS[3:9].tolist(), TEST_LABELS.tolist(),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "images",
    [
        IMAGES[..., np.newaxis],
        IMAGES.astype(np.int64),
        IMAGES.astype(np.float32),
        IMAGES.astype(np.float64) + 0.3,
        (IMAGES / 255).astype(np.float16),
        (IMAGES / 127.5 - 1).astype(np.float32),
        (IMAGES / 255).astype(np.float32),
        IMAGES / 255,
        IMAGES.astype(">u2"),
        np.asfortranarray(IMAGES),
    ],
    ids=lambda images: f"{images.dtype}-{images.max():.0f}-{images.ndim}",
)
def test_npz_images_of_every_range_are_converted_to_bytes(npz_file, images):
    images = np.minimum(images, 255 if images.max() > 1 else 1)
    write_npz(npz_file, x_train=images, y_train=LABELS, x_test=images[:6], y_test=TEST_LABELS)
    train = load(npz()).train.images
    np.testing.assert_array_equal(train[..., 0], IMAGES)
    assert train.dtype == np.uint8


@pytest.mark.parametrize(
    "labels",
    [LABELS.astype(np.int64), LABELS[:, np.newaxis], ONE_HOT, ONE_HOT.astype(np.int64), ONE_HOT.astype(bool)],
    ids=lambda labels: f"{labels.dtype}-{labels.shape}",
)
def test_npz_labels_are_integers_or_one_hot(npz_file, labels):
    write_npz(npz_file, x_train=IMAGES, y_train=labels, x_test=TEST_IMAGES, y_test=TEST_LABELS)
    assert load(npz()).train.labels.tolist() == LABELS.tolist()


def test_npz_images_may_be_compressed(data_dir):
    np.savez_compressed(data_dir / "a.npz", x_train=IMAGES, y_train=LABELS, x_test=IMAGES, y_test=LABELS)
    np.testing.assert_array_equal(load(npz()).test.images[..., 0], IMAGES)


def test_auto_uses_the_validation_split_of_the_archive_and_other_settings_reject_it(npz_file):
    write_npz(
        npz_file,
        x_train=IMAGES,
        y_train=LABELS,
        x_test=TEST_IMAGES,
        y_test=TEST_LABELS,
        x_val=IMAGES[:2],
        y_val=LABELS[:2],
    )
    dataset = load(npz(validation="auto"))
    assert [len(part) for part in dataset.splits().values()] == [12, 2, 6]
    assert load(npz(validation="test")).validation.labels.tolist() == TEST_LABELS.tolist()
    for validation in (3, 0.5, 0):
        with pytest.raises(
            ConfigError, match=r"^data.validation: [0-9.]+, but npz comes with 2 validation examples; remove the option"
        ):
            load(npz(validation=validation))


def test_auto_holds_out_a_tenth_without_a_validation_split(data_dir):
    write_npz(data_dir, x_train=np.tile(IMAGES, (5, 1, 1)), y_train=np.tile(LABELS, 5), x_test=IMAGES, y_test=LABELS)
    assert [len(part) for part in load(npz(validation="auto")).splits().values()] == [54, 6, 12]


class Trap:
    """Creates a file when unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("array", ["x_train", "y_train"])
def test_pickled_objects_are_rejected_without_unpickling(npz_file, tmp_path, array):
    objects = np.array([Trap(tmp_path / "sprung")] * 12, object)
    write_npz(npz_file, **{"x_train": IMAGES, "y_train": LABELS, array: objects})
    assert_refused(npz(), f"{npz_file / 'a.npz'}: {array}: contains pickled objects")
    assert not (tmp_path / "sprung").exists()


def with_value(images, value):
    images = images.astype(np.float32)
    images[3, 1, 1] = value
    return images


@pytest.mark.parametrize(
    ("array", "content", "message"),
    [
        ("x_train", with_value(IMAGES / 255, np.nan), "x_train: 1 values are NaN or infinite; expected numbers in [0, 1] or [0, 255]"),
        ("x_train", with_value(IMAGES, np.inf), "x_train: 1 values are NaN or infinite"),
        ("x_train", with_value(IMAGES, -1), "x_train: float32 values from -1 to 255, of an unknown range; set the values of black and white, such as --set 'data.range=[-1, 255]'"),
        ("x_train", IMAGES.astype(np.uint16) * 257, "x_train: uint16 values from "),
        ("x_train", IMAGES.astype(complex), "x_train: complex128; expected uint8"),
        ("x_train", IMAGES.astype(str), "x_train: <U3; expected uint8"),
        ("x_train", IMAGES.reshape(12, 20), "x_train: 2 dimensions; expected images, 3 or 4"),
        ("x_train", IMAGES.reshape(12, 5, 4), "x_train: images of 5×4×1, expected 4×5×1"),
        ("x_train", IMAGES[:0], "y_train: 12 labels for the 0 images"),
        ("y_train", LABELS[1:], "y_train: 11 labels for the 12 images"),
        ("y_train", LABELS + 1, "y_train: has a label 3; the labels of 3 classes are 0 to 2; if they count from 1, --set data.label_offset=1"),
        ("y_train", LABELS.astype(np.int64) - 2**40, f"y_train: has a label {-2**40}"),
        ("y_train", LABELS.astype(np.float64), "y_train: labels of shape (12,) and type float64; expected one integer each"),
        ("y_train", LABELS.astype(str), "y_train: labels (12,) of <U3"),
        ("y_train", ONE_HOT * 2, "y_train: not one-hot"),
        ("y_train", ONE_HOT + 1, "y_train: not one-hot"),
        ("y_train", ONE_HOT * np.nan, "y_train: not one-hot"),
        ("y_train", ONE_HOT.astype(int).astype(str), "y_train: "),
        ("y_train", np.zeros((12, 4), int), "y_train: labels of shape (12, 4)"),
        ("y_train", np.array(3), "y_train: "),
        ("y_test", TEST_LABELS + 1, "y_test: has a label 3"),
    ],
)  # fmt: skip
def test_an_invalid_npz_array_is_named(npz_file, array, content, message):
    arrays = {"x_train": IMAGES, "y_train": LABELS, "x_test": TEST_IMAGES, "y_test": TEST_LABELS}
    write_npz(npz_file, **{**arrays, array: content})
    assert_refused(npz(), f"{npz_file / 'a.npz'}: ", message)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["x_test", "y_test"], "has no x_train and y_train (or train_images and train_labels)"),
        (["x_train"], "has x_train, but no y_train"),
        (["train_labels"], "has train_labels, but no train_images"),
        (["x_train", "y_train", "y_test"], "has y_test, but no x_test"),
        (["x_train", "y_train", "val_images"], "has val_images, but no val_labels"),
    ],
)
def test_an_npz_with_a_missing_array_is_rejected(data_dir, names, message):
    write_npz(data_dir, **{name: IMAGES if "x" in name or "images" in name else LABELS for name in names})
    assert_refused(npz(), f"{data_dir / 'a.npz'}: {message}")


def rewritten(change):
    """A valid zip with a changed member x_train.npy."""

    def damage(good):
        packed = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(good)) as old, zipfile.ZipFile(packed, "w") as new:
            for name in old.namelist():
                new.writestr(name, change(old.read(name)) if name == "x_train.npy" else old.read(name))
        return packed.getvalue()

    return damage


def replaced(old, new):
    return lambda good: good.replace(old, new.ljust(len(old)))


def at(offset, value, mark=b"PK\x01\x02"):
    """Change the byte at an offset from every mark, in the entries of the central directory."""

    def damage(good):
        bad, place = bytearray(good), good.find(mark)
        while place >= 0:
            bad[place + offset] = value
            place = good.find(mark, place + 1)
        return bytes(bad)

    return damage


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda good: b"", id="empty"),
        pytest.param(lambda good: b"x_train", id="no zip"),
        pytest.param(lambda good: good[: len(good) // 2], id="truncated"),
        pytest.param(lambda good: good[:-3], id="truncated at its end"),
        pytest.param(lambda good: good.replace(IMAGES.tobytes(), bytes(240)), id="other bytes"),
        pytest.param(rewritten(lambda npy: b"x" + npy[1:]), id="no array"),
        pytest.param(rewritten(lambda npy: npy[:50]), id="header truncated"),
        pytest.param(rewritten(lambda npy: npy[:-10]), id="header that promises more"),
        pytest.param(
            rewritten(replaced(b"(12, 4, 5), }      ", b"(12, 4, 99999999), }")), id="header that promises far more"
        ),
        pytest.param(rewritten(replaced(b"(12, 4, 5)", b"(-1, 4, 5)")), id="negative shape"),
        pytest.param(rewritten(replaced(b"(12, 4, 5)", b"(12, 4, 5 ")), id="header that does not end"),
        pytest.param(rewritten(replaced(b"(12, 4, 5)", b"(012, 4,5)")), id="header with an odd number"),
        pytest.param(rewritten(replaced(b"'shape'", b"b'shap'")), id="header with an odd key"),
        pytest.param(rewritten(replaced(b"|u1", b"|q9")), id="type that is none"),
        pytest.param(at(8, 1), id="encrypted"),
        pytest.param(at(6, 99), id="version of zip that is none"),
        pytest.param(at(10, 77), id="compression that is none"),
        pytest.param(lambda good: at(9, 8)(good.replace(b"y_test", b"\xff_test")), id="name said to be UTF-8"),
    ],
)
def test_a_damaged_npz_is_named(npz_file, damage):
    path = npz_file / "a.npz"
    good = path.read_bytes()
    bad = damage(good)
    assert bad != good
    path.write_bytes(bad)
    assert_refused(npz(), f"{path}: ")


# Headerless files


def test_raw_files_are_pixels_and_one_hot_labels(raw_files):
    dataset = load(raw(label_format="one_hot_float32"))
    np.testing.assert_array_equal(dataset.train.images[..., 0], IMAGES)
    np.testing.assert_array_equal(dataset.test.images[..., 0], TEST_IMAGES)
    assert dataset.train.labels.tolist() == LABELS.tolist()
    assert dataset.train.labels.dtype == np.int32


def test_raw_labels_can_be_bytes(raw_files):
    LABELS.tofile(raw_files / "b")
    TEST_LABELS.tofile(raw_files / "d")
    dataset = load(raw())
    assert dataset.train.labels.tolist() == LABELS.tolist()
    assert dataset.test.labels.tolist() == TEST_LABELS.tolist()


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("a", b"", "0 bytes; images of this shape take a multiple of 20"),
        ("a", bytes(241), "241 bytes; images of this shape take a multiple of 20"),
        ("c", bytes(20), "6 labels for the 1 image of c"),
        ("b", bytes(9), "9 bytes; labels of 3 float32 take a multiple of 12"),
        ("b", np.full((12, 3), 0.5, np.float32).tobytes(), "not one-hot"),
        ("b", np.full((12, 3), np.nan, np.float32).tobytes(), "not one-hot"),
        ("b", bytes(144), "not one-hot"),
    ],
)
def test_an_invalid_raw_file_is_named(raw_files, file, content, message):
    (raw_files / file).write_bytes(content)
    named = raw_files / ("d" if file == "c" else file)
    assert_refused(raw(label_format="one_hot_float32"), f"{named}: ", message)


def test_an_out_of_range_raw_label_is_named(raw_files):
    (LABELS + np.uint8(1)).tofile(raw_files / "b")
    assert_refused(raw(), f"{raw_files / 'b'}: has a label 3; the labels of 3 classes are 0 to 2")


# All three formats


def without_test(kind, folder):
    """A data set of 60 examples without a test set."""
    images = RANDOM.integers(0, 256, (60, 4, 5), dtype=np.uint8)
    labels = np.repeat(np.arange(3, dtype=np.uint8), [30, 20, 10])
    if kind == "npz":
        write_npz(folder, x_train=images, y_train=labels)
        return npz, images
    if kind == "idx":
        images_bytes, labels_bytes = idx_bytes(images), idx_bytes(labels)
    else:
        images_bytes, labels_bytes = images.tobytes(), labels.tobytes()
    (folder / "a").write_bytes(images_bytes)
    (folder / "b").write_bytes(labels_bytes)
    return lambda **changes: {"idx": idx, "raw": raw}[kind](**NO_TEST, **changes), images


@pytest.mark.parametrize("kind", ["idx", "npz", "raw"])
@pytest.mark.parametrize(("share", "counts"), [(0.2, [6, 4, 2]), (6, [3, 2, 1])])
def test_a_missing_test_set_is_replaced_by_the_test_option(data_dir, kind, share, counts):
    spec, images = without_test(kind, data_dir)
    dataset = load(spec(test=share))
    assert np.bincount(dataset.test.labels).tolist() == counts
    together = np.concatenate([dataset.train.images, dataset.test.images])
    assert sorted(map(bytes, together)) == sorted(map(bytes, images))
    np.testing.assert_array_equal(load(spec(test=share)).test.images, dataset.test.images)


@pytest.mark.parametrize("kind", ["idx", "npz", "raw"])
@pytest.mark.parametrize("share", [0, 0.0, 60, 61])
def test_a_test_set_of_no_or_all_examples_is_rejected(data_dir, kind, share):
    spec, _ = without_test(kind, data_dir)
    with pytest.raises(ConfigError, match=r"^data.test: .* of 60 examples for the test set"):
        load(spec(test=share))


@pytest.mark.parametrize("spec", [idx, raw])
@pytest.mark.parametrize("missing", ["test_images", "test_labels"])
def test_an_incomplete_test_set_is_rejected(spec, missing):
    with pytest.raises(ValidationError, match="test_images and test_labels go together"):
        spec(**{missing: None})


def test_files_are_searched_in_dir_data_folder_cache_and_working_directory(tmp_path, data_dir):
    (tmp_path / "user").mkdir()
    (tmp_path / "cache" / "cnnlab").mkdir(parents=True)
    for label, folder in enumerate([tmp_path, tmp_path / "cache" / "cnnlab", data_dir, tmp_path / "user"]):
        labels = np.full(12, label, np.uint8)
        write_npz(folder, x_train=IMAGES, y_train=labels, x_test=IMAGES, y_test=labels)
        dataset = load(npz(num_classes=4, dir=str(tmp_path / "user")))
        assert dataset.train.labels[0] == label
    assert load(npz(num_classes=4)).train.labels[0] == 2
    assert load(npz(num_classes=4, file=str(tmp_path / "a.npz"))).train.labels[0] == 0


@pytest.mark.parametrize("spec", [idx(), raw(), npz()], ids=lambda spec: spec.name)
def test_a_missing_file_is_named_with_the_searched_locations_and_an_alternative(data_dir, spec):
    name = "a.npz" if spec.name == "npz" else "a"
    assert_refused(
        spec,
        f"{spec.name}: {name}: no such file or folder beside the experiment file, in {data_dir}",
        "--data synthetic",
    )


def test_a_missing_dir_is_rejected(data_dir):
    assert_refused(npz(dir="nowhere"), "data.dir: nowhere: no such folder")


@pytest.mark.parametrize("spec", [idx(), raw(), npz()], ids=lambda spec: spec.name)
@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo], ids=["folder", "pipe"])
def test_a_file_that_is_not_regular_is_named_without_blocking(data_dir, spec, make):
    path = data_dir / ("a.npz" if spec.name == "npz" else "a")
    make(path)
    (data_dir / "b").write_bytes(b"\0")
    assert_refused(spec, f"{path}: ")


@pytest.mark.parametrize("spec", [idx, raw, npz])
def test_labels_have_an_offset_and_classes_have_names(data_dir, spec):
    write_npz(data_dir, x_train=IMAGES, y_train=LABELS + 1, x_test=TEST_IMAGES, y_test=TEST_LABELS + 1)
    arrays = {"a": IMAGES, "b": LABELS + 1, "c": TEST_IMAGES, "d": TEST_LABELS + 1}
    for name, array in arrays.items():
        (data_dir / name).write_bytes(idx_bytes(array) if spec is idx else array.tobytes())
    dataset = load(spec(label_offset=1))
    assert dataset.class_names == ("1", "2", "3")
    assert dataset.train.labels.tolist() == LABELS.tolist()
    assert dataset.test.labels.tolist() == TEST_LABELS.tolist()
    names = ("Montag", "火", "mié")
    dataset = load(spec(label_offset=1, class_names=list(names), classes=["火", "Montag"]))
    assert dataset.class_names == ("火", "Montag")
    assert dataset.train.labels.tolist() == [{1: 1, 2: 0}[label] for label in LABELS + 1 if label < 3]
    assert load(spec(label_offset=1, class_names=list(names))).class_names == names


def test_one_hot_labels_need_no_offset(raw_files):
    assert load(raw(label_format="one_hot_float32", label_offset=1)).train.labels.tolist() == LABELS.tolist()


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"class_names": ["a", "b"]}, "2 class_names for 3 classes"),
        ({"class_names": ["a", "b", "b"]}, "each once"),
        ({"label_offset": -1}, "greater than or equal to 0"),
        ({"range": [1, 0]}, r"\[black, white\]"),
        ({"range": [0, 1, 2]}, r"\[black, white\]"),
        ({"range": [0, float("nan")]}, r"\[black, white\]"),
        ({"range": 255}, r"\[black, white\]"),
    ],
    ids=str,
)
@pytest.mark.parametrize("spec", [idx, raw, npz])
def test_options_that_do_not_apply_to_arrays_are_rejected(spec, option, message):
    with pytest.raises(ValidationError, match=message):
        spec(**option)


@pytest.mark.parametrize("spec", [idx, raw])
def test_all_invalid_files_are_named(data_dir, spec):
    for name in "abd":
        (data_dir / name).write_bytes(b"")
    with pytest.raises(DataError) as caught:
        load(spec())
    assert all(f"{data_dir / name}: " in str(caught.value) for name in "abd")
    assert f"{spec().name}: c: no such file or folder" in str(caught.value)


def test_two_missing_files_share_one_hint(data_dir):
    with pytest.raises(DataError) as caught:
        load(idx())
    assert str(caught.value).count("no such file or folder") > 1
    assert str(caught.value).count("--data synthetic") == 1


def test_the_data_folder_may_be_relative_to_the_home_folder(data_dir, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CNNLAB_DATA_DIR", "~/data")
    assert data_folders()[0] == data_dir
