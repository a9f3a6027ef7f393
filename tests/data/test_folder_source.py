"""Which pictures of a folder are taken, and as what."""

import os
import shutil

import numpy as np
import pytest

from cnnlab.data import load
from cnnlab.errors import ConfigError
from tests.data.making import CATS, DOGS, assert_refused, greys, write_classes, write_picture
from tests.data.making import folder_spec as spec


def test_classes_are_folders_numbered_by_name_and_pictures_are_in_the_order_of_theirs(pets):
    dataset = load(spec())
    assert dataset.class_names == ("cat", "dog")
    assert greys(dataset.train) == [*CATS, *DOGS]
    assert dataset.train.labels.tolist() == [0] * len(CATS) + [1] * len(DOGS)
    assert dataset.train.labels.dtype == np.int32
    assert greys(dataset.test) == [5, 105, 205]
    assert dataset.test.labels.tolist() == [0, 1, 1]
    assert dataset.test.files.tolist() == [
        str(pets / "test" / name) for name in ("cat/005.png", "dog/105.png", "dog/205.png")
    ]
    assert dataset.genuine is None


@pytest.mark.parametrize("name", ["validation", "val", "valid"])
def test_a_validation_folder_is_used_by_auto_and_else_refused(pets, name):
    write_classes(pets / name, [7], [107, 207])
    assert greys(load(spec(validation="auto")).validation) == [7, 107, 207]
    assert greys(load(spec(validation="test")).validation) == [5, 105, 205]
    for validation in (2, 0.1, 0):
        with pytest.raises(
            ConfigError, match=r"but folder comes with 3 validation examples; leave it out, or say validation: auto"
        ):
            load(spec(validation=validation))


def test_auto_holds_out_a_tenth_where_there_is_no_validation_folder(pets):
    dataset = load(spec(validation="auto"))
    assert [len(part) for part in dataset.splits().values()] == [13, 1, 3]


@pytest.mark.parametrize("layout", ["train", "classes"])
def test_a_missing_test_folder_is_set_aside_by_the_option_test(data_dir, layout):
    write_classes(data_dir / "pets" / "train" if layout == "train" else data_dir / "pets")
    dataset = load(spec(test=7, validation=2))
    assert {name: len(part) for name, part in dataset.splits().items()} == {"train": 5, "validation": 2, "test": 7}
    assert np.bincount(dataset.test.labels).tolist() == [3, 4]
    assert sorted(grey for part in dataset.splits().values() for grey in greys(part)) == [*CATS, *DOGS]
    assert greys(load(spec(test=7, validation=2)).test) == greys(dataset.test)
    assert [int(os.path.basename(file)[:3]) for file in dataset.train.files] == greys(dataset.train)


def test_hidden_files_and_those_that_are_no_pictures_by_name_are_left_out(pets):
    for name in (".001.png", "Thumbs.db", "notes.txt", "png", "002.png.part"):
        (pets / "train" / "cat" / name).write_bytes(b"no picture")
    write_picture(pets / "train" / ".git" / "1.png")
    (pets / ".DS_Store").write_bytes(b"")
    (pets / "README.md").write_text("pets")
    assert greys(load(spec()).train) == [*CATS, *DOGS]


@pytest.mark.parametrize("suffix", [".PNG", ".jpg", ".JPEG", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"])
def test_a_picture_is_told_by_its_suffix_and_read_by_its_content(pets, suffix):
    path = write_picture(pets / "train" / "cat" / "099.bmp", 99)
    path.rename(path.with_suffix(suffix))
    assert greys(load(spec()).train) == [*CATS, 99, *DOGS]


def test_links_to_pictures_and_folders_are_followed(pets, tmp_path):
    elsewhere = write_picture(tmp_path / "elsewhere" / "cat" / "099.png", 99)
    (pets / "train" / "cat" / "099.png").symlink_to(elsewhere)
    (tmp_path / "elsewhere" / "dog").symlink_to(pets / "train" / "dog")
    (pets / "validation").symlink_to(tmp_path / "elsewhere")
    dataset = load(spec(validation="auto"))
    assert greys(dataset.train) == [*CATS, 99, *DOGS]
    assert greys(dataset.validation) == [99, *DOGS]


def remove(path):
    shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.mark.parametrize(
    ("change", "named", "message"),
    [
        (lambda pets: write_picture(pets / "test" / "emu" / "1.png"), "test/emu", "a class that train does not have"),
        (lambda pets: write_picture(pets / "train" / "emu" / "1.png"), "train", "3 class folders (cat, dog, emu), but data.num_classes is 2; splits are folders called train, validation and test"),
        (lambda pets: remove(pets / "train" / "cat"), "train", "1 class folders (dog), but data.num_classes is 2"),
        (lambda pets: remove(pets / "test" / "cat"), "test/cat", "no such folder, though it is a class of train"),
        (lambda pets: [file.unlink() for file in (pets / "train" / "cat").iterdir()], "train/cat", "no pictures (.bmp, .gif, "),
        (lambda pets: [file.rename(f"{file}.part") for file in (pets / "test" / "dog").iterdir()], "test/dog", "no pictures"),
        (lambda pets: remove(pets / "train"), ".", "has test, but no train"),
        (lambda pets: (remove(pets), pets.write_bytes(b"")), ".", "is a file; expected a folder of pictures"),
    ],
    ids=["unknown class", "a class too many", "a class too few", "class not in test", "empty class", "no pictures", "no train", "file"],
)  # fmt: skip
def test_a_folder_that_lacks_something_is_named(pets, change, named, message):
    change(pets)
    assert_refused(spec(), f"{pets if named == '.' else pets / named}: {message}")


def test_a_missing_folder_is_named_with_the_places(data_dir):
    assert_refused(spec(), f"folder: pets: no such file or folder in {data_dir}", "--data synthetic")


def test_every_damaged_picture_is_counted_and_the_first_three_named(pets):
    for number in range(5):
        (pets / "train" / "cat" / f"9{number}.png").write_bytes(b"no picture")
    assert_refused(
        spec(),
        f"{pets / 'train/cat/90.png'}: is not a picture",
        f"{pets / 'train/cat/92.png'}: is not a picture",
        "; and 2 more of 22 files: `cnnlab data verify …` lists them",
    )


def test_classes_may_be_called_as_splits_are(tmp_path, data_dir):
    for name in ("test", "exam"):
        write_picture(data_dir / "pets" / name / "1.png")
        write_picture(data_dir / "pets" / name / "2.png")
    assert load(spec(test=2)).class_names == ("exam", "test")
