"""What is recognised of folders and tables: layout, classes, splits, sizes, colours; and what is no such thing."""

import numpy as np
import pytest
from PIL import Image

from cnnlab.data import load
from cnnlab.data.recognition import measured, recognize
from cnnlab.errors import DataError
from cnnlab.experiment.data import spec_of
from tests.data.data_files import write_classes, write_image


def write_coloured(path, size=(6, 4), orientation=1):
    """A photograph of random colours, with its orientation in EXIF."""
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[0x112] = orientation
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(pixels).save(path, exif=exif)


def write_sizes(folder, sizes):
    """Two classes with an image of each size."""
    for name in ("cat", "dog"):
        for number, size in enumerate(sizes):
            write_coloured(folder / name / f"{number}.jpg", size)


def refusal(path):
    with pytest.raises(DataError) as refused:
        recognize(str(path))
    return str(refused.value)


def test_class_folders_without_splits(tmp_path):
    write_classes(tmp_path)
    found = recognize(str(tmp_path))
    assert found.summary == (
        "recognised as a folder of 14 images in 2 classes (cat and dog), 6 to 8 each, without splits"
    )
    assert found.options == {
        "name": "folder", "path": str(tmp_path), "image_size": [4, 6], "channels": 1, "num_classes": 2, "test": 0.2,
        "validation": 0.1,
    }  # fmt: skip
    assert found.reasons["test"] == "no folder for testing: 3 of 14 images, stratified"
    assert found.reasons["validation"] == "no folder for validation: 1 of the other 11, stratified"
    assert found.to_json()["counts"] == {"all": {"cat": 6, "dog": 8}}


def test_what_is_recognised_is_what_is_loaded(tmp_path):
    write_classes(tmp_path)
    dataset = load(spec_of(dict(recognize(str(tmp_path)).options)))
    assert {name: len(part) for name, part in dataset.splits().items()} == {"train": 10, "validation": 1, "test": 3}


@pytest.mark.parametrize(
    ("splits", "test", "validation"),
    [(("train", "test"), None, 0.1), (("Train", "VAL"), 0.2, "auto"), (("training", "test", "valid"), None, "auto")],
    ids=str,
)
def test_folders_of_splits(tmp_path, splits, test, validation):
    for split in splits:
        write_classes(tmp_path / split)
    (tmp_path / "README.md").write_text("pets")
    options = recognize(str(tmp_path)).options
    assert (options.get("test"), options["validation"], options["num_classes"]) == (test, validation, 2)


@pytest.mark.parametrize(
    ("sizes", "image_size", "fit"),
    [
        ([(100, 100)], 100, None),
        ([(60, 40)], [40, 60], None),
        ([(400, 300)], [96, 128], "stretch"),
        ([(40, 40)] * 40 + [(300, 300)], 40, "stretch"),
        ([(400, 300), (300, 400)], 128, "crop"),
        ([(60, 40), (20, 90)], 30, "crop"),
    ],
    ids=str,
)
def test_the_proposed_size_keeps_shapes_and_is_at_most_128(tmp_path, sizes, image_size, fit):
    write_sizes(tmp_path, sizes)
    options = recognize(str(tmp_path)).options
    assert (options["image_size"], options.get("fit"), options["channels"]) == (image_size, fit, 3)


def test_photographs_are_measured_upright_and_upper_case_suffixes_are_images(tmp_path):
    for name in ("cat", "dog"):
        write_coloured(tmp_path / name / "day" / "1.JPG", (40, 30), orientation=6)
        write_coloured(tmp_path / name / "2.jpeg", (30, 40))
    found = recognize(str(tmp_path))
    assert found.options["image_size"] == [40, 30]
    assert found.measured.turned == 2


def test_grey_images_stored_in_colour_are_grey(tmp_path):
    for name in ("cat", "dog"):
        for number in range(3):
            (tmp_path / name).mkdir(exist_ok=True)
            Image.new("RGB", (8, 8), (90, 90, 90)).save(tmp_path / name / f"{number}.jpg")
    found = recognize(str(tmp_path))
    assert found.options["channels"] == 1
    assert "stored in colour, but grey (6 images looked at)" in found.reasons["channels"]
    write_coloured(tmp_path / "cat" / "0.png")
    assert recognize(str(tmp_path)).options["channels"] == 3


def test_of_many_files_evenly_spread_ones_are_read_and_that_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(measured, "MOST_HEADERS", 5)
    write_classes(tmp_path)
    assert recognize(str(tmp_path)).reasons["image_size"] == "5 of 14 images, evenly spread: 6×4"


def test_the_files_of_a_phone_are_counted_by_reason(tmp_path):
    write_classes(tmp_path)
    for name in ("cat/1.HEIC", "cat/1.mov", "dog/Thumbs.db", "dog/.DS_Store", "dog/._1.jpg", "dog/notes.txt", "2.heic"):
        (tmp_path / name).write_bytes(b"")
    texts = {remark.text for remark in recognize(str(tmp_path)).remarks}
    assert texts == {
        "not read: photographs in HEIC or a raw format, to be converted to JPEG (2: 2.heic and cat/1.HEIC)",
        "not read: videos (1: cat/1.mov)",
        "not read: files of the operating system (2: dog/.DS_Store and dog/Thumbs.db)",
        "not read: hidden files or folders (1: dog/._1.jpg)",
        "not read: files that are no images by their names (1: dog/notes.txt)",
    }


