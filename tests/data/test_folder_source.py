"""Which images of a folder are loaded, with which splits and labels."""

import os
import shutil

import numpy as np
import pytest
from PIL import Image

from cnnlab.config.load import load_file, to_yaml
from cnnlab.data import load
from cnnlab.errors import ConfigError, DataError
from cnnlab.images.decode import SUFFIXES
from tests.data.data_files import CATS, DOGS, assert_refused, grey_values, write_classes, write_image
from tests.data.data_files import folder_spec as spec


def test_classes_are_folders_sorted_by_name_and_images_are_sorted_by_name(pets):
    dataset = load(spec())
    assert dataset.class_names == ("cat", "dog")
    assert grey_values(dataset.train) == [*CATS, *DOGS]
    assert dataset.train.labels.tolist() == [0] * len(CATS) + [1] * len(DOGS)
    assert dataset.train.labels.dtype == np.int32
    assert grey_values(dataset.test) == [5, 105, 205]
    assert dataset.test.labels.tolist() == [0, 1, 1]
    assert dataset.test.files.tolist() == ["test/cat/005.png", "test/dog/105.png", "test/dog/205.png"]
    assert dataset.genuine is None


@pytest.mark.parametrize("name", ["validation", "val", "valid"])
def test_auto_uses_a_validation_folder_and_other_settings_reject_it(pets, name):
    write_classes(pets / name, [7], [107, 207])
    assert grey_values(load(spec(validation="auto")).validation) == [7, 107, 207]
    assert grey_values(load(spec(validation="test")).validation) == [5, 105, 205]
    for validation in (2, 0.1, 0):
        with pytest.raises(
            ConfigError,
            match=r"but folder comes with 3 validation examples; remove the option, or set validation: auto",
        ):
            load(spec(validation=validation))


def test_auto_holds_out_a_tenth_without_a_validation_folder(pets):
    dataset = load(spec(validation="auto"))
    assert [len(part) for part in dataset.splits().values()] == [13, 1, 3]


@pytest.mark.parametrize("layout", ["train", "classes"])
def test_a_missing_test_folder_is_replaced_by_the_test_option(data_dir, layout):
    write_classes(data_dir / "pets" / "train" if layout == "train" else data_dir / "pets")
    dataset = load(spec(test=7, validation=2))
    assert {name: len(part) for name, part in dataset.splits().items()} == {"train": 5, "validation": 2, "test": 7}
    assert np.bincount(dataset.test.labels).tolist() == [3, 4]
    assert sorted(grey for part in dataset.splits().values() for grey in grey_values(part)) == [*CATS, *DOGS]
    assert grey_values(load(spec(test=7, validation=2)).test) == grey_values(dataset.test)
    assert [int(os.path.basename(file)[:3]) for file in dataset.train.files] == grey_values(dataset.train)


def test_hidden_files_and_files_without_an_image_suffix_are_ignored(pets):
    for name in (".001.png", "Thumbs.db", "notes.txt", "png", "002.png.part"):
        (pets / "train" / "cat" / name).write_bytes(b"no image")
    write_image(pets / "train" / ".git" / "1.png")
    (pets / ".DS_Store").write_bytes(b"")
    (pets / "README.md").write_text("pets")
    assert grey_values(load(spec()).train) == [*CATS, *DOGS]


@pytest.mark.parametrize("suffix", [suffix.upper() for suffix in sorted(SUFFIXES)])
def test_images_are_found_by_suffix_and_decoded_by_content(pets, suffix):
    path = write_image(pets / "train" / "cat" / "099.bmp", 99)
    path.rename(path.with_suffix(suffix))
    assert grey_values(load(spec()).train) == [*CATS, 99, *DOGS]


@pytest.mark.parametrize("name", ["099.avif", "099.jfif", "099.jp2", "099.apng", "099.dib", "099.pnm"])
def test_every_suffix_of_a_format_is_read(pets, name):
    Image.new("L", (4, 4), 99).convert("RGB").save(pets / "train" / "cat" / name, quality=100)
    assert grey_values(load(spec()).train)[len(CATS)] == pytest.approx(99, abs=2)


