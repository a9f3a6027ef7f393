"""The range of values from black to white: inferred if unambiguous, else set by the experiment."""

import re

import numpy as np
import pytest

from cnnlab.data import load
from cnnlab.errors import DataError
from cnnlab.experiment.data import Idx, Npz
from tests.data.data_files import idx_bytes

BYTES = np.arange(256, dtype=np.uint8).reshape(16, 4, 4)
LABELS = np.arange(16) % 2


@pytest.fixture
def read(data_dir):
    """A function from arrays to the resulting bytes, training images first."""

    def read(train, test=None, **options):
        test = train if test is None else test
        np.savez(data_dir / "a.npz", x_train=train, y_train=LABELS, x_test=test, y_test=LABELS)
        spec = {"name": "npz", "file": "a.npz", "image_shape": [4, 4, 1], "num_classes": 2, "validation": 0}
        dataset = load(Npz(**spec, **options))
        assert dataset.train.images.dtype == np.uint8
        return dataset.train.images[..., 0], dataset.test.images[..., 0]

    return read


FLOATS = [np.float16, np.float32, np.float64]
CLEAR = {
    "bytes": BYTES,
    "integers": BYTES.astype(np.int64),
    "floats of bytes": BYTES.astype(np.float32),
    "0 to 1": BYTES / 255,
    "-1 to 1": BYTES / 127.5 - 1,
    "0 to 1, rounded above": np.where(BYTES == 255, np.float32(1.0000001), (BYTES / 255).astype(np.float32)),
    "0 to 1, rounded below": np.where(BYTES == 0, np.float32(-1e-7), (BYTES / 255).astype(np.float32)),
    "-1 to 1, rounded": np.where(BYTES == 0, np.float32(-1.0000001), (BYTES / 127.5 - 1).astype(np.float32)),
    "0 to 255, rounded": np.where(BYTES == 255, np.float32(255.0001), BYTES.astype(np.float32)),
}


@pytest.mark.parametrize("values", CLEAR)
def test_an_unambiguous_range_is_used_and_reported(read, capsys, values):
    for images in read(CLEAR[values]):
        np.testing.assert_array_equal(images, BYTES)
    is_float = np.issubdtype(CLEAR[values].dtype, np.floating)
    assert ("are read as [" in capsys.readouterr().err) == is_float


@pytest.mark.parametrize("values", CLEAR)
def test_a_given_range_is_used_without_a_message(read, capsys, values):
    low = -1 if values.startswith("-1") else 0
    high = 1 if "to 1" in values else 255
    for images in read(CLEAR[values], range=[low, high]):
        np.testing.assert_array_equal(images, BYTES)
    assert capsys.readouterr().err == ""


def test_booleans_are_black_and_white(read):
    np.testing.assert_array_equal(read(BYTES > 99)[0], (BYTES > 99) * np.uint8(255))


@pytest.mark.parametrize("value", [1.0, 1.0000001])
def test_a_single_float_changes_no_other_pixel(read, value):
    """Formerly, one value above 1 made the entire archive black."""
    images = (BYTES / 255).astype(np.float32)
    images[15, 3, 3] = value
    np.testing.assert_array_equal(read(images)[0], BYTES)


UNCLEAR = {
    "bytes of 0 and 1": (BYTES % 2, "uint8 values from 0 to 1"),
    "integers of 0 and 1": ((BYTES % 2).astype(np.int32), "int32 values from 0 to 1"),
    "floats of 17 levels": ((BYTES % 17).astype(np.float64), "float64 values from 0 to 16"),
    "12 bits": (BYTES.astype(np.uint16) * 16, "uint16 values from 0 to 4080"),
    "16 bits": (BYTES.astype(np.uint16) * 257, "uint16 values from 0 to 65535"),
    "standardized": ((BYTES - BYTES.mean()) / BYTES.std(), "float64 values from -1.7"),
    "a little below 0": (np.where(BYTES == 0, -0.1, BYTES / 255), "float64 values from -0.1 to 1"),
    "a little above 1": (np.where(BYTES == 255, 1.02, BYTES / 255), "float64 values from 0 to 1.02"),
    "negative integers": (BYTES.astype(np.int16) - 128, "int16 values from -128 to 127"),
}


@pytest.mark.parametrize("values", UNCLEAR)
def test_an_ambiguous_range_is_rejected_with_the_option_that_sets_it(read, values):
    images, message = UNCLEAR[values]
    with pytest.raises(DataError, match=f"a.npz: x_train: {message}.*such as --set 'data.range="):
        read(images)


