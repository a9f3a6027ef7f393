"""`cnnlab data`: list, fetch, info, verify, preview."""

import csv
import json

import numpy as np
import pytest
import yaml
from PIL import Image

from tests.conftest import assert_one_line
from tests.data.data_files import cnnlab_in


@pytest.fixture(autouse=True)
def _data_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("CNNLAB_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def cnnlab(tmp_path, monkeypatch, capsys):
    return cnnlab_in(tmp_path, monkeypatch, capsys)


@pytest.fixture
def images(tmp_path):
    """A folder of 2 × 12 training and 2 × 4 test images, and an experiment on it."""
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


def test_list_names_every_data_set_and_its_location(cnnlab):
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
    assert rows["folder"]["here"] == "described by options (image_size, num_classes, path)"
    assert "mnist" in cnnlab("data", "list").stdout


def test_fetch_reports_data_sets_without_a_download(cnnlab, monkeypatch):
    assert cnnlab("data", "fetch", "digits").stdout == "digits: nothing to fetch: inside scikit-learn\n"
    assert_one_line(cnnlab("data", "fetch", "mnits"), 2, "mnits: no such data set")
    assert_one_line(
        cnnlab("data", "fetch", "raw"), 2, "raw: described by options (image_shape, num_classes, train_images"
    )


def test_info_counts_every_class_of_every_split_and_describes_the_pixels(cnnlab):
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


def test_info_of_an_experiment_shows_its_splits_and_the_fingerprint_of_its_runs(cnnlab, tiny):
    measured = json.loads(cnnlab("data", "info", tiny, "--format", "json").stdout)
    assert {name: split["examples"] for name, split in measured["splits"].items()} == {
        "train": 200, "validation": 144, "test": 200,
    }  # fmt: skip
    cnnlab("train", tiny, "--epochs", 1, "--quiet")
    record = json.loads((tiny.parent / "runs/tiny-1/run.json").read_text())
    assert record["data"]["fingerprint"] == measured["fingerprint"]
    changed = cnnlab("data", "info", tiny, "--set", "data.limit=50", "--format", "json")
    assert json.loads(changed.stdout)["fingerprint"] != measured["fingerprint"]


def test_a_data_set_name_accepts_no_set_options(cnnlab):
    done = cnnlab("data", "info", "digits", "--set", "data.limit=5")
    assert_one_line(done, 2, "--set data.limit=5: applies to experiments only")


def test_verify_finds_nothing_wrong_with_digits(cnnlab):
    done = cnnlab("data", "verify", "digits")
    assert (done.returncode, done.stdout) == (0, "digits: 1,797 examples read: no problems\n")


def test_verify_reports_all_findings_when_files_are_damaged(cnnlab, images):
    (images / "train/cat/3.png").write_bytes(b"text")
    (images / "test/dog/1.png").write_bytes((images / "test/dog/0.png").read_bytes()[:60])
    (images / "train/cat/notes.txt").write_text("hello")
    (images / "train/cat/twin.png").write_bytes((images / "train/cat/0.png").read_bytes())
    Image.new("RGB", (9, 8)).save(images / "train/loose.png")
    done = cnnlab("data", "verify", "pets.yaml", "--set", "data.validation=0")
    assert done.returncode == 1
    assert f"error: {images}/train/cat/3.png: is not an image" in done.stdout
    assert f"error: {images}/test/dog/1.png: is damaged: " in done.stdout
    assert f"{images}: not read: files that are no images by their names (1: train/cat/notes.txt)" in done.stdout
    assert f"{images}: not read: images in no class folder (1: train/loose.png)" in done.stdout
    assert "train: 1 duplicate image with the same label: train/cat/0.png = train/cat/twin.png" in done.stdout
    assert done.stdout.endswith("folder: 31 examples read: 2 errors, 3 warnings\n")
    skipped = cnnlab("data", "verify", "pets.yaml", "--set", "data.validation=0", "--set", "data.on_error=skip")
    assert skipped.returncode == 0
    assert skipped.stdout == done.stdout.replace("error: ", "warning: ").replace("2 errors, 3", "0 errors, 5")


def test_verify_reports_unreadable_data_as_a_finding(cnnlab, tmp_path):
    np.savez(tmp_path / "a.npz", x_train=np.eye(4, dtype=np.uint8).reshape(1, 4, 4), y_train=[0])
    (tmp_path / "a.yaml").write_text(
        "data: {name: npz, file: a.npz, image_shape: [4, 4, 1], num_classes: 2}\nmodel: {layers: [flatten, dense: 2]}\n"
    )
    done = cnnlab("data", "verify", "a.yaml")
    assert (done.returncode, done.stderr) == (1, "")
    assert "error: npz: " in done.stdout
    assert "uint8 values from 0 to 1, of an unknown range" in done.stdout


def test_verify_reports_duplicates_leaks_contradictions_and_constant_images(cnnlab, images):
    train, test = images / "train", images / "test"
    for number in range(5):
        (train / f"cat/twin{number}.png").write_bytes((train / "cat/0.png").read_bytes())
    (train / "dog/liar.png").write_bytes((train / "cat/1.png").read_bytes())
    (test / "dog/seen.png").write_bytes((train / "dog/2.png").read_bytes())
    (test / "dog/wrong.png").write_bytes((train / "cat/3.png").read_bytes())
    Image.new("RGB", (9, 8), (7, 8, 9)).save(test / "cat/plain.png")
    done = cnnlab("data", "verify", "pets.yaml", "--set", "data.validation=0", "--format", "json")
    assert done.returncode == 0
    found = {(finding["kind"], finding["split"]): finding for finding in json.loads(done.stdout)["findings"]}
    assert {(kind, split): finding["count"] for (kind, split), finding in found.items()} == {
        ("duplicates", "train"): 5, ("contradictions", "train"): 1, ("leak", "test"): 2, ("contradictions", "test"): 1,
        ("constant", "test"): 1,
    }  # fmt: skip
    texts = {key: finding["text"] for key, finding in found.items()}
    assert texts["duplicates", "train"].endswith(
        "with the same label: train/cat/0.png = train/cat/twin0.png = train/cat/twin1.png and 3 more"
    )
    assert "train/cat/1.png (cat) = train/dog/liar.png (dog)" in texts["contradictions", "train"]
    assert "train train/dog/2.png = test test/dog/seen.png" in texts["leak", "test"]
    assert texts["contradictions", "test"].endswith("train train/cat/3.png (cat) = test test/dog/wrong.png (dog)")
    assert cnnlab("data", "verify", "pets.yaml", "--strict").returncode == 1


def test_verify_reports_imbalance_and_empty_classes(cnnlab, images):
    for number in range(4, 12):
        (images / f"train/dog/{number}.png").unlink()
    for number in range(3):
        (images / f"train/dog/{number}.png").unlink()
    done = cnnlab("data", "verify", "pets.yaml", "--set", "data.validation=0")
    assert "warning: train: imbalanced: 12 of cat, 1 of dog; accuracy alone is misleading" in done.stdout
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


def test_preview_with_augmentation_differs_by_epoch(cnnlab, tiny, tmp_path):
    change = ("--set", "preprocessing.augmentation=[rotation: 30]", "--augment")
    for name, *more in (("a", "--epoch", 1), ("b", "--epoch", 1), ("c", "--epoch", 2)):
        done = cnnlab("data", "preview", tiny, *change, "--out", f"{name}.png", *more)
        assert (done.returncode, done.stderr) == (0, "")
    first, again, other = ((tmp_path / f"{name}.png").read_bytes() for name in "abc")
    assert first == again
    assert first != other


def test_preview_shows_each_augmentation_by_itself(cnnlab, tiny, tmp_path):
    shown = {}
    for steps in ("brightness", "brightness, rand_augment, random_erasing, mixup, cutmix"):
        change = ("--set", f"preprocessing.augmentation=[{steps}]")
        done = cnnlab("data", "preview", tiny, *change, "--augment", "--count", 4)
        assert (done.returncode, done.stdout, done.stderr) == (0, "preview.png\n", "")  # replaces the earlier one
        with Image.open(tmp_path / "preview.png") as image:
            shown[steps] = image.size
    (width, low), (same, high) = shown.values()
    assert width == same
    assert high > low + 4 * 150


def test_preview_says_that_there_is_no_augmentation(cnnlab, tiny):
    done = cnnlab("data", "preview", tiny, "--augment")
    assert done.returncode == 0
    assert "warning: preprocessing.augmentation is empty: training images are not changed" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--augment", "--out", "x.svg"), "--out x.svg: with --augment, expected a file name that ends in .png"),
        (("--split", "nope"), "--split nope: no such split; expected train, validation or test"),
        (("--split", "test", "--augment"), "only training images are augmented"),
        (("--out", "tiny.yaml/x.png"), "tiny.yaml/x.png: cannot be written"),
    ],
)
def test_an_invalid_preview_is_a_one_line_error(cnnlab, tiny, arguments, message):
    assert_one_line(cnnlab("data", "preview", tiny, *arguments), 2, message)


