"""`cnnlab data`: list, fetch, info, verify, preview."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from tests.conftest import assert_one_line


@pytest.fixture(autouse=True)
def _own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("CNNLAB_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def pictures(tmp_path):
    """A folder of 2 × 12 training and 2 × 4 test pictures, and an experiment on it."""
    random = np.random.default_rng(0)
    for split, count in (("train", 12), ("test", 4)):
        for name in ("cat", "dog"):
            place = tmp_path / f"pets/{split}/{name}"
            place.mkdir(parents=True)
            for number in range(count):
                Image.fromarray(random.integers(0, 256, (9, 8, 3), dtype=np.uint8)).save(place / f"{number}.png")
    (tmp_path / "pets.yaml").write_text(
        "data: {name: folder, path: pets, image_size: 8, num_classes: 2, validation: 4}\n"
        "model: {layers: [flatten, dense: 2]}\n"
    )
    return tmp_path / "pets"


def test_list_names_every_data_set_and_where_it_is(cnnlab):
    done = cnnlab("data", "list", "--format", "json")
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert list(rows)[:5] == ["digits", "mnist", "fashion_mnist", "cifar10", "cifar100"]
    assert (rows["cifar100"]["train"], rows["cifar100"]["shape"], rows["cifar100"]["classes"]) == (
        50_000,
        "32×32×3",
        100,
    )
    assert rows["digits"]["here"] == "inside scikit-learn"
    assert rows["mnist"]["here"] == "no: cnnlab data fetch mnist"
    assert rows["folder"]["here"] == "described by options (path, image_size, num_classes)"
    assert "mnist" in cnnlab("data", "list").stdout


def test_fetch_says_what_needs_no_fetching_and_what_cannot_be(cnnlab, monkeypatch):
    assert cnnlab("data", "fetch", "digits").stdout == "digits: nothing to fetch: inside scikit-learn\n"
    assert_one_line(cnnlab("data", "fetch", "mnits"), 2, "mnits: no such data set")
    assert_one_line(
        cnnlab("data", "fetch", "raw"), 2, "raw: described by options (image_shape, num_classes, train_images"
    )


def test_info_counts_every_class_of_every_split_and_tells_the_pixels(cnnlab):
    done = cnnlab("data", "info", "digits", "--format", "json")
    measured = json.loads(done.stdout)
    assert {name: split["examples"] for name, split in measured["splits"].items()} == {"train": 1437, "test": 360}
    assert sum(row["train"] for row in measured["classes"]) == 1437
    assert measured["licence"] == "CC BY 4.0"
    assert measured["splits"]["train"]["bytes"] == 1437 * 784
    assert 0.2 < measured["splits"]["train"]["pixels"]["mean"][0] < 0.4
    assert len(measured["fingerprint"]) == 64
    table = cnnlab("data", "info", "digits").stdout
    assert f"fingerprint: {measured['fingerprint']}" in table
    assert "total  1,437   360" in table
    rows = list(csv.DictReader(cnnlab("data", "info", "digits", "--format", "csv").stdout.splitlines()))
    assert [row["class"] for row in rows] == list("0123456789")


def test_info_of_an_experiment_has_its_splits_and_the_fingerprint_of_its_runs(cnnlab, tiny):
    measured = json.loads(cnnlab("data", "info", tiny, "--format", "json").stdout)
    assert {name: split["examples"] for name, split in measured["splits"].items()} == {
        "train": 200, "validation": 144, "test": 200,
    }  # fmt: skip
    cnnlab("train", tiny, "--epochs", 1, "--quiet")
    record = json.loads((tiny.parent / "runs/tiny-1/run.json").read_text())
    assert record["data"]["fingerprint"] == measured["fingerprint"]
    changed = cnnlab("data", "info", tiny, "--set", "data.limit=50", "--format", "json")
    assert json.loads(changed.stdout)["fingerprint"] != measured["fingerprint"]


def test_a_name_takes_no_changes(cnnlab):
    done = cnnlab("data", "info", "digits", "--set", "data.limit=5")
    assert_one_line(done, 2, "--set data.limit=5: goes with an experiment file")


def test_verify_finds_nothing_wrong_with_digits(cnnlab):
    done = cnnlab("data", "verify", "digits")
    assert (done.returncode, done.stdout) == (0, "digits: 1,797 examples read: all well\n")


def test_verify_names_every_damaged_picture_and_fails(cnnlab, pictures):
    (pictures / "train/cat/3.png").write_bytes(b"text")
    (pictures / "test/dog/1.png").write_bytes((pictures / "test/dog/0.png").read_bytes()[:60])
    (pictures / "train/cat/notes.txt").write_text("hello")
    done = cnnlab("data", "verify", "pets.yaml")
    assert done.returncode == 1
    assert "error: pets/train/cat/3.png: is not a picture" in done.stdout
    assert "error: pets/test/dog/1.png: is damaged: " in done.stdout
    assert (
        "pets: left out, since they are no pictures by their names: 1, such as pets/train/cat/notes.txt" in done.stdout
    )
    assert done.stdout.endswith("folder: 32 examples read: 2 errors, 1 warning\n")


def test_verify_tells_duplicates_leaks_contradictions_and_single_colours(cnnlab, pictures):
    train, test = pictures / "train", pictures / "test"
    (train / "cat/twin.png").write_bytes((train / "cat/0.png").read_bytes())
    (train / "dog/liar.png").write_bytes((train / "cat/1.png").read_bytes())
    (test / "dog/seen.png").write_bytes((train / "dog/2.png").read_bytes())
    Image.new("RGB", (9, 8), (7, 8, 9)).save(test / "cat/plain.png")
    done = cnnlab("data", "verify", "pets.yaml", "--set", "data.validation=0", "--format", "json")
    assert done.returncode == 0
    found = {finding["kind"]: finding for finding in json.loads(done.stdout)["findings"]}
    assert set(found) == {"duplicates", "contradictions", "leak", "constant"}
    assert found["duplicates"]["count"] == 2
    assert "pets/train/cat/0.png = pets/train/cat/twin.png" in found["duplicates"]["text"]
    assert "pets/train/cat/1.png (cat) = pets/train/dog/liar.png (dog)" in found["contradictions"]["text"]
    assert "train pets/train/dog/2.png = test pets/test/dog/seen.png" in found["leak"]["text"]
    assert found["constant"]["split"] == "test"
    assert cnnlab("data", "verify", "pets.yaml", "--strict").returncode == 1


def test_verify_tells_imbalance_and_classes_without_examples(cnnlab, pictures):
    for number in range(4, 12):
        (pictures / f"train/dog/{number}.png").unlink()
    for number in range(3):
        (pictures / f"train/dog/{number}.png").unlink()
    done = cnnlab("data", "verify", "pets.yaml", "--set", "data.validation=0")
    assert "warning: train: imbalanced: 12 of cat, 1 of dog; accuracy alone misleads" in done.stdout
    done = cnnlab("data", "verify", "pets.yaml", "--set", "data.validation=0", "--set", "data.limit=3")
    assert "warning: train: no examples of dog" in done.stdout


def test_preview_draws_a_labelled_grid(cnnlab, tiny, tmp_path):
    done = cnnlab("data", "preview", tiny, "--out", "new/grid.png", "--count", 20)
    assert (done.returncode, done.stdout) == (0, "new/grid.png\n")
    with Image.open(tmp_path / "new/grid.png") as image:
        assert image.format == "PNG"
        assert image.width > 10 * 220
        assert 2 * 220 < image.height < 2 * 350
        assert len(set(image.convert("L").tobytes())) > 50


def test_preview_of_training_shows_augmented_pictures_that_differ_by_epoch(cnnlab, tiny, tmp_path):
    change = ("--set", "preprocessing.augmentation=[rotation: 30]", "--augment")
    for name, *more in (("a", "--epoch", 1), ("b", "--epoch", 1), ("c", "--epoch", 2)):
        done = cnnlab("data", "preview", tiny, *change, "--out", f"{name}.png", *more)
        assert (done.returncode, done.stderr) == (0, "")
    first, again, other = ((tmp_path / f"{name}.png").read_bytes() for name in "abc")
    assert first == again
    assert first != other


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--split", "nope"), "--split nope: there are no such examples; there are train and validation and test"),
        (("--split", "test", "--augment"), "only training pictures are augmented"),
        (("--out", "tiny.yaml/x.png"), "tiny.yaml/x.png: cannot be written"),
    ],
)
def test_a_preview_that_cannot_be_is_one_line(cnnlab, tiny, arguments, message):
    assert_one_line(cnnlab("data", "preview", tiny, *arguments), 2, message)


def test_train_sizes_are_a_run_each_on_the_same_test_set(cnnlab, tiny, tmp_path):
    done = cnnlab("train", tiny, "--set", "data.limit=null", "--set", "data.train_sizes=[100, 300]", "--quiet")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[-3].split() == ["train_examples", "accuracy", "loss", "val_accuracy", "val_loss", "run"]
    assert [line.split()[0] for line in lines[-2:]] == ["100", "300"]
    records = [json.loads((tmp_path / f"runs/tiny-{number}/run.json").read_text())["data"] for number in (1, 2)]
    assert [record["splits"]["train"]["examples"] for record in records] == [300, 100]
    assert records[0]["splits"]["test"] == records[1]["splits"]["test"]
    assert records[0]["splits"]["validation"] == records[1]["splits"]["validation"]
    again = cnnlab("train", "runs/tiny-2/config.yaml", "--quiet", "--format", "json")
    assert json.loads(again.stdout)["train_examples"] == 100


def test_evaluate_says_how_the_data_differ(cnnlab, pictures):
    cnnlab("train", "pets.yaml", "--epochs", 1, "--quiet")
    Image.new("RGB", (8, 8)).save(pictures / "test/dog/2.png")
    done = cnnlab("evaluate", "runs/pets-1")
    assert_one_line(done, 1, "was trained on other examples of folder than are here: test: other pictures")
    (pictures / "test/dog/2.png").unlink()
    assert_one_line(cnnlab("evaluate", "runs/pets-1"), 1, "test: 8 examples then, 7 now")


def test_a_preview_takes_the_name_of_a_data_set(cnnlab, tmp_path):
    done = cnnlab("data", "preview", "digits", "--count", 5)
    assert (done.returncode, done.stdout) == (0, "preview.png\n")
    assert_one_line(cnnlab("data", "preview", "digits", "--augment"), 2, "digits is a data set; name an experiment")
    assert_one_line(
        cnnlab("data", "preview", "digts"), 2, "digts: no such data set or experiment; did you mean 'digits'?"
    )
    assert_one_line(
        cnnlab("data", "preview", "digits", "--out", "x.jpg"),
        2,
        "x.jpg: expected a file name that ends in .png, .svg or .pdf",
    )


def test_a_folder_that_is_no_split_is_told(cnnlab, pictures):
    (pictures / "test").rename(pictures / "Test")
    done = cnnlab("data", "info", "pets.yaml")
    assert done.returncode == 0
    assert "pets: Test left out: splits are folders called train, validation and test" in done.stderr


def test_predictions_name_their_files(cnnlab, pictures, tmp_path):
    cnnlab("train", "pets.yaml", "--epochs", 1, "--quiet")
    rows = list(csv.DictReader((tmp_path / "runs/pets-1/evaluation/test-predictions.csv").read_text().splitlines()))
    assert [row["file"] for row in rows][:2] == ["pets/test/cat/0.png", "pets/test/cat/1.png"]


def test_runs_of_one_experiment_on_other_data_are_told_apart(cnnlab, pictures):
    cnnlab("train", "pets.yaml", "--epochs", 1, "--quiet")
    assert "different examples" not in cnnlab("compare", "runs").stdout
    Image.new("RGB", (8, 8)).save(pictures / "train/dog/2.png")
    cnnlab("train", "pets.yaml", "--epochs", 1, "--quiet")
    *_, caution = cnnlab("compare", "runs").stdout.split("\n\n")
    assert " ".join(caution.split()).startswith("pets-1 and pets-2 name the same data and saw different examples")
