"""Which images of a table are loaded, with which splits and labels, and how a table that cannot be used is reported."""

import sys

import pytest
from pydantic import ValidationError

from cnnlab.data import load
from cnnlab.data.fingerprint import fingerprint
from cnnlab.data.sources import image_files
from cnnlab.experiment.data import Table
from tests.data.data_files import assert_refused, folder_spec, grey_values, write_classes, write_image

PETS = [
    (f"{name}/{grey:03}.png", name) for name, low in (("cat", 10), ("dog", 110)) for grey in range(low, low + 60, 10)
]


def table_spec(**options):
    given = {"file": "labels.csv", "image": "file", "label": "kind", "image_size": 4, "channels": 1, "num_classes": 2}
    return Table(name="table", **{**given, "validation": 0, **options})


@pytest.fixture
def images(data_dir):
    """A folder with a folder of cats and one of dogs."""
    for file, _ in PETS:
        write_image(data_dir / file, int(file[4:7]))
    return data_dir


@pytest.fixture
def write(images):
    """Writes rows into labels.csv, or text as it is."""

    def write(rows, name="labels.csv", header="file,kind", separator=","):
        lines = [separator.join(header.split(",")), *(separator.join(row) for row in rows)]
        text = rows if isinstance(rows, str) else "\n".join(lines) + "\n"
        (images / name).write_text(text, encoding="utf-8")
        return images / name

    return write


def test_rows_have_images_and_classes_and_the_test_set_is_taken_from_them(write):
    write(PETS)
    dataset = load(table_spec(test=4))
    assert dataset.class_names == ("cat", "dog")
    assert {name: len(part) for name, part in dataset.splits().items()} == {"train": 8, "test": 4}
    for part in dataset.splits().values():
        assert [grey >= 110 for grey in grey_values(part)] == part.labels.tolist()
        assert [int(file[-7:-4]) for file in part.files] == grey_values(part)


def test_a_column_has_the_groups_that_no_split_divides(write):
    write(
        [(file, kind, f"patient {number % 3}") for number, (file, kind) in enumerate(PETS)], header="file,kind,patient"
    )
    dataset = load(table_spec(test=4, group={"column": "patient"}))
    assert sorted(dataset.group_names) == ["patient 0", "patient 1", "patient 2"]
    groups = [{*part.groups.tolist()} for part in dataset.splits().values()]
    assert not set.intersection(*groups)
    assert set.union(*groups) == {0, 1, 2}
    assert_refused(table_spec(test=4, group={"column": "person"}), "person")


def test_a_table_of_a_folder_gives_the_examples_of_the_folder(write, data_dir):
    write_classes(data_dir / "pets")
    files = sorted((data_dir / "pets").glob("*/*"))
    write([(str(file.relative_to(data_dir)), file.parent.name) for file in files])
    assert fingerprint(load(table_spec(test=4))) == fingerprint(load(folder_spec(test=4)))


def test_a_column_divides_the_rows_into_splits_under_common_names_in_the_order_of_the_table(write):
    splits = ["Test", "training", "val", "train", "train", "test"] * 2
    write([(*row, split) for row, split in zip(PETS, splits, strict=True)], header="file,kind,part")
    dataset = load(table_spec(split="part", validation="auto"))
    assert {name: grey_values(part) for name, part in dataset.splits().items()} == {
        "train": [20, 40, 50, 120, 140, 150],
        "validation": [30, 130],
        "test": [10, 60, 110, 160],
    }


@pytest.mark.parametrize(
    ("name", "separator"), [("labels.tsv", "\t"), ("labels.csv", ";"), ("labels.csv", "|"), ("labels.csv", "\t")]
)
def test_other_separators_are_recognized(write, name, separator):
    write(PETS, name, separator=separator)
    assert len(load(table_spec(file=name, test=4)).train) == 8


def test_byte_order_marks_quotes_spaces_empty_lines_and_trailing_separators_are_read(write):
    rows = "\n".join(f'"{file}", {name} ,' for file, name in PETS)
    write(f"\ufefffile,kind,\r\n\r\n{rows}\n , ,\n")
    assert load(table_spec(test=4)).class_names == ("cat", "dog")


def test_labels_are_text_in_numeric_order_and_keep_leading_zeros(write):
    write([(file, "10" if name == "cat" else "09") for file, name in PETS])
    assert load(table_spec(test=4)).class_names == ("09", "10")
    write([(file, "NA" if name == "cat" else "None") for file, name in PETS])
    assert load(table_spec(test=4)).class_names == ("NA", "None")


def test_absolute_paths_and_backslashes_are_read_and_reported(write, images):
    write([(str(images / file), name) for file, name in PETS])
    absolute = load(table_spec(test=4))
    assert any("12 absolute paths, which exist on this machine only" in note for note in absolute.origin.notes)
    write([(file.replace("/", "\\"), name) for file, name in PETS])
    assert any("read as slashes" in note for note in load(table_spec(test=4)).origin.notes)


def test_the_columns_that_were_read_stay_with_the_files(write):
    splits = ["test", "train", "train"] * 4
    write([(*row, split) for row, split in zip(PETS, splits, strict=True)], header="file,kind,part")
    listing = image_files.listing_of(table_spec(split="part"))
    assert listing.columns["part"].tolist() == ["train"] * 8 + ["test"] * 4
    assert listing.columns["file"].tolist() == list(listing.names)


def test_a_repeated_row_is_used_once_and_reported(write):
    write([*PETS, ("./cat/010.png", "cat")])
    dataset = load(table_spec(test=4))
    assert sum(len(part) for part in dataset.splits().values()) == 12
    (warning,) = [remark.text for remark in dataset.origin.warnings]
    assert warning == "not read: rows that repeat an earlier one (1: ./cat/010.png in line 14)"