def test_links_to_images_and_folders_are_followed(pets, tmp_path):
    elsewhere = write_image(tmp_path / "elsewhere" / "cat" / "099.png", 99)
    (pets / "train" / "cat" / "099.png").symlink_to(elsewhere)
    (tmp_path / "elsewhere" / "dog").symlink_to(pets / "train" / "dog")
    (pets / "validation").symlink_to(tmp_path / "elsewhere")
    dataset = load(spec(validation="auto"))
    assert grey_values(dataset.train) == [*CATS, 99, *DOGS]
    assert grey_values(dataset.validation) == [99, *DOGS]


def remove(path):
    shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.mark.parametrize(
    ("change", "named", "message"),
    [
        (lambda pets: write_image(pets / "test" / "emu" / "1.png"), "test/emu", "a class that train does not have"),
        (lambda pets: write_image(pets / "train" / "emu" / "1.png"), "train", "3 class folders (cat, dog and emu), but data.num_classes is 2; splits are folders called train, validation and test"),
        (lambda pets: remove(pets / "train" / "cat"), "train", "1 class folder (dog), but data.num_classes is 2"),
        (lambda pets: [file.unlink() for file in (pets / "train" / "cat").iterdir()], "train/cat", "no images (.apng, .avif, "),
        (lambda pets: [file.rename(f"{file}.part") for file in (pets / "test").glob("*/*")], "test", "no images"),
        (lambda pets: remove(pets / "train"), ".", "has test, but no train"),
        (lambda pets: (remove(pets), pets.write_bytes(b"")), ".", "is a file; expected a folder of images"),
    ],
    ids=["unknown class", "a class too many", "a class too few", "empty class", "no images", "no train", "file"],
)  # fmt: skip
def test_an_incomplete_folder_is_reported(pets, change, named, message):
    change(pets)
    assert_refused(spec(), f"{pets if named == '.' else pets / named}: {message}")


def test_a_missing_folder_is_named_with_the_searched_locations(data_dir):
    assert_refused(
        spec(), f"folder: pets: no such file or folder beside the experiment file, in {data_dir}", "--data synthetic"
    )


def test_damaged_images_are_counted_and_the_first_three_named(pets):
    for number in range(5):
        (pets / "train" / "cat" / f"9{number}.png").write_bytes(b"no image")
    assert_refused(
        spec(),
        f"{pets / 'train/cat/90.png'}: is not an image",
        f"{pets / 'train/cat/92.png'}: is not an image",
        "; and 2 more of 22 files: `cnnlab data verify …` lists them",
    )


def test_classes_may_have_the_names_of_splits(tmp_path, data_dir):
    for name in ("test", "exam"):
        write_image(data_dir / "pets" / name / "1.png")
        write_image(data_dir / "pets" / name / "2.png")
    assert load(spec(test=2)).class_names == ("exam", "test")


def warnings(capsys):
    prefix = "cnnlab: warning: "
    return [line.removeprefix(prefix) for line in capsys.readouterr().err.splitlines() if line.startswith(prefix)]


def test_ignored_files_are_counted_and_named_once(pets, capsys):
    for name in ("train/1.png", "train/2.jpg", "test/3.png", "4.png"):
        write_image(pets / name)
    for name in ("train/cat/a.heic", "train/cat/b.txt", "train/dog/.hidden.png", "train/cat/.DS_Store", "README.md"):
        (pets / name).write_bytes(b"")
    write_image(pets / "train/cat/.git/1.png")
    write_image(pets / "spare/1.png")
    load(spec())
    assert warnings(capsys) == [
        f"{pets}: not read: folders beside the splits (1: spare)",
        f"{pets}: not read: images in no class folder (4: 4.png, train/1.png, train/2.jpg and 1 more)",
        f"{pets}: not read: files of the operating system (1: train/cat/.DS_Store)",
        f"{pets}: not read: hidden files or folders (2: train/cat/.git and train/dog/.hidden.png)",
        f"{pets}: not read: photographs in HEIC or a raw format, to be converted to JPEG (1: train/cat/a.heic)",
        f"{pets}: not read: files that are no images by their names (1: train/cat/b.txt)",
    ]