def test_each_train_size_is_a_run_on_the_same_test_set(cnnlab, tiny, tmp_path):
    done = cnnlab("train", tiny, "--set", "data.limit=null", "--set", "data.train_sizes=[100, 300]", "--quiet")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[-3].split() == ["train_examples", "val_accuracy", "val_loss", "accuracy", "loss", "run"]
    assert [line.split()[0] for line in lines[-2:]] == ["100", "300"]
    records = [json.loads((tmp_path / f"runs/tiny-{number}/run.json").read_text())["data"] for number in (1, 2)]
    assert [record["splits"]["train"]["examples"] for record in records] == [300, 100]
    assert records[0]["splits"]["test"] == records[1]["splits"]["test"]
    assert records[0]["splits"]["validation"] == records[1]["splits"]["validation"]
    again = cnnlab("train", "runs/tiny-2/config.yaml", "--quiet", "--format", "json")
    assert json.loads(again.stdout)["train_examples"] == 100


def test_evaluate_reports_how_the_data_differ(cnnlab, images):
    cnnlab("train", "pets.yaml", "--epochs", 1, "--quiet", "--set", "data.image_size=[9, 8]")
    Image.new("RGB", (8, 9)).save(images / "test/dog/2.png")
    done = cnnlab("evaluate", "runs/pets-1")
    other = "was trained on other examples of folder than are here: test: other images; put those back into "
    assert_one_line(done, 1, f"{other}{images}")
    (images / "test/dog/2.png").unlink()
    assert_one_line(cnnlab("evaluate", "runs/pets-1"), 1, "test: 8 examples then, 7 now")