def test_labels_may_be_changed_without_decoding_again(write, monkeypatch):
    write(PETS)
    load(table_spec(test=4))
    write([(file, "dog" if name == "cat" else "cat") for file, name in PETS])
    monkeypatch.setattr("cnnlab.data.decoded.decode_into", lambda *_: pytest.fail("decoded again"))
    train = load(table_spec(test=4)).train
    assert [grey < 110 for grey in grey_values(train)] == train.labels.astype(bool).tolist()


def test_missing_files_are_counted_and_can_be_skipped(write):
    write([*PETS, ("cat/none.png", "cat"), ("gone.png", "dog")])
    message = "2 of 14 files cannot be found", "none.png (line 14)", "relative to the folder of the table"
    assert_refused(table_spec(), *message, "--set data.on_error=skip leaves such rows out")
    dataset = load(table_spec(test=4, on_error="skip"))
    assert len(dataset.train) == 8
    assert len(dataset.origin.skipped) == 2
    write([("a.png", "cat"), ("b.png", "dog")])
    assert_refused(table_spec(on_error="skip"), "2 of 2 files cannot be found")


REFUSED = {
    "another column": ("name,kind\nx.png,cat\n", "no column 'file'; it has name and kind"),
    "a column twice": ("file,kind,kind\nx.png,cat,dog\n", "2 columns are called 'kind'"),
    "empty file": ("", "is empty; expected a first row with the names of columns"),
    "no rows": ("file,kind\n", "has no rows below its first"),
    "empty label": ("file,kind\na.png,cat\nb.png,\nc.png, \n", "2 rows with no value in the column 'kind' (line 3 and line 4)"),
    "empty file name": ("file,kind\na.png,cat\n,dog\n", "1 row with no value in the column 'file' (line 3)"),
    "too few values": ("file,kind\na.png\n", "line 2: 1 value, and the first row names 2 columns"),
    "too many values": ("file,kind\na.png,cat,dog\n", "line 2: 3 values", "that contain commas in quotes"),
    "open quote": ('file,kind\n"a.png,cat\nb.png,dog\n', "is a quote missing?"),
    "another class": (f"file,kind\n{PETS[0][0]},cat\n{PETS[1][0]},cat\n", "1 different label in the column 'kind' (cat), but data.num_classes is 2"),
    "two classes of an image": (f"file,kind\n{PETS[0][0]},cat\n{PETS[0][0]},dog\n", "cat/010.png, whose class is cat in line 2 and dog in line 3; expected one row per image"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_an_unusable_table_is_one_line_with_its_place(write, case):
    text, *parts = REFUSED[case]
    assert_refused(table_spec(), str(write(text)), *parts)


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        (["train", "fold 3"], "1 row with other values in the column 'part' than train, validation and test (line 3: 'fold 3')"),
        (["test", "test"], "no row whose 'part' is train"),
        (["train", ""], "1 row with no value in the column 'part'"),
    ],
    ids=["unknown", "no train", "empty"],
)  # fmt: skip
def test_splits_that_are_none_are_reported(write, splits, message):
    write([(*row, split) for row, split in zip(PETS, splits, strict=False)], header="file,kind,part")
    assert_refused(table_spec(split="part"), message)


def test_a_class_of_the_test_rows_alone_is_reported(write):
    rows = [(*PETS[0], "train"), (*PETS[-1], "train"), (PETS[1][0], "fox", "test")]
    write(rows, header="file,kind,part")
    assert_refused(table_spec(split="part"), "1 row with a class that train does not have (line 4: fox)")


def test_text_in_another_encoding_is_reported_with_its_line(images):
    (images / "labels.csv").write_bytes("file,kind\na.png,cat\nb.png,caf\u00e9\n".encode("cp1252"))
    assert_refused(table_spec(), "line 3, byte 10 (0xe9): not UTF-8; save the table as `CSV UTF-8`")


def test_a_damaged_image_is_named_and_verified(write, images):
    write(PETS)
    (images / "cat/010.png").write_bytes(b"no image")
    assert_refused(table_spec(), f"{images / 'cat/010.png'}: is not an image")
    assert list(image_files.verify(table_spec())[0]) == [str(images / "cat/010.png")]


def test_parquet_needs_pyarrow(images, monkeypatch):
    (images / "labels.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert_refused(table_spec(file="labels.parquet"), "needs pyarrow, which is not installed", "cnnlab[parquet]")


def test_parquet_is_read_as_csv_is(write, images):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    columns = {"file": [file for file, _ in PETS], "kind": [int(name == "dog") for _, name in PETS], "x": [None] * 12}
    parquet.write_table(pyarrow.table(columns), images / "labels.parquet")
    dataset = load(table_spec(file="labels.parquet", test=4))
    assert dataset.class_names == ("0", "1")
    write([(file, str(int(name == "dog"))) for file, name in PETS])
    assert fingerprint(dataset) == fingerprint(load(table_spec(test=4)))
    (images / "labels.parquet").write_bytes(b"PAR1 nothing")
    assert_refused(table_spec(file="labels.parquet"), "cannot be read as Parquet")


def test_a_large_table_takes_little_time_and_memory(write):
    write([(f"cat/{number}.png", str(number % 2)) for number in range(100_000)])
    assert_refused(table_spec(), "100,000 of 100,000 files cannot be found")


def test_the_column_of_classes_is_required():
    with pytest.raises(ValidationError, match="label"):
        Table(name="table", file="x.csv", image="a", image_size=4, num_classes=2)