def test_images_in_subfolders_of_a_class_belong_to_it(pets, capsys):
    write_image(pets / "train/cat/day1/1.png", 71)
    write_image(pets / "train/cat/day2/deeper/1.png", 72)
    (pets / "train/cat/day2/back").symlink_to(pets / "train/cat")  # a cycle
    dataset = load(spec())
    assert grey_values(dataset.train) == [*CATS, 71, 72, *DOGS]
    assert dataset.train.labels.tolist() == [0] * 8 + [1] * 8
    assert warnings(capsys) == [f"{pets}: not read: links to folders above (1: train/cat/day2/back)"]


@pytest.mark.parametrize("target", ["..", "../..", "../../test"])
def test_a_link_to_a_parent_folder_adds_no_other_class(pets, target):
    (pets / "train/cat/back").symlink_to(target, target_is_directory=True)
    dataset = load(spec())
    expected = [*CATS, 5, 105, 205, *DOGS] if "test" in target else [*CATS, *DOGS]  # "test" is not a parent
    assert grey_values(dataset.train) == expected


@pytest.mark.parametrize(
    "places",
    [
        ("train_set/cat", "train_set/dog", "test_set/cat", "test_set/dog"),
        ("train /cat", "train /dog", "test/cat", "test/dog"),
        ("val/cat", "val/dog", "test/cat", "test/dog"),
        ("Train/cat", "Train/dog", "train/cat", "train/dog"),
        ("cat/train", "cat/test", "dog/train", "dog/test"),
    ],
    ids=str,
)  # fmt: skip
def test_split_folders_are_not_mistaken_for_classes(data_dir, places):
    for place in places:
        write_image(data_dir / "pets" / place / "1.png")
    assert_refused(spec(), "each contain the folders", "splits are folders called train, validation and test")


def test_splits_stay_splits_when_the_number_of_classes_is_wrong(pets):
    write_image(pets / "masks/1.png")
    assert_refused(spec(num_classes=3), f"{pets / 'train'}: 2 class folders (cat and dog), but data.num_classes is 3")


def test_other_files_of_an_archive_are_not_a_class(data_dir):
    write_classes(data_dir / "pets")
    write_image(data_dir / "pets/__MACOSX/cat/1.png")
    assert load(spec(test=2)).class_names == ("cat", "dog")


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("nowhere")], ids=["pipe", "broken link"])
def test_a_file_that_is_not_regular_is_an_error_that_can_be_skipped(pets, make):
    make(pets / "train/cat/000.png")
    assert_refused(spec(), f"{pets / 'train/cat/000.png'}: ")
    assert grey_values(load(spec(on_error="skip")).train) == [*CATS, *DOGS]


def test_an_empty_split_is_reported_with_its_contents(pets):
    for path in (pets / "test").glob("*/*"):
        path.rename(pets / "test" / f"{path.parent.name}{path.name}")
    assert_refused(spec(), f"{pets / 'test'}: no images", "in it; not read: images in no class folder (3)")


@pytest.mark.parametrize(
    "names",
    [("Train", "Test", "Val"), ("training", "testing", "valid"), ("TRAIN", "TEST", "VALIDATION"), ("train", "test", "dev")],
    ids=str,
)  # fmt: skip
def test_splits_are_found_under_common_names(data_dir, names):
    for name, values in zip(names, ([10, 20], [30], [40]), strict=True):
        write_classes(data_dir / "pets" / name, values, [value + 100 for value in values])
    dataset = load(spec(validation="auto"))
    assert [grey_values(part) for part in dataset.splits().values()] == [[10, 20, 110, 120], [40, 140], [30, 130]]


@pytest.mark.parametrize("others", [("bus", "car"), ("bus", "validation"), ("Test", "Valid")], ids=str)
def test_a_class_may_be_called_train(data_dir, others):
    for name in (*others, "train"):
        for number in range(4):
            write_image(data_dir / "pets" / name / f"{number}.png")
    assert load(spec(num_classes=3, test=3)).class_names == tuple(sorted((*others, "train")))