def test_a_run_finds_its_data_from_any_working_directory(cnnlab, images, tmp_path):
    """Paths in a file are relative to the file, paths in options to the working directory; a run stores absolute paths."""
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "sub").mkdir(parents=True)
    (tmp_path / "pets.yaml").rename(elsewhere / "pets.yaml")
    images.rename(elsewhere / "pets")
    write_decoy(tmp_path / "data" / "pets")
    write_decoy(tmp_path / "pets")
    options = ("--epochs", 1, "--set", "data.image_size=[9, 8]")
    done = cnnlab("train", "elsewhere/pets.yaml", *options)
    assert f"examples from {elsewhere / 'pets'}, " in done.stderr
    done = cnnlab("train", "elsewhere/pets.yaml", *options, "--set", "data.path=elsewhere/../elsewhere/pets")
    assert f"examples from {elsewhere / 'pets'}, " in done.stderr
    for run in ("pets-1", "pets-2"):
        config = yaml.safe_load((tmp_path / "runs" / run / "config.yaml").read_text())
        assert config["data"]["path"] == str(elsewhere / "pets")
        done = cnnlab("evaluate", f"../../runs/{run}", cwd=elsewhere / "sub")
        assert (done.returncode, done.stderr) == (0, "")
    (elsewhere / "pets").rename(elsewhere / "cats")
    done = cnnlab("train", "elsewhere/pets.yaml", *options)
    assert f"examples from {tmp_path / 'data' / 'pets'}, " in done.stderr  # falls back to the data folder
    assert yaml.safe_load((tmp_path / "runs/pets-3/config.yaml").read_text())["data"]["path"] == "pets"