def test_damaged_images_are_a_warning_until_all_are(tmp_path):
    write_classes(tmp_path, [10, 20], [110])
    (tmp_path / "cat/030.png").write_bytes(b"no image")
    (warning,) = recognize(str(tmp_path)).warnings()
    assert warning.startswith("1 of 4 files cannot be read, such as cat/030.png: is not an image")
    for path in tmp_path.glob("*/*"):
        path.write_bytes(b"no image")
    assert "none of 4 files is an image, such as cat/010.png" in refusal(tmp_path)


def test_an_empty_folder_is_refused(tmp_path):
    assert "is empty; expected two or more folders, one per class" in refusal(tmp_path)


def test_images_without_class_folders_are_refused(tmp_path):
    write_image(tmp_path / "1.png")
    assert f"{tmp_path}: has 1 image in no class folder; expected two or more folders" in refusal(tmp_path)
    (tmp_path / "labels.csv").write_text("file,label\n")
    assert "but labels.csv: name that file if it lists images and classes" in refusal(tmp_path)


def test_one_class_is_refused_and_a_folder_too_high_named(tmp_path):
    write_image(tmp_path / "pets/cat/1.png")
    assert f"{tmp_path / 'pets'}: one class only, cat" in refusal(tmp_path / "pets")
    assert f"its only folder is {tmp_path / 'pets'}, which holds folders; name that" in refusal(tmp_path)
    write_image(tmp_path / "split/train/cat/1.png")
    write_image(tmp_path / "split/test/cat/1.png")
    assert f"{tmp_path / 'split/train'}: one class only, cat" in refusal(tmp_path / "split")


def test_a_mixture_of_splits_and_classes_is_refused(tmp_path):
    for name in ("train/bus", "train/car", "bird"):
        write_image(tmp_path / name / "1.png")
    assert "mixed: train has folders in it as a split has, and bird images as a class has" in refusal(tmp_path)


def test_a_class_folder_without_images_is_refused_with_what_it_has(tmp_path):
    write_classes(tmp_path)
    (tmp_path / "fox").mkdir()
    (tmp_path / "fox/1.heic").write_bytes(b"")
    assert f"{tmp_path / 'fox'}: no images" in refusal(tmp_path)
    assert "photographs in HEIC or a raw format, to be converted to JPEG (1)" in refusal(tmp_path)


@pytest.mark.parametrize(("name", "what"), [("a.png", "an image"), ("a.zip", "no table by its name")])
def test_another_file_is_refused(tmp_path, name, what):
    (tmp_path / name).write_bytes(b"x")
    assert f"is {what}; expected a folder of images, or a table (.csv, " in refusal(tmp_path / name)
    assert "no such file or folder" in refusal(tmp_path / "nowhere")


@pytest.fixture
def table(tmp_path):
    """Writes a table about images of two classes."""
    write_classes(tmp_path)
    files = [(f"{path.parent.name}/{path.name}", path.parent.name) for path in sorted(tmp_path.glob("*/*.png"))]

    def write(header, row):
        lines = [row(index, file, name) for index, (file, name) in enumerate(files)]
        (tmp_path / "list.csv").write_text("\n".join([header, *lines]) + "\n")
        return tmp_path / "list.csv"

    return write


@pytest.mark.parametrize(
    ("header", "row", "columns"),
    [
        ("path,class", lambda _, file, name: f"{file},{name}", ("path", "class", None)),
        ("id,what,Image Path", lambda number, file, name: f"{number},{name},{file}", ("Image Path", "what", None)),
        ("a,b,c", lambda number, file, name: f"{name},{file},{['train', 'test'][number % 2]}", ("b", "a", "c")),
        ("file,mask,label,age", lambda number, file, name: f"{file},m/{number}.png,{name},3", ("file", "label", None)),
    ],
    ids=["names", "values", "split", "several"],
)
def test_the_columns_of_a_table_are_guessed_with_reasons(table, header, row, columns):
    options = recognize(str(table(header, row))).options
    assert (options["image"], options["label"], options.get("split")) == columns
    assert options["num_classes"] == 2
    assert ("test" in options) == (columns[2] is None)


def test_columns_that_are_not_clear_are_refused_unless_given(table):
    path = table("path,kind,person", lambda number, file, name: f"{file},{name},{number // 3}")
    assert "kind and person may be the column of classes; say which, such as --set data.label=kind" in refusal(path)
    assert recognize(str(path), {"label": "kind"}).options["num_classes"] == 2
    path = table("x,y", lambda number, file, name: f"{number},{name}")
    assert "no column of image files among x and y" in refusal(path)
    path = table("cat/010.png,cat", lambda _, file, name: f"{file},{name}")
    assert "the first row has cat/010.png; expected the names of the columns" in refusal(path)
    path = table("file", lambda _, file, name: file)
    assert "no column of classes beside 'file'" in refusal(path)
    path = table("file,label", lambda _, file, name: f"{file},pet")
    assert "one class only in the column 'label', pet" in refusal(path)