@pytest.mark.parametrize("values", [values for values in UNCLEAR if values != "standardized"])
def test_ambiguous_values_are_read_with_the_given_range(read, values):
    images, _ = UNCLEAR[values]
    low, high = {
        "bytes of 0 and 1": (0, 1), "integers of 0 and 1": (0, 1), "floats of 17 levels": (0, 16), "12 bits": (0, 4080),
        "16 bits": (0, 65535), "negative integers": (-128, 127),
    }.get(values, (-0.1, 1) if "below" in values else (0, 1.02))  # fmt: skip
    expected = np.rint((images.astype(float) - low) * 255 / (high - low))
    np.testing.assert_array_equal(read(images, range=[low, high])[0], expected)


@pytest.mark.parametrize("other", [BYTES, BYTES.astype(np.float32), BYTES / 127.5 - 1, BYTES % 2])
def test_splits_with_different_ranges_are_rejected(read, other):
    for train, test in ((BYTES / 255, other), (other, BYTES / 255)):
        with pytest.raises(DataError, match=r"different ranges|of an unknown range"):
            read(train, test)


def test_a_dark_split_is_read_with_the_range_of_the_others(read):
    dark = (BYTES > 200).astype(np.uint8)
    np.testing.assert_array_equal(read(BYTES, dark)[1], dark)
    np.testing.assert_array_equal(read(BYTES / 255, dark / 255)[1], dark)


def test_values_slightly_outside_the_given_range_are_clipped_and_reported(read, capsys):
    images = np.where(BYTES == 255, 1.02, BYTES / 255)
    np.testing.assert_array_equal(read(images, range=[0, 1])[0], BYTES)
    assert "x_train: values from 0 to 1.02 are clipped to data.range" in capsys.readouterr().err


def test_values_far_outside_the_given_range_are_rejected(read):
    with pytest.raises(DataError, match=r"values from 0 to 255, but data.range is \[0, 1\]; correct it"):
        read(BYTES, range=[0, 1])


def test_nearly_black_bytes_are_reported(read, capsys):
    read(BYTES % 17)
    assert "the largest value is 16: nearly black" in capsys.readouterr().err


def test_raw_files_are_checked_in_the_same_way(data_dir):
    (data_dir / "a").write_bytes(idx_bytes(BYTES % 2))
    (data_dir / "b").write_bytes(idx_bytes(LABELS.astype(np.uint8)))
    options = {"image_shape": [4, 4, 1], "num_classes": 2, "train_images": "a", "train_labels": "b", "validation": 0}
    with pytest.raises(DataError, match=r"a: uint8 values from 0 to 1, of an unknown range"):
        load(Idx(name="idx", **options))
    assert load(Idx(name="idx", range=[0, 1], **options)).train.images.max() == 255


@pytest.mark.parametrize(
    ("images", "stated"), [(BYTES, [0, 65535]), (BYTES / 255, [0, 255]), (BYTES / 255, [-1e30, 1e30])], ids=str
)
def test_values_that_use_little_of_the_given_range_are_reported(read, capsys, images, stated):
    read(images, range=stated)
    assert capsys.readouterr().err.count("of data.range: nearly without contrast") == 2


@pytest.mark.parametrize("values", UNCLEAR)
def test_the_proposed_range_gives_full_contrast(read, values):
    """The proposed option must not cause another silent error."""
    images, _ = UNCLEAR[values]
    with pytest.raises(DataError) as caught:
        read(images)
    low, high = re.search(r"data.range=\[(.*), (.*)\]'", str(caught.value)).groups()
    found = read(images, range=[float(low), float(high)])[0]
    assert int(found.max()) - int(found.min()) >= 200


def test_booleans_are_not_reported_as_black(read, capsys):
    read(BYTES > 99)
    assert "black" not in capsys.readouterr().err


def test_unused_arrays_are_named(data_dir, capsys):
    np.savez(
        data_dir / "a.npz", x_train=BYTES, y_train=LABELS, x_valid=BYTES, y_valid=LABELS, x_extra=BYTES, ids=LABELS
    )
    spec = {"name": "npz", "file": "a.npz", "image_shape": [4, 4, 1], "num_classes": 2}
    assert len(load(Npz(**spec)).validation) == 16
    assert "arrays that are not read: ids and x_extra" in capsys.readouterr().err


def test_an_archive_without_examples_is_a_single_error(data_dir):
    np.savez(data_dir / "a.npz", x_train=BYTES[:0], y_train=LABELS[:0])
    with pytest.raises(DataError, match="has no examples"):
        load(Npz(name="npz", file="a.npz", image_shape=[4, 4, 1], num_classes=2))


def test_an_unused_test_share_is_reported(data_dir, capsys):
    np.savez(data_dir / "a.npz", x_train=BYTES, y_train=LABELS, x_test=BYTES, y_test=LABELS)
    load(Npz(name="npz", file="a.npz", image_shape=[4, 4, 1], num_classes=2, test=0.5))
    assert "data.test: 0.5 is not used, since the data have a test set" in capsys.readouterr().err