def write_decoy(folder):
    """Different images in a folder of the same name."""
    for split in ("train", "test"):
        for name in ("cat", "dog"):
            (folder / split / name).mkdir(parents=True)
            for number in range(6):
                Image.new("RGB", (8, 9), (number, 0, 0)).save(folder / split / name / f"{number}.png")


def test_data_name_can_be_replaced_with_set_including_its_options(cnnlab, images):
    done = cnnlab(
        "train", "lenet", "--data", "folder", "--epochs", 1, "--quiet", "--set", "data.path=pets", "--set",
        "data.image_size=28", "--set", "data.channels=1", "--set", "data.num_classes=2", "--set",
        "model.layers[7]={dense: 2}", "--smoke",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    done = cnnlab("train", "lenet", "--data", "folder")
    assert done.returncode == 2
    for option in ("path", "image_size", "num_classes"):
        assert f"--data folder: data.{option}: missing" in done.stderr


def test_a_run_of_version_0_1_0_keeps_its_class_order(cnnlab, tmp_path):
    """Folders 0 to 10 were sorted as text: 10 came third."""
    for split, count in (("train", 6), ("test", 2)):
        for label in range(11):
            folder = tmp_path / f"numbers/{split}/{label}"
            folder.mkdir(parents=True)
            for number in range(count):
                Image.new("L", (8, 8), 20 * label + number).save(folder / f"{number}.png")
    (tmp_path / "n.yaml").write_text(
        "data: {name: folder, path: numbers, image_size: 8, channels: 1, num_classes: 11, class_order: text, validation: 0}\n"
        "model: {layers: [flatten, dense: 11]}\ntrain: {epochs: 2}\n"
    )
    cnnlab("train", "n.yaml", "--quiet")
    run = tmp_path / "runs/n-1"
    before = json.loads((run / "run.json").read_text())
    assert before["data"]["classes"][:4] == ["0", "1", "10", "2"]
    # As written by versions without the option.
    (run / "config.yaml").write_text((run / "config.yaml").read_text().replace("class_order: text, ", ""))
    del before["experiment"]["data"]["class_order"]
    (run / "run.json").write_text(json.dumps(before))
    assert "class_order" not in (run / "config.yaml").read_text()
    done = cnnlab("evaluate", "runs/n-1", "--format", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["accuracy"] == before["results"]["test_accuracy"]
    assert [row["class"] for row in json.loads(done.stdout)["classes"]][:4] == ["0", "1", "10", "2"]
    assert cnnlab("verify", "runs/n-1", "--quiet").stdout.startswith("runs/n-1: identical")
    assert cnnlab("resume", "runs/n-1", "--epochs", 3, "--quiet").returncode == 0
    cnnlab("train", "n.yaml", "--quiet", "--set", "data.class_order=numeric")
    after = json.loads((tmp_path / "runs/n-2/run.json").read_text())
    assert after["data"]["classes"] == [str(label) for label in range(11)]
    # The run rejects data in another class order.
    (run / "config.yaml").write_text((tmp_path / "runs/n-2/config.yaml").read_text())
    assert_one_line(cnnlab("evaluate", "runs/n-1"), 1, "was trained on other examples", "class 2 was 10, is 2")


def test_an_empty_class_is_marked_in_the_results(cnnlab, images):
    for file in (images / "test/cat").iterdir():
        file.unlink()
    done = cnnlab("train", "pets.yaml", "--epochs", 1, "--quiet")
    assert f"cnnlab: warning: {images}: test: no examples of cat, " in done.stderr
    measured = json.loads(cnnlab("evaluate", "runs/pets-1", "--format", "json").stdout)
    assert measured["absent_classes"] == ["cat"]
    cat, dog = measured["classes"]
    assert (cat["recall"], cat["f1"], cat["examples"]) == (None, None, 0)
    assert measured["balanced_accuracy"] == dog["recall"] == measured["accuracy"]
    assert measured["macro_f1"] == dog["f1"]
    output = cnnlab("evaluate", "runs/pets-1").stdout
    assert "balanced accuracy and macro F1 are over 1 of 2 classes: no examples of cat" in output


def test_preview_accepts_the_name_of_a_data_set(cnnlab, tmp_path):
    done = cnnlab("data", "preview", "digits", "--count", 5)
    assert (done.returncode, done.stdout) == (0, "preview.png\n")
    assert_one_line(cnnlab("data", "preview", "digits", "--augment"), 2, "digits is a data set; name an experiment")
    assert_one_line(
        cnnlab("data", "preview", "digts"), 2, "digts: no such data set, experiment or folder; did you mean 'digits'?"
    )
    assert_one_line(
        cnnlab("data", "preview", "digits", "--out", "x.jpg"),
        2,
        "x.jpg: expected a file name that ends in .png, .svg or .pdf",
    )


def test_a_folder_that_is_not_a_split_is_reported(cnnlab, images):
    (images / "test").rename(images / "exam")
    done = cnnlab("data", "info", "pets.yaml")
    assert done.returncode == 0
    assert f"cnnlab: warning: {images}: not read: folders beside the splits (1: exam)" in done.stderr


def test_predictions_include_file_names(cnnlab, images, tmp_path):
    cnnlab("train", "pets.yaml", "--epochs", 1, "--quiet")
    rows = list(csv.DictReader((tmp_path / "runs/pets-1/evaluation/test-predictions.csv").read_text().splitlines()))
    assert [row["file"] for row in rows][:2] == ["test/cat/0.png", "test/cat/1.png"]
    assert {(row["label"], row["label_name"]) for row in rows} == {("0", "cat"), ("1", "dog")}
    assert all(row["prediction_name"] == ("cat", "dog")[int(row["prediction"])] for row in rows)


def test_runs_of_one_experiment_on_different_data_are_distinguished(cnnlab, images):
    cnnlab("train", "pets.yaml", "--epochs", 1, "--quiet")
    assert "different examples" not in cnnlab("compare", "runs").stdout
    Image.new("RGB", (8, 8)).save(images / "train/dog/2.png")
    cnnlab("train", "pets.yaml", "--epochs", 1, "--quiet")
    *_, caution = cnnlab("compare", "runs").stdout.split("\n\n")
    assert " ".join(caution.split()).startswith("pets-1 and pets-2 name the same data and saw different examples")


def test_a_linked_experiment_finds_data_next_to_the_link_or_the_file(cnnlab, images, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "pets.yaml").symlink_to(tmp_path / "pets.yaml")
    options = ("--set", "data.image_size=[9, 8]", "--format", "json")
    place = json.loads(cnnlab("data", "info", "elsewhere/pets.yaml", *options).stdout)["place"]
    assert place == str(images)
    write_decoy(elsewhere / "pets")
    place = json.loads(cnnlab("data", "info", "elsewhere/pets.yaml", *options).stdout)["place"]
    assert place == str(elsewhere / "pets")


def test_an_unknown_name_lists_every_known_name_once(cnnlab):
    done = cnnlab("data", "info", "zzzz")
    assert_one_line(done, 2, "zzzz: no such data set, experiment or folder; expected one of ")
    assert done.stderr.count(" digits,") == 1