def test_ambiguous_folders_are_resolved_by_the_number_of_classes(data_dir, capsys):
    for name in ("bus", "train/bus", "train/car"):
        for number in range(4):
            write_image(data_dir / "pets" / name / f"{number}.png")
    with pytest.raises(DataError, match=r"bus and train may be 2 classes, and train a split of 2 classes; rename"):
        load(spec(test=2))
    write_image(data_dir / "pets/tram/1.png")
    assert load(spec(test=2)).class_names == ("bus", "car")
    assert warnings(capsys)[0] == f"{data_dir / 'pets'}: not read: folders beside the splits (2: bus and tram)"
    assert load(spec(num_classes=3, test=3)).class_names == ("bus", "train", "tram")


def test_two_folders_for_one_split_are_rejected(pets):
    write_classes(pets / "val", [1], [2])
    write_classes(pets / "Valid", [1], [2])
    assert_refused(spec(), f"{pets}: Valid and val are the same split; expected one of them")
    (pets / "Train").mkdir()
    assert_refused(spec(), "Train and train are the same split")


def test_a_folder_nested_one_level_too_deep_is_named(pets, data_dir):
    assert_refused(spec(path="."), f"its only folder is {data_dir / 'pets'}: set path to that")


def test_a_split_without_one_of_the_classes_is_used_and_reported(pets, capsys):
    remove(pets / "test" / "cat")
    dataset = load(spec())
    assert dataset.test.labels.tolist() == [1, 1]
    assert dataset.absent_classes() == {"test": ["cat"]}
    assert warnings(capsys) == [f"{pets}: test: no examples of cat, which it does not measure"]


def write_numbers(folder, names):
    for name in names:
        for split in ("train", "test"):
            write_image(folder / split / name / "1.png", 10 * int(name))


def test_numeric_class_names_are_sorted_numerically(data_dir):
    write_numbers(data_dir / "pets", map(str, range(11)))
    dataset = load(spec(num_classes=11))
    assert dataset.class_names == tuple(map(str, range(11)))
    assert grey_values(dataset.test) == [10 * label for label in dataset.test.labels.tolist()] == [*range(0, 110, 10)]
    by_text = load(spec(num_classes=11, class_order="text"))
    assert by_text.class_names == ("0", "1", "10", *map(str, range(2, 10)))


def test_class_names_are_sorted_as_text_if_some_are_not_numeric(data_dir):
    write_numbers(data_dir / "pets", ["2", "10", "1"])
    write_image(data_dir / "pets/train/x/1.png")
    assert load(spec(num_classes=4)).class_names == ("1", "10", "2", "x")


@pytest.mark.parametrize(("classes", "expected"), [("[01, 10]", ("01", "10")), ("['01', 1]", ("01", "1")), ("[10, 01]", ("10", "01"))])  # fmt: skip
def test_the_class_names_of_the_experiment_select_the_folders(data_dir, tmp_path, classes, expected):
    write_numbers(data_dir / "pets", ["01", "1", "10"])
    path = tmp_path / "x.yaml"
    path.write_text(
        f"data: {{name: folder, path: pets, image_size: 4, num_classes: 3, validation: 0, classes: {classes}}}\n"
        "model: {layers: [flatten, dense: 2]}\n"
    )
    experiment = load_file(path)
    assert load(experiment.data).class_names == expected
    path.write_text(to_yaml(experiment))
    assert load_file(path) == experiment


def test_names_that_differ_only_in_unicode_normalization_are_one_class(data_dir):
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    for place in (f"train/{composed}/1", f"train/{decomposed}/2", "train/tea/1", f"test/{decomposed}/1", "test/tea/1"):
        write_image(data_dir / "pets" / f"{place}.png")
    dataset = load(spec(classes=[decomposed, "tea"]))
    assert dataset.class_names == (composed, "tea")
    assert dataset.train.labels.tolist() == [0, 0, 1]
    assert dataset.test.labels.tolist() == [0, 1]
