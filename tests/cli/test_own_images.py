"""From a folder or a table of images to a trained network, in one command, or two with a file between."""

import json

import numpy as np
import pytest
import yaml
from PIL import Image

from cnnlab.config.load import load_file
from cnnlab.experiment.data import Folder, Table
from tests.conftest import assert_one_line

CLASSES = ("fox", "hare", "owl")


@pytest.fixture
def photos(tmp_path):
    """A folder of three classes of coloured images, and a table of them."""
    random = np.random.default_rng(0)
    rows = ["picture,animal,day"]
    for label, name in enumerate(CLASSES):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(20):
            pixels = random.integers(0, 80, (30, 30, 3), np.uint8)
            pixels[..., label] += 150
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number}.png")
            rows.append(f"photos/{name}/{number}.png,{name},{number % 5}")
    (tmp_path / "photos/fox/clip.mov").write_bytes(b"")
    (tmp_path / "list.csv").write_text("\n".join(rows) + "\n")
    return tmp_path / "photos"


def test_train_takes_a_folder_and_says_what_it_guessed_and_fitted(cnnlab, photos, tmp_path):
    done = cnnlab("train", "lenet", "--data", "./photos", "--epochs", 1, "--report")
    assert done.returncode == 0
    notes = [line for line in done.stderr.splitlines() if line.startswith("cnnlab: note: ")]
    assert notes[0] == (
        "cnnlab: note: photos: recognised as a folder of 60 images in 3 classes (fox, hare and owl), 20 each, without splits"
    )
    assert "cnnlab: note: photos: data.image_size=30: all 60 images: 30×30" in notes
    assert "cnnlab: note: model.layers[7].dense.units: 3, an output per class of the data" in notes
    assert done.stderr.count("not read: videos (1: fox/clip.mov)") == 1
    experiment = load_file(tmp_path / "runs/lenet-1/config.yaml")
    assert isinstance(experiment.data, Folder)
    assert (experiment.data.path, experiment.data.image_shape) == (str(photos), (30, 30, 3))
    assert (experiment.data.test, experiment.data.validation) == (0.2, 0.1)
    assert "hare" in (tmp_path / "runs/lenet-1/report.html").read_text()


def test_predict_takes_a_folder_or_a_table_in_the_size_of_the_network(cnnlab, photos, tmp_path):
    cnnlab("train", "fc", "--data", "photos", "--set", "data.image_size=8", "--smoke", "--quiet")
    predict = ("predict", "runs/fc-1", "--format", "csv", "--data")
    rows = cnnlab(*predict, "list.csv", "--examples", "0:2")  # the column that has the network's classes
    assert len(rows.stdout.splitlines()) == 3
    (tmp_path / "photos").rename(tmp_path / "other")
    assert len(cnnlab(*predict, "other", "--split", "train").stdout.splitlines()) == 1 + 43
    (tmp_path / "other").rename(tmp_path / "photos")
    (tmp_path / "list.csv").write_text((tmp_path / "list.csv").read_text().replace(",fox,", ",cat,"))
    assert_one_line(cnnlab(*predict, "list.csv"), 1, "no column has only classes of the network, fox, hare and owl")


def test_init_writes_what_was_recognized_with_reasons_and_relative_paths(cnnlab, photos, tmp_path):
    done = cnnlab("init", "mine", "--data", "photos")
    assert done.stdout.splitlines() == ["wrote mine.yaml", "wrote experiment.schema.json"]
    assert "not read: videos (1: fox/clip.mov)" in done.stderr
    text = (tmp_path / "mine.yaml").read_text()
    written = yaml.safe_load(text)
    assert written["data"] == {
        "name": "folder", "path": "photos", "image_size": 30, "channels": 3, "num_classes": 3, "test": 0.2,
        "validation": 0.1,
    }  # fmt: skip
    assert "  # all 60 images: 30×30\n  image_size: 30 " in text
    assert "# recognised as a folder of 60 images in 3 classes (fox, hare and owl), 20 each, without splits" in text
    assert written["model"]["layers"][-1] == {"dense": 3}
    assert cnnlab("validate", "mine.yaml").stdout == "1 experiment: valid\n"
    assert cnnlab("train", "mine.yaml", "--smoke", "--quiet").returncode == 0


@pytest.mark.parametrize("like", ["resnet20", "fc", "copy.yaml"])
def test_init_fits_the_last_layer_of_any_experiment(cnnlab, photos, tmp_path, like):
    (tmp_path / "copy.yaml").write_text(cnnlab("show", "lenet").stdout)
    cnnlab("init", "sub/mine", "--data", "photos", "--like", like)
    experiment = load_file(tmp_path / "sub/mine.yaml")
    assert experiment.model.layers[-1].units == 3
    assert experiment.data.path == str(photos)  # not below the file
    assert cnnlab("validate", "sub/mine.yaml").returncode == 0


def test_a_table_needs_no_more_than_the_column_that_is_not_clear(cnnlab, photos, tmp_path):
    assert_one_line(cnnlab("data", "info", "list.csv"), 1, "animal and day may be", "--set data.label=animal")
    assert_one_line(cnnlab("init", "mine", "--data", "list.csv"), 1, "--set data.label=animal")
    cnnlab("init", "mine", "--data", "list.csv", "--set", "data.label=animal")
    data = load_file(tmp_path / "mine.yaml").data
    assert isinstance(data, Table)
    assert (data.image, data.label, data.num_classes, data.image_size) == ("picture", "animal", 3, (30, 30))
    done = cnnlab("train", "fc", "--data", "list.csv", "--set", "data.label=animal", "--epochs", 1, "--quiet")
    assert done.returncode == 0
    predictions = (tmp_path / "runs/fc-1/evaluation/test-predictions.csv").read_text()
    assert "photos/owl/" in predictions
    done = cnnlab("predict", "runs/fc-1", "--data", "list.csv", "--format", "csv", "--examples", "0:2")
    assert len(done.stdout.splitlines()) == 3
    assert len(json.loads((tmp_path / "runs/fc-1/run.json").read_text())["test_uses"]) == 2


def test_info_prints_and_exports_what_was_recognized(cnnlab, photos):
    text = cnnlab("data", "info", "photos").stdout
    assert "photos: recognised as a folder of 60 images" in text
    assert "sizes, of all 60 images: 30×30 (60)\nformats: PNG (60); colours: RGB (60)" in text
    found = json.loads(cnnlab("data", "info", "photos", "--format", "json").stdout)
    recognized = found["recognized"]
    assert recognized["options"]["num_classes"] == 3
    assert recognized["sizes"] == [[30, 30, 60]]
    assert recognized["skipped"] == [{"kind": "ignored", "count": 1, "text": "not read: videos (1: fox/clip.mov)"}]
    assert found["image_shape"] == [30, 30, 3]
    small = cnnlab("data", "info", "photos", "--set", "data.image_size=8", "--format", "json")
    assert json.loads(small.stdout)["image_shape"] == [8, 8, 3]


def test_verify_and_preview_take_a_folder_and_a_table(cnnlab, photos, tmp_path):
    done = cnnlab("data", "verify", "photos")
    assert "folder: 60 examples read: 0 errors, 1 warning" in done.stdout
    assert "note: photos: recognised as a folder of 60 images" in done.stderr
    assert "data: {name: folder, path: " in done.stderr
    assert cnnlab("data", "preview", "list.csv", "--set", "data.label=animal", "--out", "grid.png").returncode == 0
    assert (tmp_path / "grid.png").read_bytes().startswith(b"\x89PNG")


def test_images_smaller_than_the_network_needs_get_the_size_of_its_own(cnnlab, tmp_path):
    for name in CLASSES:
        (tmp_path / "tiny" / name).mkdir(parents=True)
        for number in range(4):
            Image.new("L", (6, 6), 20 * number).save(tmp_path / "tiny" / name / f"{number}.png")
    done = cnnlab("init", "mine", "--data", "tiny")
    assert "data.image_size: 28×28, as in lenet.yaml: its layers need larger images" in done.stderr
    assert load_file(tmp_path / "mine.yaml").data.image_shape == (28, 28, 1)


def test_what_is_given_is_not_guessed(cnnlab, photos):
    sets = ("--set", "data.image_size=16", "--set", "model.layers[7].dense=5")
    done = cnnlab("train", "lenet", "--data", "photos", "--smoke", *sets)
    assert done.returncode == 2
    assert "model.layers[7].dense: the network ends in (5,), and folder has 3 classes" in done.stderr
    assert "an output per class" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "parts"),
    [
        (["data", "info", "nowhere/"], 1, ["nowhere/: no such file or folder"]),
        (["data", "info", "nowhere.csv"], 1, ["nowhere.csv: no such file or folder"]),
        (["data", "info", "nowhere"], 2, ["nowhere: no such data set, experiment or folder"]),
        (["data", "info", "photos", "--set", "train.epochs=3"], 2, ["only keys of data can be set of photos"]),
        (["data", "info", "photos", "--set", "data.image_sise=3"], 2, ["--set data.image_sise=3: data.image_sise: unknown key"]),
        (["data", "preview", "photos", "--augment"], 2, ["--augment: photos is a data set; name an experiment"]),
        (["init", "mine", "--set", "data.image_size=3"], 2, ["only with --data"]),
        (["init", "mine", "--data", "digits", "--set", "train.epochs=3"], 2, ["only keys of data can be set here"]),
        (["init", "mine", "--data", "photos/fox"], 1, ["has 20 images in no class folder"]),
        (["train", "lenet", "--data", "photos/fox"], 1, ["has 20 images in no class folder"]),
    ],
    ids=str,
)  # fmt: skip
def test_an_unusable_request_is_one_line(cnnlab, photos, arguments, code, parts):
    assert_one_line(cnnlab(*arguments), code, *parts)


def test_init_takes_the_name_of_a_data_set(cnnlab, tmp_path):
    assert cnnlab("init", "mine", "--data", "cifar100").returncode == 0
    experiment = load_file(tmp_path / "mine.yaml")
    assert (experiment.data.name, experiment.model.layers[-1].units) == ("cifar100", 100)


def test_init_says_where_names_look_grouped_and_then_what_groups_change(cnnlab, tmp_path):
    for label, name in enumerate(CLASSES):
        (tmp_path / "people" / name).mkdir(parents=True)
        for person in range(12):
            path = tmp_path / "people" / name / f"IMG_{100 + len(CLASSES) * person + label}.png"
            Image.new("L", (8, 8), 20 * person).save(path)
    proposal = "--set \"data.group={rounds: '^IMG_([0-9]+)'}\""
    for command in (("init", "mine", "--data", "people"), ("data", "info", "people")):
        assert cnnlab(*command).stderr.count(f"keep them together, such as by {proposal}") == 1
    done = cnnlab("init", "other", "--data", "people", "--set", "data.group={rounds: '^IMG_([0-9]+)'}")
    assert "look grouped" not in done.stderr
    assert "no folder for testing: about 7 of 36 images, in whole groups" in done.stderr
    assert "cnnlab: note: `cnnlab train other.yaml` trains it" in done.stderr
    assert load_file(tmp_path / "other.yaml").data.group.pattern == "^IMG_([0-9]+)"
